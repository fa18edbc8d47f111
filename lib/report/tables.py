"""HTML tables, as pandas writes them, to Typst tables that fit a page."""

import json
import re
from dataclasses import dataclass
from html import escape

from bs4 import BeautifulSoup, Tag

from lib.text import shown_text

NUMBER = re.compile(
    r"^[-+−]?(\d{1,3}(,\d{3})+|\d*)(\.\d+|(?<=\d))(e[-+]?\d+)?\s*(%|±.*|s|ms|MB)?$",
    re.IGNORECASE,
)
# The hyphen of a number, or of numbers with their interval, that stands for a minus
SIGN = re.compile(r"(?<![^(])-(?=[.\d]+$)|(?<![^ (])-(?=\d*\.\d|\d{4})")
EMPTY = {"", "-", "–", "—", "nan", "NaN", "None", "NaT", "<NA>", "…", "..."}
BREAKS = re.compile(r"(?<=[|_/])|\s+")
WIDE = 95  # characters: about what a line holds at the usual size
WIDEST = 150  # characters at the smallest size; beyond, the page is turned
LONGEST = 500  # characters of one cell
WORD = 12  # characters beyond which a cell needs some width
SHORT = 24  # rows that stay together on one page
LOW = 12  # rows beyond which a table may float


@dataclass
class Cell:
    """One cell: its text, what it spans, and whether it is a heading."""

    text: str
    columns: int = 1
    rows: int = 1
    head: bool = False


def read_table(html: str) -> tuple[list[list[Cell]], list[list[Cell]]]:
    """Header rows and body rows of the first table in a piece of HTML."""
    table = BeautifulSoup(html, "html.parser").select("table")[0]
    head = [_cells(row) for row in table.select("thead tr")]
    body = [_cells(row) for row in table.select("tbody tr, tfoot tr")]
    if not body:
        body = [
            _cells(row) for row in table.find_all("tr") if not row.find_parent("thead")
        ]
    return _merge_index_names(head), body


def _cells(row: Tag) -> list[Cell]:
    return [
        Cell(
            SIGN.sub("−", shown_text(cell.get_text(" "), LONGEST)),
            int(str(cell.get("colspan", "1"))),
            int(str(cell.get("rowspan", "1"))),
            cell.name == "th",
        )
        for cell in row.find_all(["th", "td"])
    ]


def _merge_index_names(head: list[list[Cell]]) -> list[list[Cell]]:
    """Put the names of the index, a row of their own in pandas, into the row above.

    They take the place of the one name that all columns share.
    """
    if len(head) < 2 or len(head[-1]) != len(head[-2]):
        return head
    above, names = head[-2:]
    texts = [name.text for name in names]
    levels = texts.index("") if "" in texts else len(texts)
    if any(texts[levels:]) or levels == len(texts):
        return head
    merged = [
        Cell(n.text or a.text, a.columns, 1, True)
        for a, n in zip(above, names, strict=True)
    ]
    return [*head[:-2], merged]


def _column_texts(body: list[list[Cell]], count: int) -> list[list[str]]:
    """Texts of the body by column; cells that span rows count once."""
    columns = [[] for _ in range(count)]
    for row in body:
        position = count - sum(cell.columns for cell in row)  # spanned from above
        for cell in row:
            if 0 <= position < count and cell.columns == 1:
                columns[position].append(cell.text)
            position += cell.columns
    return columns


def _is_number(texts: list[str]) -> bool:
    values = [text for text in texts if text not in EMPTY]
    return bool(values) and all(NUMBER.match(text) for text in values)


def to_typst(html: str) -> tuple[str, dict]:
    """Translate a table.

    Args:
        html: HTML that contains a table.

    Returns:
        Arguments of the template's `data-table`, and what the template must know:
        `turned` (needs a landscape page), `breakable` (too long for one page) and
        `high` (leaves a gap where it does not fit).
    """
    head, body = read_table(html)
    rows = head + body
    count = max(sum(cell.columns for cell in row) for row in rows)
    columns = _column_texts(body, count)
    labels = _column_texts(head[-1:], count)
    widths = [
        max([len(text) for text in [*column, *label]], default=0) + 2
        for column, label in zip(columns, labels, strict=True)
    ]
    narrowest = sum(
        max((len(part) for text in texts for part in BREAKS.split(text)), default=0) + 2
        for texts in (a + b for a, b in zip(columns, labels, strict=True))
    )
    wide = sum(widths) > WIDE
    aligns = ["right" if _is_number(column) else "left" for column in columns]
    arguments = [
        f"columns: {count}",
        f"aligns: ({', '.join(aligns)},)",
        f"head: {len(head)}",
        *(_typst_cell(cell, wide) for row in rows for cell in row),
    ]
    how = {"turned": narrowest > WIDEST, "breakable": len(body) > SHORT}
    how["high"] = len(body) > LOW
    return ",\n  ".join(arguments), how


def _typst_cell(cell: Cell, wide: bool) -> str:
    text = re.sub("(?<=[|_/])", "\u200b", cell.text) if wide else cell.text
    # JSON's escapes of quotes, backslashes and line ends are Typst's, too
    content = f"[#{json.dumps(text, ensure_ascii=False)}]"
    if cell.head:
        content = f"strong{content}"
    if cell.columns == cell.rows == 1:
        return content
    align = "center" if cell.columns > 1 else "left"
    return (
        f"table.cell(colspan: {cell.columns}, rowspan: {cell.rows}, "
        f"align: {align}, {content})"
    )


def to_html(html: str) -> str:
    """The bare table, numbers marked for the style sheet."""
    head, body = read_table(html)
    top = f"<thead>{_html_rows(head)}</thead>" if head else ""
    return f"<table>{top}<tbody>{_html_rows(body)}</tbody></table>"


def _html_rows(rows: list[list[Cell]]) -> str:
    return "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>\n" for row in rows)


def _html_cell(cell: Cell) -> str:
    name = "th" if cell.head else "td"
    spans = {"colspan": cell.columns, "rowspan": cell.rows}
    attributes = "".join(f' {k}="{v}"' for k, v in spans.items() if v > 1)
    if not cell.head and NUMBER.match(cell.text):
        attributes += ' class="number"'
    elif len(cell.text) > WORD:
        attributes += ' class="words"'
    return f"<{name}{attributes}>{escape(cell.text)}</{name}>"
