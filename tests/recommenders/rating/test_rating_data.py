"""Loading ratings and splitting them."""

import os

import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.errors import UserError
from lib.recommenders.data import (
    five_folds,
    genre_flags,
    genre_names,
    load,
    official_folds,
    random_split,
)
from lib.schema import MOVIE, RATING, TIMESTAMP, USER
from tests.recommenders.small import small_data, write_csv


@pytest.fixture(autouse=True)
def output(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "PROCESSED", tmp_path / "processed")


def test_csv_folder_comes_back_as_it_was_written(tmp_path):
    made = small_data(tmp_path)
    write_csv(made, tmp_path / "set")
    data = load(str(tmp_path / "set"))
    assert data.name == "set" and not data.synthetic
    assert np.array_equal(data.ratings, made.ratings)
    assert data.movies[MOVIE].tolist() == made.movies[MOVIE].tolist()
    assert data.movies["release_year"].tolist() == made.movies["release_year"].tolist()
    assert data.users.astype(str).equals(made.users.astype(str))


def test_without_users_the_table_is_none(tmp_path):
    write_csv(small_data(tmp_path), tmp_path / "set", with_users=False)
    assert load(str(tmp_path / "set")).users is None


def test_of_two_ratings_of_one_movie_the_latest_stays(tmp_path):
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,7,5,2000000\n1,7,2,1000\n2,7,3,5000\n"
    )
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n7,A (1990),Drama\n")
    ratings = load(str(tmp_path)).ratings
    assert ratings[[USER, RATING]].to_numpy().tolist() == [[1, 5], [2, 3]]


def test_a_log_without_ratings_is_refused_in_one_line(tmp_path):
    rows = pd.DataFrame({"user": [1, 2], "item": [3, 4], "time": [10_000, 999_000]})
    rows.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(UserError, match="without a rating") as caught:
        load(str(tmp_path / "log.csv"))
    assert "\n" not in str(caught.value)


def test_the_log_is_cleaned_once_and_again_when_it_is_newer(tmp_path):
    write_csv(small_data(tmp_path), tmp_path / "set")
    before = load(str(tmp_path / "set"))
    meta = tmp_path / "processed" / "recommenders-set" / "meta.json"
    made = meta.stat().st_mtime_ns
    assert load(str(tmp_path / "set")).ratings.equals(before.ratings)
    assert meta.stat().st_mtime_ns == made
    log = tmp_path / "set" / "ratings.csv"
    log.write_text("\n".join(log.read_text().splitlines()[:-1]) + "\n")
    os.utime(log, ns=(made + 10**9, made + 10**9))
    assert len(load(str(tmp_path / "set")).ratings) == len(before.ratings) - 1


def test_a_movie_without_ratings_is_listed_too(tmp_path):
    data = small_data(tmp_path)
    write_csv(data, tmp_path / "set")
    with (tmp_path / "set" / "movies.csv").open("a") as file:
        file.write("7,Unseen (1999),Drama\n")
    movies = load(str(tmp_path / "set")).movies
    assert movies[MOVIE].tolist() == sorted([7, *data.movies[MOVIE]])
    assert movies.set_index(MOVIE).loc[7, "release_year"] == 1999


def test_official_folds_need_all_files(tmp_path):
    rows = pd.DataFrame([[1, 2, 3, 881_250_949], [2, 2, 4, 891_717_742]])
    rows.to_csv(tmp_path / "u.data", sep="\t", header=False, index=False)
    (tmp_path / "u.item").write_text(
        "2|GoldenEye (1995)|01-Jan-1995|||" + "|".join("0" * 19) + "\n"
    )
    data = load(str(tmp_path))
    assert official_folds(data) == []
    for k in range(1, 6):
        rows[:1].to_csv(tmp_path / f"u{k}.base", sep="\t", header=False, index=False)
        rows[1:].to_csv(tmp_path / f"u{k}.test", sep="\t", header=False, index=False)
    folds = official_folds(data)
    assert len(folds) == 5
    assert folds[0][1].to_numpy().tolist() == [[2, 2, 4.0, 891_717_742]]


def test_random_split_is_a_partition_that_the_seed_decides(tmp_path):
    ratings = small_data(tmp_path).ratings
    train, test = random_split(ratings, 0.2, seed=1)
    assert len(test) == round(0.2 * len(ratings))
    both = pd.concat([train, test]).sort_index()
    assert both.equals(ratings)
    assert test.index.equals(random_split(ratings, 0.2, seed=1)[1].index)
    assert not test.index.equals(random_split(ratings, 0.2, seed=2)[1].index)


def test_five_random_folds_test_every_row_once(tmp_path):
    data = small_data(tmp_path)
    folds = five_folds(data)
    tested = pd.concat([test for _, test in folds])
    assert sorted(tested.index) == data.ratings.index.tolist()
    assert all(len(a) + len(b) == len(data.ratings) for a, b in folds)


def test_genre_flags():
    movies = pd.DataFrame({"genres": ["B|A", "(no genres listed)", None, "B"]})
    names = genre_names(movies)
    assert names == ["A", "B"]
    flags = genre_flags(movies, names)
    assert flags.tolist() == [[1, 1], [0, 0], [0, 0], [0, 1]]


def test_timestamps_are_seconds(tmp_path):
    write_csv(small_data(tmp_path), tmp_path / "set")
    assert load(str(tmp_path / "set")).ratings[TIMESTAMP].dtype == np.int64
