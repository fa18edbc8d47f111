"""The report's text, read back from the PDF and the HTML."""

import re
import shutil
from importlib.metadata import version
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pypdf import PdfReader

from lib import paths
from lib.parameters import read_notebook
from lib.report import build_report, report_title
from lib.report.document import _items, is_cited, join, join_nodes, merge_references
from lib.report.exporters import (
    ReportHTMLExporter,
    ReportPDFExporter,
    ReportTypstExporter,
    typst_string,
)
from lib.report.front import forecast_table, front_outputs, front_page
from lib.report.markup import render
from lib.report.outputs import clean_outputs
from lib.report.tables import read_table, to_html, to_typst
from tests.report.notebooks import KERAS, META, table_output, write_run
from tests.report.pages import too_white

SVG = "http://www.w3.org/2000/svg"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> tuple[Path, Path]:
    """The PDF and HTML of a synthetic run of two notebooks."""
    folder = tmp_path_factory.mktemp("run")
    notebooks = write_run(folder)
    (folder / "results.csv").write_text("notebook,seed\n03_lstm,4711\n03_lstm,mean\n")
    return build_report(
        folder,
        notebooks=notebooks,
        meta=META,
        title=report_title(META, "sample-week"),
        figures=folder / "figures",
    )


@pytest.fixture(scope="module")
def pages(report) -> list[str]:
    """Text of each page, white space made one blank."""
    return [
        re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(report[0]).pages
    ]


@pytest.fixture(scope="module")
def html(report) -> BeautifulSoup:
    return BeautifulSoup(report[1].read_text(), "html.parser")


def test_title_page_has_the_data_and_says_synthetic(pages):
    for text in (
        "Forecasting the popularity of movies: sample by week",
        "The movie-popularity authors · 2026-01-02 · version",
        "Synthetic data",
        "sample (synthetic)",
        "2020-01-06 to 2021-12-31",
        "123,456",
        "1,000",
        "104 of one week",
    ):
        assert text in pages[0]


def test_contents_name_chapters_sections_and_pages(pages):
    assert "Contents" in pages[0]
    assert re.search(r"1 Explore the data ?[. ]+ ?1\b", pages[0])
    assert "1.1 The long tail" in pages[0]
    assert "2 LSTM" in pages[0]
    assert "A How this report was made" in pages[0]


def test_every_page_is_numbered(pages):
    total = len(pages)
    for number, page in enumerate(pages, start=1):
        assert f"{number} / {total}" in page


@pytest.mark.parametrize(
    "caption",
    [
        "Figure 1. Requests per movie, ",
        "Requests per movie, λ ≤ 1. Synthetic data (notebook 02_explore).",
        "Figure 2. Loss over epochs · synthetic data (notebook 03_lstm).",
        "Table 1. Scores of all models · synthetic data (notebook 02_explore).",
        "Table 3. Definitions · synthetic data (notebook 02_explore).",
    ],
)
def test_captions_name_notebook_and_synthetic_data(pages, caption):
    assert caption in " ".join(pages)


def test_all_captions_of_a_synthetic_run_say_so(html):
    captions = [c.get_text() for c in html.select("main > figure figcaption")]
    assert len(captions) == 7
    assert all("synthetic" in text.lower() and "notebook" in text for text in captions)


def test_tables_are_text_and_repeat_their_head(pages):
    text = " ".join(pages)
    assert "conv1d_lstm" in text and "precision_at_10" in text
    assert "The Movie of Number 69, or: How I Learned (1964)" in text
    long = [page for page in pages if "The Movie of Number" in page]
    assert len(long) > 1
    assert all("movieId title genres requests" in page for page in long)


def test_very_wide_table_stays_inside_a_turned_page(report):
    sizes = {}
    for page in PdfReader(report[0]).pages:
        if "quantile" in page.extract_text():
            width = float(page.mediabox.width)
            sizes["turned"] = width > float(page.mediabox.height)
            spots = []
            page.extract_text(
                visitor_text=lambda text, _, tm, *rest, spots=spots: (
                    spots.append(tm[4]) if text.strip() else None
                )
            )
            assert max(spots) < width - 40
    assert sizes == {"turned": True}


def test_figures_are_vectors_where_there_is_one(report):
    images = [len(page.images) for page in PdfReader(report[0]).pages]
    assert sum(images) == 1  # the second figure has only a PNG


