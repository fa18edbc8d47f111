"""Join executed notebooks into one document: chapters, captions, references.

The result is again a notebook, so that every nbconvert exporter can print it. What the
exporters need beyond cells lies in `metadata.report` of the notebook, of each cell and
of each output.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib.parameters import cell_tags
from lib.report.outputs import clean_outputs
from lib.text import shown_text, spoken

HEADING = re.compile(r"^(#{1,4})\s+(.*?)\s*#*$")
NUMBER = re.compile(r"^(\d{1,2})((?:\.\d+)*)(?:[.:)·–-]+\s*|\s+)(?=\S)")
FENCE = re.compile(r"^\s*(```|~~~)")
LIST_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")
INITIALS = re.compile(r"^(?:[^\W\d_]\.[\s-]*)+")  # "S. K. " before a surname
# Sections that serve a reader of the notebook and say nothing on paper.
LEFT_OUT = {
    "the naive baseline, again",
    "next",
    "set-up",
    "setup",
    "imports",
    "imports and globals",
}
LONGEST_CAPTION = 1000  # characters
HIDDEN_TAG, DETAIL_TAG = "no-report", "appendix"
READS = re.compile(r"^\*\*Reads\*\* .*\n?", re.MULTILINE)  # of those who run it
KINDS = ("ratings", "genres", "years", "users")  # what data may lack
# Sections that a reader of the report looks up rather than reads
DETAILS = re.compile(
    r"hyper-parameters|prediction types|other recurrent|the same front|as it was"
    r"|^predicted and true$|forecasting libraries",
    re.IGNORECASE,
)


def join(
    notebooks: list[Path],
    *,
    figures: Path | None = None,
    synthetic: bool = False,
    meta: dict | None = None,
) -> NotebookNode:
    """Join notebooks, one chapter each, into one.

    Args:
        notebooks: executed notebooks in the order of the chapters.
        figures: folder with vector versions of the figures, `<id>.svg` or `<id>.pdf`.
        synthetic: mark every caption.
        meta: what preprocessing recorded: `item_name` stands for the word "movie" in
            the text, and cells tagged `needs-genres`, `needs-years`, `needs-ratings` or
            `needs-users` go where `knows` lacks it.

    Returns:
        See `join_nodes`.
    """
    nodes = {path.stem: nbformat.read(path, as_version=4) for path in notebooks}
    for node in nodes.values():
        fit_to_data(node, meta or {})
    return join_nodes(nodes, figures=figures, synthetic=synthetic)


def fit_to_data(notebook: NotebookNode, meta: dict) -> None:
    """Leave out what the data do not have, and call their items by their name."""
    known = meta.get("knows", KINDS)
    absent = {f"needs-{kind}" for kind in KINDS if kind not in known}
    notebook.cells = [c for c in notebook.cells if not absent & set(cell_tags(c))]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text, mark, references = cell.source.partition("## References")
            text = READS.sub("", text).replace("This notebook", "This chapter")
            text = spoken(text, meta.get("item_name", "movie"))
            cell.source = f"{text}{mark}{references}"


def join_nodes(
    notebooks: dict[str, NotebookNode],
    *,
    figures: Path | None = None,
    synthetic: bool = False,
) -> NotebookNode:
    """Join notebooks that are in memory, by name; see `join`.

    Returns:
        A notebook whose first cell is for the first page and whose markdown cells start
        with at most one heading. Its code cells hold only outputs worth printing, no
        table twice. `metadata.references` lists the references that the text cites,
        each once, in alphabetical order.
    """
    whole, references, details = new_notebook(), [], []
    tables: set[str] = set()
    for name, notebook in notebooks.items():
        pieces = list(_split(notebook, figures, tables))
        chapter = list(_chapter(pieces, name, references))
        main, moved = split_details(drop_empty_sections(chapter))
        for part in (main, moved):
            section = name
            for cell in part:
                section = cell.metadata.report.get("title") or section
                for output in cell.get("outputs", []):
                    caption(output, section, name, synthetic)
        whole.cells += main
        details += moved
    front = new_code_cell()
    front.metadata["report"] = {"front": True}
    whole.cells = [front, *whole.cells]
    if details:
        head = _markdown(["# Details"])
        head.metadata.report["chapter"] = "details"
        whole.cells += [head, *details]
    text = " ".join(cell.source for cell in whole.cells)
    whole.metadata["references"] = [
        item for item in merge_references(references) if is_cited(item, text)
    ]
    return from_dict(whole)


def mark_appendix(document: NotebookNode) -> None:
    """Mark where the appendix begins, and what does not float from its place.

    In the appendix figures stand below their headings, and tables break over pages.
    """
    begun = False
    for cell in document.cells:
        report = cell.metadata.report
        if report.get("chapter") in ("details", "made") and not begun:
            begun = report["appendix"] = True
        for output in cell.get("outputs", []):
            how = output.metadata["report"]
            how["fixed"] = begun or report.get("front", False)


def split_details(
    cells: list[NotebookNode],
) -> tuple[list[NotebookNode], list[NotebookNode]]:
    """Part a chapter into its main sections and those for the appendix."""
    main, moved, to = [], [], None
    chapter = cells[0].metadata.report.get("title", "") if cells else ""
    topic = section = chapter.partition(":")[0]
    for cell in cells:
        report = cell.metadata.report
        if report.get("level", 9) <= 2:
            section = report["title"]
            to = moved if report["level"] == 2 and _is_detail(cell) else main
            if to is moved:
                report["title"] = f"{topic}: {report['title']}"
                rest = cell.source.partition("\n")[2]
                cell.source = f"## {report['title']}\n{rest}"
        if report.get("detail") and report.get("level", 9) > 2 and to is not moved:
            head = f"## {topic}: {section.rstrip('?')}, in full"
            moved += [] if head in {m.source for m in moved} else [_markdown([head])]
            moved.append(cell)
            continue
        (main if to is None else to).append(cell)
    return main, moved


def _is_detail(cell: NotebookNode) -> bool:
    report = cell.metadata.report
    return bool(report.get("detail") or DETAILS.search(report["title"]))


def is_cited(reference: str, text: str) -> bool:
    """Whether a text names the first author of a reference with its year."""
    surname = re.match(r"[\w'’-]+", INITIALS.sub("", reference))
    year = re.search(r"\b(1[89]|20)\d\d\b", reference)
    if not surname or not year:
        return False
    pattern = rf"\b{re.escape(surname[0])}\b.{{0,80}}?{year[0]}"
    return re.search(pattern, text, re.DOTALL) is not None


def _split(
    notebook: NotebookNode, figures: Path | None, tables: set[str]
) -> Iterator[NotebookNode]:
    """Cells to print, with markdown cells cut so that each has one heading at most.

    Args:
        tables: those printed so far; a table that is among them is left out.
    """
    for cell in notebook.cells:
        if HIDDEN_TAG in cell_tags(cell) or cell.cell_type == "raw":
            continue
        if cell.cell_type == "code":
            outputs = clean_outputs(cell.outputs, figures)
            piece = new_code_cell(outputs=[o for o in outputs if _is_new(o, tables)])
            piece.metadata["report"] = {"detail": DETAIL_TAG in cell_tags(cell)}
            yield piece
            continue
        for lines in _at_headings(cell.source):
            piece = _markdown(lines)
            piece.metadata.report["detail"] = DETAIL_TAG in cell_tags(cell)
            yield piece


def _is_new(output: NotebookNode, tables: set[str]) -> bool:
    """Whether an output is no table that was printed before."""
    html = output.data.get("text/html", "")
    known = html in tables
    tables.add(html)
    return not html or not known


def _markdown(lines: list[str]) -> NotebookNode:
    report = {}
    match = HEADING.match(lines[0]) if lines else None
    if match:
        number = NUMBER.match(match[2])
        title = NUMBER.sub("", match[2])
        report = {
            "level": len(match[1]),
            "title": title,
            "number": number[1] if number else "",
        }
        lines = [f"{match[1]} {title}", *lines[1:]]
    cell = new_markdown_cell("\n".join(lines).strip())
    cell.metadata["report"] = report
    return cell


def _at_headings(source: str) -> list[list[str]]:
    parts, fenced = [[]], False
    for line in source.splitlines():
        if FENCE.match(line):
            fenced = not fenced
        if HEADING.match(line) and not fenced:
            parts.append([])
        parts[-1].append(line)
    return [part for part in parts if any(line.strip() for line in part)]


def _chapter(
    pieces: list[NotebookNode], name: str, references: list[str]
) -> Iterator[NotebookNode]:
    """One notebook's cells without its references and the sections left out."""
    hidden, titled = 0, False
    for piece in pieces:
        report = piece.metadata.report
        level = report.get("level")
        if level and (not hidden or level <= hidden):
            title = report["title"].lower()
            gone = title in LEFT_OUT | {"references"} or report["number"] in ("0", "00")
            hidden = level if gone and level > 1 else 0
            if hidden and title == "references":
                references += _items(piece.source)
        if hidden:
            continue
        if level == 1 and not titled:
            titled, report["chapter"] = True, name
        yield piece


