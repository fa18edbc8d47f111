"""A log that does not say who asked: every row is a request, and users are left out."""

import re

import pandas as pd
import polars as pl
import pytest
from pypdf import PdfReader

from lib import paths
from lib.batch import Run, run_all
from lib.data import preprocess, summary
from lib.errors import UserError
from lib.report import build_report
from tests.test_item_name import page_views

NAMES = {"item_column": "page", "item_name": "page"}


def without_users(path, rows=3_000, days=40):
    """Page views whose visitors are not told, one row twice, and an empty line."""
    views = pd.read_csv(page_views(path, rows, days)).drop(columns="visitorid")
    text = pd.concat([views, views.tail(1)]).to_csv(index=False)
    path.write_text(text + "\n")
    return path


def processed(log, run, **more):
    meta = preprocess(str(log), "day", run=run, **NAMES, **more)
    folder = paths.PROCESSED / run
    return meta, pl.read_parquet(folder / "panel.parquet")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_row_is_a_request(kind, place):
    log = without_users(place / "views.csv")
    if kind == "parquet":
        table = pd.read_csv(log)
        log = place / "views.parquet"
        table.to_parquet(log)
    meta, panel = processed(log, "none", user_column="none")
    assert (meta["rows"], meta["users"], meta["knows"]) == (3_001, 0, [])
    assert "users" not in summary(meta)
    each = pd.read_csv(place / "views.csv").assign(userId=range(3_001))
    each.to_csv(place / "each.csv", index=False)
    more, same = processed(place / "each.csv", "each")
    assert panel.equals(same) and more["knows"] == ["users"]
    folder = paths.PROCESSED / "none"
    assert "users" not in (folder / "croissant.json").read_text("utf-8")
    assert pl.read_parquet(folder / "slots.parquet")["returning"].sum() == 0


def test_users_are_left_out_only_where_that_is_said(place):
    log = without_users(place / "views.csv")
    with pytest.raises(UserError, match="userid is missing.*USER_COLUMN=none") as told:
        processed(log, "a")
    assert "\n" not in str(told.value) and len(str(told.value)) <= 300


@pytest.mark.slow
def test_notebooks_and_report_speak_of_no_user(place):
    log = without_users(place / "views.csv")
    settings = {name.upper(): value for name, value in NAMES.items()}
    settings["USER_COLUMN"] = "none"
    run = Run(str(log), "day", settings=settings, only=("02_explore",))
    run_all(run, jobs=1)
    names = ("01_preprocess", "02_explore")
    pdf, page = build_report(
        run.home,
        notebooks=[run.home / "notebooks" / f"{name}.ipynb" for name in names],
        meta=paths.recorded(run.key),
        title="Views",
        figures=paths.FIGURES / run.key,
        processed=paths.PROCESSED / run.key,
    )
    text = " ".join(sheet.extract_text() for sheet in PdfReader(pdf).pages)
    text = re.sub(r"\s+", " ", text)
    assert "3,001 requests for 40 pages" in text
    found = re.findall(r".{40}\b[Uu]sers?\b.{40}", text)
    assert not found, found
