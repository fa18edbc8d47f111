"""Reading of TMDB and Kaggle metadata: layouts, faults, joins."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from lib.data.metadata import (
    NEEDED,
    join_by_title,
    load_metadata,
    parse_entries,
    plain_title,
    read_metadata,
)
from lib.errors import UserError
from lib.paths import ROOT
from lib.recommenders.data import RatingData, load
from lib.schema import MOVIE

REAL = ROOT.parent / "shared" / "data"
GOOD = {
    "id": "7",
    "genres": '[{"id": 1, "name": "Drama"}, {"id": 2, "name": "War"}]',
    "release_date": "1999-05-04",
    "budget": "1000",
    "revenue": "0",
    "runtime": "90",
    "vote_average": "6.5",
    "vote_count": "12",
    "title": "Calm",
    "overview": "Nothing happens,\ntwice.",
    "tagline": "",
}


def write(path, *rows, header=NEEDED, short=0):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            values = [{**GOOD, **row}[name] for name in header]
            writer.writerow(values)
        for _ in range(short):
            writer.writerow(["8", "cut"])
    return path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('[{"id": 1, "name": "Drama"}]', ["Drama"]),
        ("[{'id': 1, 'name': \"Schindler's\"}]", ["Schindler's"]),
        ("[]", []),
        ("", None),
        ("[{'id': 1", None),
        ("[{'title': 'x'}]", None),
        ("__import__('os').getcwd()", None),
        ("7", None),
        ("[" * 10_000, None),
    ],
)
def test_lists_are_read_in_both_layouts_and_never_executed(text, names):
    found = parse_entries(text)
    assert (found and [one["name"] for one in found]) == names


def test_a_good_row(tmp_path):
    movies, problems = read_metadata(write(tmp_path / "movies.csv", {}))
    assert problems.empty
    row = movies.iloc[0]
    assert (row["tmdbId"], row["genres"]) == (7, "Drama|War")
    assert row["overview"] == "Nothing happens,\ntwice."
    assert row["release_date"] == pd.Timestamp("1999-05-04")
    assert row["budget"] == 1000 and np.isnan(row["revenue"])  # 0 means unknown


def test_faults_are_counted_and_the_rest_is_kept(tmp_path):
    path = write(
        tmp_path / "movies.csv",
        {},
        {"id": "1997-08-20"},  # a shifted row of the full Kaggle file
        {"id": "7", "title": "again"},
        {"id": "9", "genres": "[{'id': 1"},
        {"id": "10", "budget": "/ff9qCep.jpg", "release_date": "1"},
        {"id": "11", "vote_count": "-3", "runtime": "inf"},
        short=2,
    )
    movies, problems = read_metadata(path)
    assert movies["tmdbId"].tolist() == [7, 9, 10, 11]
    counts = problems.set_index("what")["count"].to_dict()
    assert counts == {
        "wrong number of fields, row left out": 2,
        "id is no number, row left out": 1,
        "id seen before, row left out": 1,
        "genres is no list": 1,
        "budget is no number": 1,
        "release_date is no date": 1,
        "vote_count is no number": 1,
        "runtime is no number": 1,
    }
    assert np.isnan(movies["budget"][2]) and np.isnan(movies["vote_count"][3])
    assert (problems["file"] == "movies.csv").all()
    assert problems["example"].str.startswith("line ").all()


def test_unreadable_files_are_explained(tmp_path):
    path = write(tmp_path / "movies.csv", {}, header=["id", "title"])
    with pytest.raises(UserError, match="overview.*missing"):
        read_metadata(path)
    path.write_bytes(b"id,title\n7,caf\xe9\n")
    with pytest.raises(UserError, match="UTF-8"):
        read_metadata(path)


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("Quick and the Dead, The (1995)", "the quick and the dead"),
        ("Shanghai Triad (Yao a yao yao dao waipo qiao) (1995)", "shanghai triad"),
        ("M*A*S*H (1970)", "m a s h"),
        ("Misérables, Les (1995)", "les misérables"),
    ],
)
def test_plain_titles(title, plain):
    assert plain_title(title) == plain


def test_join_by_title_needs_the_year_and_makes_no_guess():
    ours = pd.DataFrame(
        {
            "movieId": [1, 2, 3],
            "title": ["Calm, The (1999)", "Calm, The (2001)", "Twin (1990)"],
            "release_year": pd.array([1999, 2001, 1990], "Int64"),
        }
    )
    theirs = pd.DataFrame(
        {
            "tmdbId": [70, 80, 81],
            "title": ["The Calm", "Twin", "Twin"],
            "release_date": pd.to_datetime(["1999-02-01", "1990-02-01", "1990-03-01"]),
        }
    )
    assert join_by_title(theirs, ours)[MOVIE].tolist() == [1]


def test_metadata_of_a_folder_is_joined_by_its_links(tmp_path):
    rows = [{}, {"id": "9"}, {"id": "10", "genres": json.dumps([])}]
    write(tmp_path / "tmdb_5000_movies.csv", *rows)
    (tmp_path / "links.csv").write_text(
        "movieId,imdbId,tmdbId\n3,0001,9\n1,0002,7\n2,0003,\n77,0004,10\n"
    )
    movies = pd.DataFrame({MOVIE: [1, 2, 3], "title": "x", "release_year": 1999})
    data = RatingData("x", pd.DataFrame(), movies, None, tmp_path)
    found = load_metadata(data.folder, data.movies)
    assert found.matched_by == "links.csv"
    assert found.movies[MOVIE].tolist() == [1, 3]
    assert found.movies["title"].tolist() == ["Calm", "Calm"]


def test_a_folder_without_metadata_has_none(tmp_path):
    folder = tmp_path / "deep" / "set"
    folder.mkdir(parents=True)
    data = RatingData("x", pd.DataFrame(), pd.DataFrame(), None, folder)
    assert load_metadata(data.folder, data.movies) is None


@pytest.mark.parametrize(
    ("name", "least", "how"),
    [("ml-latest-small-2016", 4100, "links.csv"), ("ml-100k", 1100, "title and year")],
)
def test_real_sets_find_their_metadata(name, least, how):
    if not (REAL / name).is_dir() or not (REAL / "tmdb-5000").is_dir():
        pytest.skip(f"{name} or tmdb-5000 is not in {REAL}")
    data = load(str(REAL / name))
    found = load_metadata(data.folder, data.movies)
    assert found.matched_by == how
    assert len(found.movies) > least
    assert found.movies[MOVIE].is_unique
    assert found.movies["overview"].str.len().median() > 100


CREDITS = {
    "credits.csv": (["cast", "crew", "id"], repr),  # The Movies Dataset
    "tmdb_5000_credits.csv": (["movie_id", "title", "cast", "crew"], json.dumps),
}
CAST = [{"name": f"Ann O'Hara {k}", "order": k} for k in "abcd"]
CREW = [{"name": "Bo Li", "job": "Director"}, {"name": "Cy", "job": "Editor"}]


@pytest.mark.parametrize("name", CREDITS)
def test_credits_become_words_of_the_text(name, tmp_path):
    header, written = CREDITS[name]
    lists = {"cast": written(CAST), "crew": written(CREW)}
    rows = [
        {"id": "7", "title": "Calm", **lists},
        {"id": "7", "title": "Calm again", "cast": "[]", "crew": "[]"},
        {"id": "8", "title": "Loud", "cast": "__import__('os').abort()", "crew": "[]"},
        {"id": "nine", "title": "", **lists},
    ]
    with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            row["movie_id"] = row["id"]
            writer.writerow([row[column] for column in header])
    write(tmp_path / "movies_metadata.csv", {}, {"id": "8"}, {"id": "9"})
    (tmp_path / "links.csv").write_text("movieId,tmdbId\n1,7\n2,8\n3,9\n")
    found = load_metadata(tmp_path, pd.DataFrame({MOVIE: [1, 2, 3]}))
    words = ["AnnO'Haraa AnnO'Harab AnnO'Harac BoLi", "", ""]
    assert found.movies["credits"].tolist() == words
    [problem] = found.problems.itertuples()
    assert (problem.file, problem.count, problem.example) == (name, 1, "line 4")


def test_without_a_file_of_credits_there_is_no_such_column(tmp_path):
    write(tmp_path / "movies_metadata.csv", {})
    (tmp_path / "links.csv").write_text("movieId,tmdbId\n1,7\n")
    found = load_metadata(tmp_path, pd.DataFrame({MOVIE: [1]}))
    assert "credits" not in found.movies and found.problems.empty
