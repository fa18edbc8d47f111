"""Which outputs of a notebook are worth printing, and in which form."""

import base64
import re
from pathlib import Path

from bs4 import BeautifulSoup
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_output

from lib.text import printable

VECTOR = {".svg": "image/svg+xml", ".pdf": "application/pdf"}
IMAGES = ["image/svg+xml", "application/pdf", "image/png", "image/jpeg"]
BACKSPACES = re.compile(r"[^\n]\x08|\x08")
# Keras' and tqdm's progress: bars, "Epoch 3/30", "12/40 ━━━", "5ms/step", "3.1it/s"
PROGRESS = re.compile(
    r"^\s*Epoch \d+/\d+|^\s*\d+/\d+ [\[━]|\d+m?s/(step|epoch)|\d+%\|.*\||it/s\]?\s*$"
    r"|^Restoring model weights|early stopping\s*$"
)
OBJECT = re.compile(r"^[\[({]*(<[\w. ]+.*>|[\w.]*(Figure|Axes|Text|Line2D)\()")
LONGEST_TEXT, LONGEST_LINE = 40, 500  # lines, characters


def clean_outputs(
    outputs: list[NotebookNode], figures: Path | None
) -> list[NotebookNode]:
    """Outputs to print, each in one form: image, table, text or markdown.

    Printed text of one cell becomes one block without progress lines; what went to
    standard error and the representations of objects are left out.

    Args:
        outputs: outputs of a code cell.
        figures: folder with vector versions of figures by their `metadata.id`.
    """
    kept, printed = [], ""
    for output in outputs:
        if output.output_type == "stream":
            printed += output.text if output.name == "stdout" else ""
            continue
        if output.output_type == "error" or output.metadata.get("is_caption"):
            continue
        if printed:
            kept.append(_text(printed))
            printed = ""
        kept.append(_rich(output, figures))
    if printed:
        kept.append(_text(printed))
    return [output for output in kept if output]


def _rich(output: NotebookNode, figures: Path | None) -> NotebookNode | None:
    data, metadata = output.data, output.metadata
    image = _vector(metadata.get("id"), figures) or next(
        ((mime, data[mime]) for mime in IMAGES if mime in data), None
    )
    if image:
        return _output(dict([image]), "figure", metadata)
    html = data.get("text/html", "")
    if "<table" in html:
        return _output({"text/html": html}, "table", metadata)
    if "text/markdown" in data:
        text = {"text/markdown": data["text/markdown"]}
        return _output(text, "markdown", metadata)
    if html.strip():  # only its words: a page shows no HTML but that of tables
        return _text(BeautifulSoup(html, "html.parser").get_text("\n", strip=True))
    text = data.get("text/plain", "")
    # The value of an expression means little without its code, unless it is a listing.
    alone = output.output_type == "execute_result" and "\n" not in text
    return None if alone or OBJECT.match(text) else _text(text)


def _vector(name: str | None, figures: Path | None) -> tuple[str, str] | None:
    """The vector version of a saved figure, as notebooks store it."""
    for suffix, mime in VECTOR.items():
        path = figures / f"{name}{suffix}" if figures and name else None
        if path and path.is_file():
            content = path.read_bytes()
            if suffix == ".svg":
                return mime, content.decode()
            return mime, base64.b64encode(content).decode()
    return None


def _text(text: str) -> NotebookNode | None:
    """A block of printed text as a terminal would leave it."""
    while "\x08" in text:
        text = BACKSPACES.sub("", text)
    # a carriage return starts the line again
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    lines = [printable(line[:LONGEST_LINE]).rstrip() for line in lines]
    lines = [line for line in lines if not PROGRESS.search(line)]
    text = "\n".join(lines).strip("\n")
    if not text.strip():
        return None
    lines = text.split("\n")
    if len(lines) > LONGEST_TEXT:
        rest = len(lines) - LONGEST_TEXT
        text = "\n".join([*lines[:LONGEST_TEXT], f"… {rest} more lines"])
    return _output({"text/plain": text}, "text", {})


def _output(data: dict, kind: str, metadata: dict) -> NotebookNode:
    kept = {key: metadata[key] for key in ("caption", "id") if key in metadata}
    return new_output("display_data", data, metadata={**kept, "report": {"kind": kind}})