def test_no_page_is_more_than_a_third_empty(tmp_path):
    document = join(write_run(tmp_path), figures=tmp_path / "figures")
    document.metadata["report"] = {"title": "Title"}
    assert not too_white(document)


def test_details_move_to_the_appendix_and_no_table_comes_twice():
    table = new_code_cell(outputs=[table_output(pd.DataFrame({"a": [1]}))])
    tagged = new_markdown_cell("## 2. Numbers\n\nMore.")
    announced = new_markdown_cell("A list:")
    listed = new_code_cell(outputs=[table_output(pd.DataFrame({"b": [2]}))])
    for cell in (tagged, announced, listed):
        cell.metadata["tags"] = ["appendix"]
    cells = [
        *(new_markdown_cell("# LSTM: it learns"), table),
        *(tagged, new_markdown_cell("### Deep"), table),
        *(new_markdown_cell("## 3. Hyper-parameters"), new_markdown_cell("Words.")),
        *(new_markdown_cell("## 4. Is it luck?"), new_markdown_cell("The end.")),
        *(announced, listed),
    ]
    whole = join_nodes({"03_lstm": new_notebook(cells=cells)})
    titles = [c.source.partition("\n")[0] for c in whole.cells if c.source[:1] == "#"]
    assert titles == [
        *("# LSTM: it learns", "## Is it luck?", "# Details"),
        *("## LSTM: Numbers", "## LSTM: Hyper-parameters"),
        "## LSTM: Is it luck, in full",
    ]
    assert whole.cells[-2].source == "A list:" and len(whole.cells[-1].outputs) == 1
    assert sum(len(cell.get("outputs", [])) for cell in whole.cells) == 2


def test_first_page_tells_findings_and_the_next_slot(tmp_path):
    shutil.copy(paths.ROOT / "report" / "ml-100k-7d" / "results.csv", tmp_path)
    forecast = pd.DataFrame({"slot": "1998-04-23", "rank": range(1, 13), "movieId": 7})
    forecast["title"] = ["<b>First</b>", *["Movie"] * 10, None]
    forecast = forecast.assign(share=0.0123, expected=61.5, low50=55, high50=70.4)
    forecast = forecast.assign(low95=40, high95=90, change=3.7)
    forecast["new"] = [True] + [False] * 11
    forecast.loc[2, "change"] = -0.3
    forecast.to_csv(tmp_path / "forecast.csv", index=False)
    text = front_page(tmp_path, META, [])
    assert any("nats per request" in line for line in text["abstract"])
    table, figure = front_outputs(tmp_path, META)
    assert table.metadata.report.caption.startswith("Forecast for the slot 1998-04-23")
    _, body = read_table(table.data["text/html"])
    assert len(body) == 10
    cells = [cell.text for cell in body[0]]
    assert cells == ["1", "<b>First</b>", "1.23", "62", "55–70", "40–90", "new"]
    assert [body[row][-1].text for row in (1, 2)] == ["+4", "0"]
    assert figure.metadata.report.kind == "figure"
    assert forecast_table(tmp_path / "none.csv", META) is None


def test_code_and_progress_are_hidden(pages, html):
    for text in (" ".join(pages), html.get_text()):
        assert "secret_code" not in text
        assert "Epoch 1/3" not in text and "ms/step" not in text
        assert "WARNING" not in text and "hidden" not in text
        assert "stopped after 2 epochs, λ = 0.1 ≤ 1" in text
        assert "The LSTM wins by 0.004 nats." in text
        assert "0.123" not in text


def test_set_up_empty_and_next_sections_are_left_out(pages):
    text = " ".join(pages)
    for gone in ("Imports and globals", "Nothing to see", "Go on with"):
        assert gone not in text
    assert "What we learned" in text


def test_references_are_merged_and_those_never_cited_left_out(pages, html):
    text = " ".join(pages)
    assert text.count("Long short-term memory") == 1
    assert "Adam: A method" not in text  # never cited
    items = html.select(".references p")
    assert [item.get_text()[:8] for item in items] == ["Hochreit"]


