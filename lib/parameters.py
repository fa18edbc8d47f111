"""What may be set in a notebook: the literals of its cell tagged `parameters`."""

import ast
import difflib
import io
import json
import math
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.errors import UserError

TAG = "parameters"
MOST = 1_000_000_000  # no number that is typed may be larger
# "none, small or large" in a comment, where no word but these is meant
CHOICES = re.compile(r"(?:\w+, )*\w+,? or \w+(?=$|[:;])")
TRUE, FALSE = {"true", "yes", "1"}, {"false", "no", "0"}


@dataclass(frozen=True)
class Parameter:
    """One upper-case constant of a parameters cell."""

    name: str
    default: Any
    help: str


def read_notebook(path: Path) -> dict:
    """Read a notebook as plain JSON, each cell's source as one string.

    `nbformat` takes a second to import, which a call that finds nothing to do would
    notice.

    Raises:
        UserError: the file is missing or is not a notebook, or its parameters are not
            what `declared` reads.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would never end
            raise TypeError(path)
        notebook = json.loads(path.read_text(encoding="utf-8"))
        _check_types(notebook)
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such notebook") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(
            f"{path}: this is not a notebook; expected a file of JSON with cells, as "
            "Jupyter writes it; save it there again"
        ) from None
    try:
        declared(notebook)
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError):
        raise UserError(
            f"{path}: the cell tagged {TAG} cannot be read; expected one literal a "
            "line, such as EPOCHS = 5, and nothing that is computed; correct the cell"
        ) from None
    return notebook


def _check_types(notebook: dict) -> None:
    """Raise a TypeError where a part that is read here is of another type."""
    lists = [notebook["cells"]]
    about = notebook.setdefault("metadata", {})
    lists += [about.get(name, []) for name in ("requires", "reads")]
    for cell in notebook["cells"]:
        lists.append(cell_tags(cell))
        text = isinstance(cell["source"], str | list)
        if not text or not isinstance(cell["cell_type"], str):
            raise TypeError(cell)
    if notebook.get("nbformat", 4) != 4:
        raise ValueError(notebook["nbformat"])
    for found in lists:
        if not isinstance(found, list):
            raise TypeError(found)
    if not all(isinstance(one, str) for found in lists[1:] for one in found):
        raise TypeError(lists)


def cell_tags(cell: dict) -> list[str]:
    """Tags of a cell, without the need for it to have metadata."""
    return cell.get("metadata", {}).get("tags", [])


def declared(notebook: dict) -> dict[str, Parameter]:
    """Parameters of a notebook, in the order of their cell; empty without one."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and TAG in cell_tags(cell):
            return _from_source(cell["source"])
    return {}


def _from_source(source: str) -> dict[str, Parameter]:
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, ast.literal_eval(node.value)
            found[name] = Parameter(name, value, comments.get(node.end_lineno, ""))
    return found


def coerce(parameter: Parameter, value: Any) -> Any:
    """Turn a value from a command line or YAML into the type of the default.

    A list may be given as `0,1,2` or `0 1 2`; a default of None accepts any value. A
    number may be zero only where the default is, and a word must be one of those that
    the comment lists, as in "none, small or large".

    Raises:
        UserError: the value has another type than the default, or is out of range.
    """
    default = parameter.default
    if isinstance(default, list | tuple):
        if isinstance(value, str):
            value = re.split(r"[,\s]+", value.strip("[](), "))
        items = list(value) if isinstance(value, list | tuple) else [value]
        kind = Parameter(parameter.name, default[0] if default else None, "")
        return [coerce(kind, item) for item in items]
    try:
        found = _scalar(default, value)
        if _fits(parameter, found):
            return found
    except (ValueError, TypeError, OverflowError):
        pass
    raise UserError(
        f"{parameter.name}={str(value)[:60]}: expected {_expected(parameter)}"
    )


def _choices(parameter: Parameter) -> list[str]:
    """The words that the comment lists, if the default is among them."""
    match = CHOICES.match(parameter.help)
    words = re.split(r", or |, | or ", match[0]) if match else []
    return words if parameter.default in words else []


def _fits(parameter: Parameter, value: Any) -> bool:
    default = parameter.default
    if isinstance(default, bool) or not isinstance(default, int | float | str):
        return True
    if isinstance(default, str):
        return value in (_choices(parameter) or [value])
    return (
        math.isfinite(value)
        and (value > 0 or value == 0 and _may_be_zero(parameter))
        and (value <= MOST)
    )


def _may_be_zero(parameter: Parameter) -> bool:
    """Whether 0 is the default, or the parameter's comment says what 0 does."""
    return parameter.default == 0 or "0 leaves it out" in parameter.help


def _expected(parameter: Parameter) -> str:
    default = parameter.default
    if isinstance(default, bool):
        return f"true or false, such as {default}"
    if isinstance(default, str):
        words = _choices(parameter)
        return f"one of {', '.join(words)}" if words else "a text"
    kind = "a whole number" if isinstance(default, int) else "a number"
    bounds = f"from {0 if _may_be_zero(parameter) else 1} to {MOST}"
    return f"{kind}, such as {default}" + (
        f", {bounds}" if isinstance(default, int) else f", above 0, up to {MOST}"
    )


def _scalar(default: Any, value: Any) -> Any:
    if isinstance(default, bool):
        text = str(value).lower()
        if text not in TRUE | FALSE:
            raise ValueError(text)
        return text in TRUE
    if isinstance(default, int):
        if isinstance(value, bool | float):
            raise ValueError(value)
        return int(value)
    if isinstance(default, float):
        return float(value)
    if isinstance(default, str):
        if isinstance(value, dict | list | tuple):
            raise TypeError(value)
        return str(value)
    return _guess(value)


def _guess(value: object) -> object:
    """A number where the text is one, else the value itself."""
    for kind in (int, float):
        if isinstance(value, str):
            try:
                return kind(value)
            except ValueError:
                continue
    return value


def check_known(names: list[str], known: set[str]) -> None:
    """Refuse names that no notebook declares.

    Raises:
        UserError: lists the valid names, the nearest one first.
    """
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UserError(
                f"{name}: no notebook has this parameter; {hint}"
                f"valid ones are {', '.join(sorted(known))}"
            )
