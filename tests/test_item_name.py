"""A log of page views: the report speaks of pages, and of nothing they do not have."""

import json
import re
import subprocess
import sys
from os import environ

import numpy as np
import pandas as pd
import pytest
from pypdf import PdfReader

from lib.data import preprocess, summary
from lib.errors import UserError
from lib.notebook import Notebook
from lib.paths import ROOT
from lib.text import plural, spoken

QUICK = ["-p", "EPOCHS", "1", "-p", "SWEEP", "none", "-p", "ORIGINS", "2"]
QUICK += ["-p", "SEEDS", "0", "-p", "ABLATION_EPOCHS", "1"]
ABSENT = r"\b(?:movies?|films?|genres?|decades?|mean rating|ratings?|stars|released?)\b"


def page_views(path, rows=12_000, days=60):
    """60 days of views of 40 pages by 300 visitors; no ratings, no genres, no years."""
    rng = np.random.default_rng(0)
    weight = 1 / np.arange(1, 41)
    views = pd.DataFrame(
        {
            "visitorid": rng.integers(1, 301, rows),
            "page": rng.choice(40, rows, p=weight / weight.sum()),
            "time": 1_700_000_000 + rng.integers(0, days * 86_400, rows),
        }
    )
    views["page"] = "/help/" + views["page"].astype(str)
    views.sort_values("time").to_csv(path, index=False)
    return path


def test_words_follow_the_item():
    assert [plural(w) for w in ("page", "entry", "box", "day")] == [
        *("pages", "entries", "boxes", "days")
    ]
    text = "Movies (`movies.parquet`): one MovieLens movie. `(batch, movie)`: Movies"
    told = "Pages (`movies.parquet`): one MovieLens page. `(batch, page)`: Pages"
    assert spoken(text, "page") == told
    assert spoken(text, "movie") == text


@pytest.mark.parametrize("name", ["two\nlines", "x" * 31, "<b>", "3"])
def test_an_odd_item_name_is_refused(place, name):
    log = page_views(place / "views.csv")
    with pytest.raises(UserError, match="ITEM_NAME=") as told:
        preprocess(str(log), "day", item_column="page", item_name=name)
    assert "\n" not in str(told.value) and len(str(told.value)) <= 300


def test_the_record_names_items_and_what_is_known(place):
    log = page_views(place / "views.csv")
    meta = preprocess(str(log), "day", item_column="page", run="a")
    assert (meta["item_name"], meta["knows"]) == ("item", ["users"])
    meta = preprocess(str(log), "day", item_column="page", run="a", item_name="page")
    assert re.search(r"pages +40\n", summary(meta))
    nb = Notebook("02_explore", "x", "day", "a")
    assert nb.spoken("Requests per movie") == "Requests per page"


@pytest.mark.slow
def test_the_report_speaks_of_pages_alone(tmp_path):
    log = page_views(tmp_path / "views.csv")
    command = [sys.executable, "-m", "lib", "report", "--dataset", str(log)]
    command += ["--slot", "day", "--item-column", "page", "--item-name", "page"]
    done = subprocess.run(
        [*command, *QUICK],
        cwd=ROOT,
        env={**environ, "POPULARITY_OUTPUT": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "report" / "views.csv-day"
    pages = PdfReader(run / "report.pdf").pages
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert "Forecasting the popularity of pages" in text
    text = re.sub(r"movies\.parquet|, rating,|movie-popularity", "", text)
    before, after = re.split(r"References (?=[A-Z]\. [A-Z])", text)  # cites movies
    appendix = after.partition("A Details")[2].partition("How this report was made")[0]
    found = re.findall(rf".{{40}}{ABSENT}.{{40}}", before + appendix)
    assert not found, found
    for figure in (tmp_path / "figures" / "views.csv-day").glob("02_*.svg"):
        assert figure.stem not in ("02_ratings", "02_densities", "02_boxes")
    record = json.loads(
        (tmp_path / "data" / "processed" / "views.csv-day" / "meta.json").read_text()
    )
    assert record["item_name"] == "page"