def _items(source: str) -> list[str]:
    """Items of a markdown list, continuation lines joined."""
    items = []
    for line in source.splitlines()[1:]:
        if LIST_ITEM.match(line):
            items.append(LIST_ITEM.sub("", line).strip())
        elif items and line.strip():
            items[-1] += " " + line.strip()
    return items


def merge_references(items: list[str]) -> list[str]:
    """Sort references by surname and keep one of those that differ in marks only."""
    unique = {}
    for item in items:
        key = re.sub(r"\W+", " ", INITIALS.sub("", item).casefold()).strip()
        unique.setdefault(key, item)
    return [unique[key] for key in sorted(unique)]


def drop_empty_sections(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Leave out headings and code cells that have nothing to show; chapters stay."""
    kept = []
    for cell in reversed(cells):
        level = cell.metadata.report.get("level")
        if level:
            full = level == 1 or "\n" in cell.source or _has_content(kept, level)
        else:
            full = cell.cell_type == "markdown" or cell.outputs
        if full:
            kept.append(cell)
    return kept[::-1]


def _has_content(after: list[NotebookNode], level: int) -> bool:
    """Whether the cell that follows belongs to the section of this level."""
    if not after:
        return False
    following = after[-1].metadata.report.get("level")
    return following is None or following > level


def caption(output: NotebookNode, section: str, name: str, synthetic: bool) -> None:
    """Give a figure or table its caption; the section's title stands in for none."""
    report = output.metadata.get("report", {})
    if report.get("kind") not in ("figure", "table"):
        return
    text = output.metadata.get("caption") or section
    text = shown_text(text, LONGEST_CAPTION).rstrip(".")
    if synthetic and "synthetic" not in text.lower():
        text += " · synthetic data"
    report["caption"] = f"{text} (notebook {name})."


def table_output(html: str, caption: str) -> NotebookNode:
    """An output that prints as a captioned table."""
    return new_output(
        "display_data",
        {"text/html": html},
        metadata={"report": {"kind": "table", "caption": caption}},
    )
