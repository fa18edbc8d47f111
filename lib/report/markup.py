"""Markdown of notebook cells to Typst or HTML, all cells in one call of pandoc."""

import json
import re
from collections.abc import Callable, Iterator

import pypandoc

READER = "gfm+tex_math_dollars+raw_attribute+smart"
SEPARATOR = {"t": "RawBlock", "c": ["separator", ""]}
FENCED_SEPARATOR = "\n\n```{=separator}\n```\n\n"
MARK = "report-separator"
ENVIRONMENT = re.compile(
    r"(?<!\$)\\begin\{(align|equation|gather|multline|eqnarray)(\*?)\}(.*?)"
    r"\\end\{\1\2\}(?!\s*\$)",
    re.DOTALL,
)
INNER = {"gather": "gathered"}
NOTEBOOK_LINK = re.compile(r"^(?:\./)?(\w+)\.ipynb(?:#.*)?$")
# pandoc writes the names that typst had before 0.15
RENAMED = re.compile(r"\b((?:dot|times|plus|minus|div|dash|ast|compose)\.)circle\b")
COLUMNS = re.compile(r"^ *align: \((?:\w+,)+\),$", re.MULTILINE)
OUTER_TABLE = re.compile(r"#figure\((\s*align\(center\)\[#table\()")


def render(
    texts: list[str], to: str, anchors: dict[int, str] | None = None
) -> list[str]:
    """Translate pieces of markdown with TeX math.

    Links between notebooks become links between chapters; links that lead nowhere and
    images (a report has figures) become their text.

    Args:
        texts: pieces of markdown, as JupyterLab accepts it.
        to: "typst" or "html".
        anchors: position of a piece → anchor of its first heading.

    Returns:
        One translated piece for each.
    """
    if not texts:
        return []
    anchors = anchors or {}
    document = _read(FENCED_SEPARATOR.join(_wrap_math(text) for text in texts))
    parts = _parts(document["blocks"])
    if len(parts) != len(texts):  # an open fence or comment swallowed a separator
        parts = [_read(_wrap_math(text))["blocks"] for text in texts]
    for position, anchor in anchors.items():
        header = next((b for b in parts[position] if b["t"] == "Header"), None)
        if header:
            header["c"][1][0] = anchor
    known = {h["c"][1][0] for part in parts for h in part if h["t"] == "Header"}
    mark = {"t": "RawBlock", "c": [to, _mark(to)]}
    blocks = []
    for part in parts:
        blocks += [*walk(part, lambda node: _resolve(node, known)), mark]
    document["blocks"] = blocks
    arguments = ["--mathml", "--wrap=none"] if to == "html" else ["--wrap=none"]
    text = pypandoc.convert_text(json.dumps(document), to, "json", arguments)
    return [_repair(piece.strip(), to) for piece in text.split(_mark(to))[:-1]]


def inline(text: str) -> str:
    """A rendered paragraph without the tags around it."""
    return re.sub(r"^<p>|</p>$", "", text.strip())


def _read(markdown: str) -> dict:
    return json.loads(pypandoc.convert_text(markdown, "json", READER))


def _wrap_math(text: str) -> str:
    """Put dollars around bare environments, which MathJax accepts and pandoc drops."""

    def wrapped(match: re.Match) -> str:
        inner = INNER.get(match[1], "aligned")
        body = match[3].strip()
        if match[1] == "equation":
            return f"\n\n$${body}$$\n\n"
        return f"\n\n$$\\begin{{{inner}}}{body}\\end{{{inner}}}$$\n\n"

    return ENVIRONMENT.sub(wrapped, text)


def _parts(blocks: list[dict]) -> list[list[dict]]:
    parts = [[]]
    for block in blocks:
        if block == SEPARATOR:
            parts.append([])
        else:
            parts[-1].append(block)
    return parts


def _mark(to: str) -> str:
    return f"// {MARK}" if to == "typst" else f"<!-- {MARK} -->"


def walk(nodes: list, change: Callable[[dict], list | None]) -> list:
    """Rebuild a pandoc tree; `change` replaces a node by a list or keeps it (None)."""
    return list(_walk(nodes, change))


def _walk(nodes: list, change: Callable[[dict], list | None]) -> Iterator:
    for node in nodes:
        if isinstance(node, list):
            yield walk(node, change)
            continue
        if isinstance(node, dict):
            node = {
                key: walk(value, change) if isinstance(value, list) else value
                for key, value in node.items()
            }
            replaced = change(node)
            if replaced is not None:
                yield from replaced
                continue
        yield node


def _resolve(node: dict, known: set[str]) -> list | None:
    """Replace links without a target, and images, by their text."""
    if node.get("t") == "Image":
        return node["c"][1]
    if node.get("t") != "Link":
        return None
    target = node["c"][2][0]
    notebook = NOTEBOOK_LINK.match(target)
    if notebook:
        target = f"#{notebook[1]}"
    if target.startswith("#"):
        found = next((t for t in (target[1:], target[1:].lower()) if t in known), None)
        if found is None:
            return node["c"][1]
        node["c"][2][0] = f"#{found}"
        return [node]
    return None if re.match(r"(https?|mailto):", target) else node["c"][1]


def _repair(text: str, to: str) -> str:
    if to == "typst":
        text = RENAMED.sub(r"\1o", text)
        text = OUTER_TABLE.sub(r"#plain-table(\1", text)
        # `auto` would take the centred alignment around the table
        text = COLUMNS.sub(lambda match: match[0].replace("auto", "left"), text)
    return text
