"""Markdown of notebook cells to Typst or HTML, all cells in one call of pandoc."""

import json
import re
import secrets
from collections.abc import Callable, Collection, Iterator

import pypandoc

from lib.text import printable

READER = "gfm+smart-yaml_metadata_block"
ENVIRONMENT = re.compile(
    r"(?<!\$)\\begin\{(align|equation|gather|multline|eqnarray)(\*?)\}(.*?)"
    r"\\end\{\1\2\}(?!\s*\$)",
    re.DOTALL,
)
INNER = {"gather": "gathered"}
PERCENT = re.compile(r"(?<=\d) %")  # no line ends between the two
NOTEBOOK_LINK = re.compile(r"^(?:\./)?(\w+)\.ipynb(?:#.*)?$")
# pandoc writes the names that typst had before 0.15
RENAMED = re.compile(r"\b((?:dot|times|plus|minus|div|dash|ast|compose)\.)circle\b")
COLUMNS = re.compile(r"^ *align: \((?:\w+,)+\),$", re.MULTILINE)
OUTER_TABLE = re.compile(r"#figure\((\s*align\(center\)\[#table\()")


def render(
    texts: list[str],
    to: str,
    anchors: dict[int, str] | None = None,
    computed: Collection[int] = (),
) -> list[str]:
    """Translate pieces of markdown with TeX math.

    Links between notebooks become links between chapters; links that lead nowhere and
    images (a report has figures) become their text. Nothing is taken for HTML, TeX or
    Typst code. Computed pieces may hold titles from data: they keep neither links nor
    math.

    Args:
        texts: pieces of markdown, as JupyterLab accepts it.
        to: "typst" or "html".
        anchors: position of a piece → anchor of its first heading.
        computed: positions of pieces that code wrote.

    Returns:
        One translated piece for each.
    """
    if not texts:
        return []
    anchors = anchors or {}
    mark = f"separator-{secrets.token_hex(16)}"  # no text can hold it by chance or will
    fence = f"\n\n```{mark}\n```\n\n"
    texts = [PERCENT.sub("\u00a0%", _wrap_math(text)) for text in texts]
    document = _read(fence.join(texts))
    parts = _parts(document["blocks"], mark)
    if len(parts) != len(texts):  # an open fence or comment swallowed a separator
        parts = [_read(text)["blocks"] for text in texts]
    for position, anchor in anchors.items():
        header = next((b for b in parts[position] if b["t"] == "Header"), None)
        if header:
            header["c"][1][0] = anchor
    known = {h["c"][1][0] for part in parts for h in part if h["t"] == "Header"}
    comment = f"// {mark}" if to == "typst" else f"<!-- {mark} -->"
    blocks = []
    for position, part in enumerate(parts):
        if position in computed:
            part = walk(part, _bare)
        part = walk(part, lambda node: _resolve(node, known))
        blocks += walk(part, _told_formula) if to == "typst" else part
        blocks.append({"t": "RawBlock", "c": [to, comment]})
    document["blocks"] = blocks
    arguments = ["--mathml", "--wrap=none"] if to == "html" else ["--wrap=none"]
    text = pypandoc.convert_text(json.dumps(document), to, "json", arguments)
    return [_repair(piece.strip(), to) for piece in text.split(comment)[:-1]]


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


def _parts(blocks: list[dict], mark: str) -> list[list[dict]]:
    parts = [[]]
    for block in blocks:
        if block["t"] == "CodeBlock" and mark in block["c"][0][1]:
            parts.append([])
        else:
            parts[-1].append(block)
    return parts


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


def _bare(node: dict) -> list | None:
    """Replace links and math by their text."""
    if node.get("t") == "Link":
        return node["c"][1]
    if node.get("t") == "Math":
        return [{"t": "Str", "c": f"${node['c'][1]}$"}]
    return None


def _told_formula(node: dict) -> list | None:
    """Give a formula its TeX source as text for those who hear it."""
    if node.get("t") != "Math":
        return None
    tex = json.dumps(" ".join(printable(node["c"][1]).split()), ensure_ascii=False)
    raw = [f"#[#set math.equation(alt: {tex});", "]"]
    before, after = ({"t": "RawInline", "c": ["typst", text]} for text in raw)
    return [before, node, after]


def _resolve(node: dict, known: set[str]) -> list | None:
    """Replace links without a target, images and HTML by their text."""
    if node.get("t") == "Image":
        return node["c"][1]
    if node.get("t") in ("RawInline", "RawBlock"):
        text = {"t": "Str", "c": node["c"][1].strip()}
        return [text if node["t"] == "RawInline" else {"t": "Para", "c": [text]}]
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
