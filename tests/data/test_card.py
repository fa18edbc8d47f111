"""The panel's card against the panel, and against what Croissant 1.0 asks for."""

import hashlib
import json

import polars as pl
import pytest

from lib.data import preprocess
from lib.data.card import COLUMNS, CONTEXT, MOVIELENS, origin
from lib.data.fetch import NAMES
from lib.data.panel import PANEL_SCHEMA

TYPES = {"Integer": pl.Int64, "Float": pl.Float64, "Text": pl.String}
TYPES["DateTime"] = pl.Datetime("us")


@pytest.fixture
def made(output, tmp_path):
    """The folder of a small log of pages, and its card."""
    log = tmp_path / "views.csv"
    log.write_text("user,item,time\na,x,2024-01-01\nb,y,2024-01-09\nb,x,2024-01-09\n")
    preprocess(str(log), "week", item_name="page", run="views")
    folder = output / "views"
    return folder, json.loads((folder / "croissant.json").read_text("utf-8"))


def test_the_card_names_the_panel_and_its_bytes(made):
    folder, card = made
    (file,) = card["distribution"]
    content = (folder / file["contentUrl"]).read_bytes()
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert card["@type"] == "sc:Dataset" and card["name"] == "views.csv-week"
    assert "3 rows from 3 recorded requests by 2 users" in card["description"]


def test_every_field_is_a_column_of_its_type(made):
    folder, card = made
    (records,) = card["recordSet"]
    table = pl.read_parquet(folder / "panel.parquet")
    columns = [field["source"]["extract"]["column"] for field in records["field"]]
    assert columns == table.columns == list(COLUMNS) == list(PANEL_SCHEMA)
    files = {file["@id"] for file in card["distribution"]}
    for field in records["field"]:
        wanted = TYPES[field["dataType"].removeprefix("sc:")]
        found = table[field["source"]["extract"]["column"]].dtype
        assert found == wanted or (found.is_integer() and wanted.is_integer())
        assert field["source"]["fileObject"]["@id"] in files
        assert field["@id"] == f"{records['@id']}/{field['name']}"
        assert "movie" not in field["description"]


def test_every_word_of_the_card_is_defined(made):
    _, card = made
    assert not {"license", "datePublished", "citeAs"} & set(card)  # of an own log
    known = card["@context"]
    schema_org = {"name", "description", "temporalCoverage", "distribution"}
    schema_org |= {"contentUrl", "encodingFormat", "sha256", "version"}

    def words(part):
        if isinstance(part, dict):
            return set(part) | {w for v in part.values() for w in words(v)}
        return {w for v in part for w in words(v)} if isinstance(part, list) else set()

    used = words({k: v for k, v in card.items() if k != "@context"})
    assert {w for w in used if w[0] != "@"} <= set(known) | schema_org


def test_terms_date_and_paper_of_movielens():
    assert set(MOVIELENS) == set(NAMES)
    for name, (month, suffix) in MOVIELENS.items():
        for given in (name, f"{name}.zip"):
            known = origin({"dataset": given, "synthetic": False}, movielens=True)
            assert known["license"].endswith(f"/{name}-README.{suffix}")
            assert "10.1145/2827872" in known["citeAs"]
            assert known.get("datePublished") == month
        assert origin({"dataset": name, "synthetic": False}, movielens=False) == {}
    mine = {"dataset": "my-movies", "synthetic": False}
    assert origin(mine, movielens=True) == {}


def test_the_sample_has_the_terms_of_the_project(output):
    preprocess("sample", "month")
    card = json.loads((output / "sample-month" / "croissant.json").read_text("utf-8"))
    assert "MIT" in card["license"] and card["version"] in card["citeAs"]
    assert "datePublished" not in card and CONTEXT["citeAs"] == "cr:citeAs"


def test_mlcroissant_reads_the_panel(made):
    """By the library of Croissant's authors, which is not in the lock: a part of it
    comes without a wheel."""
    library = pytest.importorskip("mlcroissant", reason="needs mlcroissant")
    folder, _ = made
    rows = library.Dataset(folder / "croissant.json").records("panel")
    table = pl.read_parquet(folder / "panel.parquet")
    found = [{key.split("/")[1]: value for key, value in row.items()} for row in rows]
    assert [row["requests"] for row in found] == table["requests"].to_list()
    assert [set(row) for row in found] == [{*table.columns}] * len(table)
