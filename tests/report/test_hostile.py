"""Titles from data that are code elsewhere: every output shows them as text."""

import base64
import csv
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pypdf import PdfReader

from lib import paths
from lib.figures import style
from lib.recommenders.app.console import TITLE_WIDTH, as_text
from lib.recommenders.rating.model import AT_LEAST
from lib.report import build_report
from lib.schema import MOVIE, RATING, TITLE
from lib.text import markdown_text, printable, shown_text
from tests.hostile import TITLES


def as_stored(data: dict, metadata: dict):
    """An output as Jupyter stores it, pictures in base64."""
    if "image/png" in data:
        data["image/png"] = base64.b64encode(data["image/png"]).decode()
    return new_output("display_data", data, metadata=metadata)


@pytest.fixture
def shown(monkeypatch, tmp_path) -> list[dict]:
    """What figures and tables display, caught; files go to a folder of the test."""
    caught = []
    monkeypatch.setattr(
        style,
        "display",
        lambda data, raw, metadata: caught.append(as_stored(data, metadata)),
    )
    monkeypatch.setattr(paths, "FIGURES", tmp_path)
    with plt.rc_context():
        style.use_style()
        yield caught


def hostile_figure():
    """A figure with every title in every place that a text can have."""
    fig, axes = plt.subplots()
    places = range(len(TITLES))
    for place, title in zip(places, TITLES, strict=True):
        axes.barh([place], [1], label=title)
        axes.annotate(title, (1, place))
    axes.set_yticks(places, TITLES)
    text = " ".join(TITLES[:30])
    axes.set(title=text, xlabel=text, ylabel=text)
    axes.legend(title=text)
    return fig


@pytest.mark.filterwarnings("ignore:Glyph", "ignore:constrained_layout")
def test_figures_draw_any_title(shown, tmp_path):
    style.save_figure(hostile_figure(), "01_x", "\x1b[31mred\x1b[0m $x_$", "run")
    ElementTree.parse(tmp_path / "run" / "01_x.svg")
    assert shown[0].metadata.caption == "red $x_$"


@pytest.fixture
def report(shown, tmp_path) -> tuple[Path, Path]:
    """A report whose tables, captions, sentences and prints hold every title."""
    table = pd.DataFrame({"title": TITLES, "place": range(len(TITLES))})
    style.show_table(table, "All: " + " ".join(TITLES[:40]), "run")
    style.show_table(table.set_index("title"), "By title", "run")
    style.save_figure(plt.figure(figsize=(3, 1)), "01_x", TITLES[0], "run")
    raw = "<table>" + "".join(f"<tr><td>{t}</td></tr>" for t in TITLES) + "</table>"
    shown.append(new_output("display_data", {"text/html": raw}))
    for title in TITLES:
        text = f"Escaped: {markdown_text(title)}."
        shown += [
            new_output("display_data", {"text/markdown": text}),
            new_output("display_data", {"text/markdown": title}),
            new_output("display_data", {"text/html": f"<p>{title}</p>"}),
            new_output("stream", name="stdout", text=title + "\n"),
            new_output("display_data", {"text/plain": title}),
        ]
    cells = [new_markdown_cell("# Chapter"), new_code_cell(outputs=shown)]
    cells.append(new_markdown_cell("The end."))
    path = tmp_path / "01_chapter.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    title = TITLES[0] + TITLES[6]
    return build_report(tmp_path, notebooks=[path], meta={}, title=title)


def test_report_runs_nothing_and_loses_nothing(report):
    page = BeautifulSoup(report[1].read_text("utf-8"), "html.parser")
    assert not page.find_all(["script", "iframe", "object", "embed", "link", "base"])
    for tag in page.find_all():
        assert not [name for name in tag.attrs if name.startswith("on")], tag
        if tag.has_attr("src"):
            assert tag["src"].startswith("data:")
        if tag.has_attr("href"):
            assert tag["href"].startswith("#")
    cells = [td.get_text() for td in page.select("figure.table td")]
    for title in TITLES[:41]:
        assert shown_text(title)[:40] in " ".join(cells)
    sentences = [p.get_text() for p in page.find_all("p")]
    for title in TITLES[:30]:
        assert any(shown_text(title) in text for text in sentences), title
    assert "The end." in sentences
    pdf = PdfReader(report[0])
    assert not any("/AA" in p or "/OpenAction" in p for p in pdf.pages)
    text = re.sub(r"\s", "", "".join(p.extract_text() for p in pdf.pages))
    for title in TITLES[:27]:
        assert re.sub(r"\s", "", shown_text(title)) in text, title
    assert "root:" not in text  # nothing was read from this machine


def test_tables_in_notebooks_are_escaped(shown):
    style.show_table(pd.DataFrame({"title": TITLES}), "Titles", "run")
    caption, output = shown
    assert caption.metadata["is_caption"]
    page = BeautifulSoup(output.data["text/html"], "html.parser")
    names = {tag.name for tag in page.find_all()}
    assert names == {"table", "thead", "tbody", "tr", "th", "td"}
    assert printable(output.data["text/plain"]) == output.data["text/plain"]


def test_console_shows_one_harmless_line_per_movie():
    table = pd.DataFrame({MOVIE: 1, TITLE: TITLES, RATING: 3.5, AT_LEAST: 3.0})
    text = as_text(table)
    assert len(text.split("\n")) == len(TITLES) + 1
    assert printable(text) == text
    assert max(map(len, text.split("\n"))) <= TITLE_WIDTH + 32


def test_csv_keeps_every_title_in_its_field():
    titles = [shown_text(title) for title in TITLES]
    text = pd.DataFrame({"title": titles, "share": 0.5}).to_csv(index=False)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["title"] for row in rows] == titles
    assert {row["share"] for row in rows} == {"0.5"}