def test_appendix_has_versions_device_parameters_and_seeds(pages):
    text = " ".join(pages)
    for row in (
        f"keras {version('keras')}",
        f"numpy {version('numpy')}",
        "backend tensorflow",
        "device CPU (2 cores)",
        "03_lstm EPOCHS 40 at most",
        "02_explore, SEEDS 0, 1, 2",
        "results.csv 4711, mean",
        "duplicate ratings 12 kept the last",
        "03_lstm 2026-01-02 03:04 12.3",
    ):
        assert row in text


def test_html_loads_nothing_and_its_links_lead_somewhere(html):
    for tag in html.find_all(src=True):
        assert tag["src"].startswith("data:") and tag["alt"]
    assert not html.find_all("script") and not html.find_all("link")
    policy = html.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'")
    targets = {tag["id"] for tag in html.find_all(id=True)}
    inner = [a["href"] for a in html.find_all("a", href=True) if a["href"][0] == "#"]
    assert len(inner) > 8
    assert {link[1:] for link in inner} <= targets
    assert "#03_lstm" in inner
    assert html.find("math") is not None


def test_same_run_gives_the_same_bytes(tmp_path, report):
    notebooks = write_run(tmp_path)
    (tmp_path / "results.csv").write_text("notebook,seed\n03_lstm,4711\n03_lstm,mean\n")
    again = build_report(
        tmp_path,
        notebooks=notebooks,
        meta=META,
        title=report_title(META, "sample-week"),
        figures=tmp_path / "figures",
    )
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in report]


def test_real_data_are_not_called_synthetic(tmp_path):
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Title"),
            new_code_cell(outputs=[table_output(pd.DataFrame({"a": [1]}))]),
        ]
    )
    path = tmp_path / "01_x.ipynb"
    nbformat.write(notebook, path)
    whole = join([path], synthetic=False)
    assert whole.cells[2].outputs[0].metadata.report.caption == (
        "Title (notebook 01_x)."
    )


@pytest.mark.parametrize(
    ("slot", "words"), [("week", "ml-1m by week"), ("7D", "ml-1m by 7 days")]
)
def test_title_names_data_and_slot(slot, words):
    title = report_title({"dataset": "/data/ml-1m", "slot": slot}, "x")
    assert title.endswith(words)


def test_bare_environments_and_renamed_symbols_reach_typst():
    [text] = render(
        ["\\begin{align}\na &= b \\odot c \\\\ d &= e \\otimes f\n\\end{align}"],
        "typst",
    )
    assert "a & = b dot.o c" in text
    assert "times.o" in text and "circle" not in text


def test_markdown_table_is_flush_left_unless_it_says_otherwise():
    [text] = render(["| a | b |\n|---|--:|\n| 1 | 2 |"], "typst")
    assert text.startswith("#plain-table(")
    assert "align: (left,right,)," in text


def test_links_without_target_become_text():
    texts = ["# A\n\n[one](#none) [two](#a) [three](02_b.ipynb) ![x](y.png)"]
    [typst] = render(texts, "typst")
    assert "one" in typst and "<none>" not in typst
    assert "#link(<a>)[two]" in typst
    assert "three" in typst and "ipynb" not in typst and "y.png" not in typst


def test_an_open_fence_does_not_swallow_the_next_cell():
    first, second = render(["```\nopen", "**next**"], "html")
    assert "open" in first
    assert second == "<p><strong>next</strong></p>"


def test_keras_progress_is_removed_and_the_rest_kept():
    stream = new_output("stream", name="stdout", text=KERAS)
    [output] = clean_outputs([stream, stream], None)
    text = output.data["text/plain"]
    assert text.splitlines() == ["stopped after 2 epochs, λ = 0.1 ≤ 1"] * 2


def test_table_cells_keep_spans_and_special_characters():
    columns = pd.MultiIndex.from_product([["#LSTM", "$GRU"], ["mean", 'a "b" \\n <c>']])
    table = pd.DataFrame([[1, 2, 3, 4.5]], columns=columns)
    source, how = to_typst(table.to_html())
    assert (
        'table.cell(colspan: 2, rowspan: 1, align: center, strong[#"#LSTM"])' in source
    )
    assert how == {"turned": False, "breakable": False, "high": False}
    head, body = read_table(to_html(table.to_html()))
    assert head[1][2].text == 'a "b" \\n <c>'
    assert [cell.text for cell in body[0]] == ["0", "1", "2", "3", "4.5"]


