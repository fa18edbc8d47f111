"""The README and docs: their numbers are true, what they name is there."""

import re

import pandas as pd
import pytest

from lib.paths import ROOT
from lib.report.findings import (
    abstract,
    chosen_network,
    of_networks,
    scores,
    side_by_side,
    untried,
)
from lib.report.readme import (
    RECOMMENDERS,
    RESULTS,
    RUNS,
    as_text,
    rating_rows,
    results_page,
    stored,
    with_results,
)

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_the_results_are_those_of_the_stored_runs():
    assert README == with_results(README), "run make readme"
    assert RESULTS.read_text("utf-8") == results_page(), "run make readme"
    for run in (*RUNS, *RECOMMENDERS):
        assert (ROOT / "report" / run / "results.csv").exists()


def test_losses_are_told_as_plainly_as_wins():
    for run in RUNS:
        pairs = side_by_side(stored(run))
        text = " ".join(abstract(stored(run)))
        for metric, pair in pairs.iterrows():
            assert pair["better"] == (
                (pair["network"] > pair["other"])
                if metric.startswith(("ndcg", "hit"))
                else (pair["network"] < pair["other"])
            )
        above = (
            pairs.loc["cross_entropy", "network"] > pairs.loc["cross_entropy", "other"]
        )
        assert ("above the best other" in text) == above
        assert "beats" not in text


def test_what_is_no_network_is_an_opponent_of_networks():
    for run in RUNS:
        rows = stored(run)
        assert not of_networks(rows) & {"lightgbm", "lightgbm_residual", "linear"}
        others = scores(rows).drop(index=[*of_networks(rows)], errors="ignore")
        told = side_by_side(rows)["other"]
        assert told["cross_entropy"] == others["cross_entropy"].min()
        assert told["ndcg_at_10"] == others["ndcg_at_10"].max()


def test_opponents_that_met_fewer_slots_are_named():
    rows = stored("ml-100k-7d")
    linear = rows[rows["model"] == "linear"].assign(protocol="rolling")
    assert "Linear softmax" not in untried(pd.concat([rows, linear]))
    rolled = (rows["protocol"] == "rolling") & (rows["model"] == "linear")
    fewer = rows[~rolled]
    assert "Linear softmax" in untried(fewer)
    assert ", ".join(untried(fewer)) in " ".join(abstract(fewer))


def test_validation_chooses_the_network_and_the_test_slots_do_not():
    rows = stored("ml-100k-7d")
    name = chosen_network(rows)
    test = (rows["split"] == "test") & (rows["model"] == name)
    worse = rows.assign(value=rows["value"].where(~test, rows["value"] + 1))
    assert chosen_network(worse) == name
    assert scores(worse).loc[name, "rmse"] > 1


def test_first_screen_is_short_and_in_plain_sentences():
    screen = README.partition("\n## ")[0]
    assert len(screen.splitlines()) <= 40
    prose = re.sub(
        r"```.*?```|<!--.*?-->|^\|.*$|^!.*$|^#.*$", "", screen, flags=re.S | re.M
    )
    sentences = re.split(r"(?<=[.!?:;])\s+", " ".join(prose.split()))
    for sentence in sentences:
        assert len(sentence.split()) <= 25, sentence


def test_the_two_commands_stand_above_the_table_and_the_picture():
    commands = README.index("```sh\nmake report ")
    assert commands < README.index("![") and commands < README.index("\n| ")
    assert "\nmake test " in README[commands:].partition("\n```\n")[0]


def test_all_that_print_as_the_best_are_bold():
    column = pd.Series([0.19004, 0.18996, 0.188, None])
    high = as_text(column, 3, higher=True).tolist()
    assert high == ["**0.190**", "**0.190**", "0.188", ""]
    low = as_text(column, 3, higher=False).tolist()
    assert low == ["0.190", "0.190", "**0.188**", ""]
    assert as_text(pd.Series([None, None], dtype=float), 3, True).tolist() == ["", ""]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page):
    text = page.read_text("utf-8")
    used = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    assert used <= TARGETS
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (page.parent / target).exists(), target
    for path in re.findall(r"`((?:lib|tests|docs|notebooks)/[\w./-]*\w\.\w+)`", text):
        assert (ROOT / path).exists(), path


def test_every_target_is_told():
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert TARGETS - {"help"} <= set(re.findall(r"`make ([a-z-]+)`", text))


def test_the_tree_has_every_folder_of_lib():
    tree = README.partition("## Where things are")[2]
    for folder in (ROOT / "lib").iterdir():
        if (folder / "__init__.py").exists():
            assert re.search(rf"^  {folder.name}/ ", tree, re.MULTILINE), folder.name


def test_rating_models_stand_among_those_that_know_the_same():
    rows = pd.DataFrame(
        [
            ("svdpp", "u1", "rmse", 0.93),
            ("svdpp", "u1", "rmse_low", 0.90),
            ("svdpp", "u1", "rmse_high", 0.96),
            ("bias", "u1", "rmse", 0.95),
            ("svm", "u1", "rmse", 0.88),
        ],
        columns=["model", "protocol", "metric", "value"],
    ).assign(setting="")
    more = {"rmse": 0.87, "rmse_low": 0.84, "rmse_high": 0.90}
    many = dict(model="bayesian_fm", protocol="u1", setting="3 chains")
    many = pd.DataFrame([many | {"metric": m, "value": x} for m, x in more.items()])
    steps = many.assign(setting="+ day of rating", value=0.1)  # of a series, no model
    table = rating_rows(pd.concat([rows, many, steps]), "ml-100k")
    assert table.loc["Bayesian FM 3 chains", ["u1", "95 %"]].tolist() == [
        *("**0.8700**", "0.840–0.900")
    ]
    table = rating_rows(rows, "ml-100k")
    assert table["knows"].unique().tolist() == [
        *("ratings", "+ who rated what", "+ demographics and genres")
    ]
    u1 = table["u1"]
    assert u1["Biases"] == "0.9500" and u1["*GLocal-K, published*"] == "**0.8890**"
    assert u1["SVM"] == "**0.8800**" and u1["*GHRS, published*"] == "0.8870"
    assert table["95 %"][["SVD++", "SVM"]].tolist() == ["0.900–0.960", ""]
