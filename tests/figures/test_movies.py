"""The tables of the exploratory notebook."""

import numpy as np
import pandas as pd
import pytest

from lib.figures import movies as explore
from lib.paths import ROOT
from lib.recommenders.data import load

REAL = ROOT.parent / "shared" / "data"

METADATA = pd.DataFrame(
    {
        "genres": ["Drama|War", "Drama", "", "War"],
        "budget": [10.0, np.nan, 5.0, 20.0],
        "revenue": [30.0, 8.0, 1.0, 15.0],
        "release_date": pd.to_datetime(["1999-01-02", "1999-05-05", None, "1999-12-1"]),
        "vote_average": [6.0, 8.0, 5.0, 2.0],
        "vote_count": [3, 1, 1, 0],
    }
)


def test_genres_are_counted_once_per_label():
    shares = explore.genre_shares(METADATA).set_index("genre")
    assert shares["movies"].to_dict() == {"Drama": 2, "War": 2}
    assert shares["share"].sum() == pytest.approx(1)


def test_money_needs_budget_revenue_and_date():
    table = explore.with_profit(METADATA)
    assert table["profit"].tolist() == [20, -5]


def test_votes_by_genre_leaves_out_movies_without_votes():
    table = explore.genre_votes(METADATA)
    assert table["genre"].tolist() == ["Drama", "Drama", "War"]
    assert table["vote_average"].tolist() == [6, 8, 6]


def test_counts_of_ratings_ages_and_years():
    ratings = pd.DataFrame(
        {"userId": [1, 1, 2], "movieId": [1, 2, 2], "rating": [4.0, 3.5, 4.0]}
    )
    assert explore.sparsity(ratings)["sparsity"] == pytest.approx(0.25)
    summary = explore.rating_summary(ratings)
    assert summary.loc["mean"].tolist() == pytest.approx([11.5 / 3, 3.875])
    users = pd.DataFrame({"age": [20, 24, 25], "gender": ["F", "M", "F"]})
    bars = explore.people(users).axes[0].patches
    assert [(bar.get_center()[0], bar.get_height()) for bar in bars] == [
        (22.5, 2),
        (27.5, 1),
    ]
    stars = explore.ratings(ratings).axes[0].patches
    assert [bar.get_height() for bar in stars] == pytest.approx([100 / 3, 200 / 3])
    years = pd.DataFrame({"release_year": pd.array([1990, None, 1990], "Int64")})
    assert explore.movies_per_year(years).to_numpy().tolist() == [[1990, 2]]


@pytest.mark.parametrize(
    ("name", "genre", "share"),
    [("ml-100k", "Drama", 0.251), ("ml-100k", "Comedy", 0.175)],
)
def test_published_genre_shares(name, genre, share):
    if not (REAL / name).is_dir():
        pytest.skip(f"{name} is not in {REAL}")
    shares = explore.genre_shares(load(str(REAL / name)).movies).set_index("genre")
    assert shares["share"][genre] == pytest.approx(share, abs=0.0006)


def test_published_sparsity():
    if not (REAL / "ml-latest-small-2016").is_dir():
        pytest.skip(f"ml-latest-small-2016 is not in {REAL}")
    found = explore.sparsity(load(str(REAL / "ml-latest-small-2016")).ratings)
    assert (found["users"], found["movies"]) == (671, 9066)
    assert found["sparsity"] == pytest.approx(0.984, abs=0.0005)
