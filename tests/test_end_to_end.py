"""From a log to the PDF with the commands that people use, on a small log."""

import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from pypdf import PdfReader

from lib.data.sample.log import make_tables
from lib.files import read_sealed
from lib.paths import ROOT
from lib.report import whole_document
from lib.schema import RESULT_COLUMNS
from tests.report.pages import too_white

NETWORKS = {"simple_rnn", "lstm", "gru", "bidirectional_lstm", "conv1d_lstm"}
NAIVE = {"last_value", "moving_average", "ewma", "cumulative_share", "seasonal_naive"}
METRICS = {
    *("rmse", "mae", "cross_entropy", "accuracy", "precision_at_10", "ndcg_at_10"),
    *("hit_ratio_at_50", "floor_gap_closed"),
}
QUICK = ["-p", "EPOCHS", "1", "-p", "SWEEP", "none", "-p", "ORIGINS", "0"]
QUICK += ["-p", "SEEDS", "0", "-p", "ABLATION_EPOCHS", "1"]


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """A folder with a part of the sample as somebody's own data."""
    folder = tmp_path_factory.mktemp("own")
    tables = make_tables(0)
    ratings = tables["ratings.csv"].sort_values("timestamp").head(45_000)
    popular = ratings["movieId"].value_counts().head(150).index
    (folder / "mine").mkdir()
    ratings[ratings["movieId"].isin(popular)].to_csv(
        folder / "mine" / "ratings.csv", index=False
    )
    tables["movies.csv"].to_csv(folder / "mine" / "movies.csv", index=False)
    return folder


def call(output, *arguments):
    environment = {**os.environ, "POPULARITY_OUTPUT": str(output)}
    for name in ("EPOCHS", "SEEDS", "MAX_SLOTS", "SWEEP"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", "lib", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="module")
def report(output):
    data = ["--dataset", str(output / "mine"), "--slot", "week"]
    done = call(output, "report", *data, *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    return output, data, done.stdout


def test_results_are_complete(report):
    output, *_ = report
    table = pd.read_csv(output / "report" / "mine-week" / "results.csv", dtype=str)
    assert list(table.columns) == RESULT_COLUMNS
    test = table[table["split"] == "test"]
    assert NETWORKS | NAIVE | {"lru", "lfu", "oracle"} <= set(test["model"])
    compared = test[test["notebook"] == "06_compare_models"]
    for model in (NETWORKS | NAIVE) - {"ensemble"}:
        assert METRICS <= set(compared[compared["model"] == model]["metric"]), model
    lstm = test[(test["model"] == "lstm") & (test["metric"] == "rmse")]
    assert {"0", "mean"} <= set(lstm["seed"])
    assert {"1", "2", "3", "4"} <= set(lstm["prediction_type"])
    assert set(table["split"]) == {"train", "validation", "test"}
    finite = test[test["metric"].isin({"rmse", "cross_entropy"})]["value"].astype(float)
    assert np.isfinite(finite).all() and (finite > 0).all()


def test_the_pdf_holds_what_a_reader_expects(report):
    output, *_ = report
    reader = PdfReader(output / "report" / "mine-week" / "report.pdf")
    text = "\n".join(page.extract_text() for page in reader.pages)
    flat = re.sub(r"\s+", " ", text)
    for words in ("mine", "Contents", "References", "Hochreiter", "notebook 03_lstm"):
        assert words in flat, words
    assert "synthetic" not in flat.lower()
    assert "import " not in text and "nb.figure" not in text
    assert len(reader.pages) > 15
    page = (output / "report" / "mine-week" / "report.html").read_text()
    assert "data:image/svg+xml" in page and "notebook 06_compare_models" in page


def test_its_pages_are_full_and_the_main_part_is_short(report):
    output, *_ = report
    run = output / "report" / "mine-week"
    document = whole_document(
        run,
        notebooks=sorted((run / "notebooks").glob("0*.ipynb")),
        meta=read_sealed(output / "data" / "processed" / "mine-week" / "meta.json"),
        title="Title",
        figures=output / "figures" / "mine-week",
    )
    assert not too_white(document)
    reader = PdfReader(run / "report.pdf")
    chapters = [part for part in reader.outline if not isinstance(part, list)]
    (end,) = (part for part in chapters if part.title == "References")
    assert reader.get_destination_page_number(end) < 20  # counted from 0


def test_figures_are_saved_in_both_formats(report):
    output, *_ = report
    folder = output / "figures" / "mine-week"
    names = {path.stem for path in folder.glob("*.png")}
    assert names == {path.stem for path in folder.glob("*.svg")}
    assert {"03_loss", "03_model", "06_rmse", "02_correlations"} <= names


def test_nothing_is_done_twice(report):
    output, data, _ = report
    again = call(output, "report", *data, *QUICK)
    assert again.returncode == 0, again.stderr
    assert "up to date" in again.stdout
    assert "[1/7]" not in again.stdout


def test_progress_is_a_line_where_a_notebook_begins_and_ends(report):
    _, _, text = report
    assert len(re.findall(r"^\[\d/7\] \d\d_\w+ …$", text, re.M)) == 6
    ended = re.findall(r"^\[\d/7\] (?:\d\d_\w+|report): [\d.]+ s$", text, re.M)
    assert len(ended) >= 7  # and a sign of life every ten seconds
    assert text.startswith("mine-week: 7 of 7 steps to run, ")


def test_a_missing_data_set_is_one_line(output):
    failed = call(output, "report", "--dataset", str(output / "nothing"))
    assert failed.returncode == 1
    assert "Traceback" not in failed.stdout + failed.stderr
    assert "nothing" in failed.stderr