@pytest.mark.parametrize("shared", [None, "metric"])
def test_index_name_joins_the_row_of_column_names(shared):
    table = pd.DataFrame({"rmse": [0.1]}, pd.Index(["lstm"], name="model"))
    head, _ = read_table(table.rename_axis(columns=shared).to_html())
    assert [[cell.text for cell in row] for row in head] == [["model", "rmse"]]


def test_two_full_rows_of_column_names_stay_two():
    columns = pd.MultiIndex.from_tuples([("LSTM", "mean"), ("GRU", "sd")])
    table = pd.DataFrame([[1, 2]], pd.Index(["a"], name="model"), columns)
    head, _ = read_table(table.to_html())
    texts = [[cell.text for cell in row] for row in head]
    assert texts == [["", "LSTM", "GRU"], ["model", "mean", "sd"]]


def test_a_number_has_a_minus_and_a_name_its_hyphen():
    texts = [
        "-1",
        "-0.2 (-0.3, +0.1) even",
        "-1234 (-2345, +1.2) even",
        "2026-11-27",
        "page-3",
        "Catch -22",
        "1e-05",
    ]
    _, body = read_table(pd.DataFrame({"x": texts}).to_html(index=False))
    told = ["−1", "−0.2 (−0.3, +0.1) even", "−1234 (−2345, +1.2) even"]
    assert [row[0].text for row in body] == [*told, *texts[3:]]


def test_a_percent_sign_never_begins_a_line():
    assert render(["95 % of them"], "html") == ["<p>95\u00a0% of them</p>"]
    assert typst_string("95 % of them") == '"95\u00a0% of them"'


def test_in_the_appendix_figures_stand_below_their_headings():
    """None floats there: it would pass the next heading."""
    tall = f'<svg xmlns="{SVG}" width="400pt" height="230pt"></svg>'
    drawn = new_output("display_data", {"image/svg+xml": tall})
    chapter = [new_markdown_cell("# Title"), new_markdown_cell("## 1. Words\n\nFew.")]
    chapter += [new_code_cell(outputs=[drawn])]
    for name in ("First", "Second"):
        cells = [
            new_markdown_cell(f"## {name}\n\nMore."),
            new_code_cell(outputs=[drawn]),
        ]
        cells[0].metadata["tags"] = ["appendix"]
        chapter += cells
    source, _ = ReportTypstExporter().from_notebook_node(new_notebook(cells=chapter))
    assert re.findall("floats: (true|false)", source) == ["true", "false", "false"]


@pytest.mark.parametrize(
    "exporter", [ReportTypstExporter, ReportPDFExporter, ReportHTMLExporter]
)
def test_exporters_take_any_notebook(exporter):
    notebook = new_notebook(cells=[new_markdown_cell("# Hello\n\n$x_i$ and λ")])
    content, resources = exporter().from_notebook_node(notebook)
    assert len(content) > 100
    assert resources["output_extension"] == exporter().file_extension


def test_references_are_sorted_by_surname_and_differ_in_more_than_marks():
    items = [
        "J. L. Elman (1990). One.",
        "B. Croston (1972). *Two*.",
        "B. Croston (1972). Two",
    ]
    assert merge_references(items) == [items[1], items[0]]


def test_notebooks_cite_each_work_in_the_same_words():
    cited = {}
    for path in sorted(paths.NOTEBOOKS.rglob("[0-9]*.ipynb")):
        for cell in read_notebook(path)["cells"]:
            _, found, listed = cell["source"].partition("## References")
            if cell["cell_type"] == "markdown" and found:
                for item in merge_references(_items(listed)):
                    year, title = re.search(r"\((\d{4})\w?\)\W+(.{12})", item).groups()
                    cited.setdefault((year, title.lower()), set()).add(item)
    assert [items for items in cited.values() if len(items) > 1] == []


@pytest.mark.parametrize(
    "path", sorted(paths.NOTEBOOKS.rglob("[0-9]*.ipynb")), ids=lambda path: path.stem
)
def test_every_reference_is_cited_in_the_text(path):
    cells = read_notebook(path)["cells"]
    text = "\n".join(c["source"] for c in cells if c["cell_type"] == "markdown")
    text, _, listed = text.partition("## References")
    assert [item for item in _items(listed) if not is_cited(item, text)] == []
