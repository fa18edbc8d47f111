"""The synthetic log: its layout, its promises, and that there is something to learn."""

import hashlib
import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from lib.data.sample import demand as sample_demand
from lib.data.sample import log as sample
from lib.data.sample.texts import GENRE_NAMES
from lib.errors import UserError
from lib.schema import NO_GENRES, SAMPLE

WEEK = 7 * 86_400
GENRES = set(GENRE_NAMES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw") / SAMPLE
    sample.write_sample(folder)
    return folder


@pytest.fixture(scope="module")
def ratings(folder):
    return pd.read_csv(folder / "ratings.csv")


@pytest.fixture(scope="module")
def movies(folder):
    return pd.read_csv(folder / "movies.csv")


@pytest.fixture(scope="module")
def metadata(folder):
    return pd.read_csv(folder / "tmdb_5000_movies.csv")


@pytest.fixture(scope="module")
def counts(ratings, movies):
    """Requests per week and movie, shape (weeks, movies)."""
    week = (ratings["timestamp"] - int(sample_demand.START.timestamp())) // WEEK
    table = pd.crosstab(week, ratings["movieId"])
    return table.reindex(columns=movies["movieId"], fill_value=0).to_numpy()


def digest(folder) -> dict[str, str]:
    return {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()
    }


def test_a_seed_fixes_every_byte(folder, tmp_path):
    sample.write_sample(tmp_path / "again")
    assert digest(tmp_path / "again") == digest(folder)
    sample.write_sample(tmp_path / "other", seed=1)
    other = digest(tmp_path / "other")
    assert all(other[name] != value for name, value in digest(folder).items())


def test_writing_again_keeps_equal_files_and_replaces_others(tmp_path):
    sample.write_sample(tmp_path / "sample")
    before = (tmp_path / "sample" / "ratings.csv").stat()
    sample.write_sample(tmp_path / "sample")
    after = (tmp_path / "sample" / "ratings.csv").stat()
    assert after.st_ino == before.st_ino
    (tmp_path / "sample" / "ratings.csv").write_text("userId\n")
    sample.write_sample(tmp_path / "sample")
    assert (tmp_path / "sample" / "ratings.csv").stat().st_size == before.st_size
    assert [p.name for p in tmp_path.iterdir()] == ["sample"]


def test_other_peoples_files_are_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not made here"):
        sample.write_sample(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    class Broken:
        def to_csv(self, path, **options):
            path.write_text("half")
            raise OSError(28, "No space left on device")

    tables = {"movies.csv": pd.DataFrame({"movieId": [1]}), "ratings.csv": Broken()}
    monkeypatch.setattr(sample, "make_tables", lambda seed: tables)
    with pytest.raises(UserError, match="No space left") as caught:
        sample.write_sample(tmp_path / "sample")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_files_are_small_and_marked_synthetic(folder):
    assert "synthetic" in (folder / "README.txt").read_text("utf-8").lower()
    assert all(path.stat().st_size < 10_000_000 for path in folder.iterdir())


def test_columns(folder, ratings, movies, metadata):
    assert list(ratings) == ["userId", "movieId", "rating", "timestamp"]
    assert list(movies) == ["movieId", "title", "genres"]
    links = pd.read_csv(folder / "links.csv", nrows=1)
    assert list(links) == ["movieId", "imdbId", "tmdbId"]
    users = pd.read_csv(folder / "users.csv", nrows=1)
    assert list(users) == ["userId", "age", "gender", "occupation", "zip"]
    expected = """
        budget genres homepage id keywords original_language original_title overview
        popularity production_companies production_countries release_date revenue
        runtime spoken_languages status tagline title vote_average vote_count
    """
    assert list(metadata) == expected.split()


def test_ratings_are_valid_and_no_pair_comes_twice(ratings, movies, folder):
    users = pd.read_csv(folder / "users.csv")
    assert len(ratings) == sample_demand.RATINGS
    assert not ratings.duplicated(["userId", "movieId"]).any()
    assert set(ratings["movieId"]) <= set(movies["movieId"])
    assert set(ratings["userId"]) == set(users["userId"])
    assert set(ratings["rating"]) == set(np.arange(1, 11) / 2)
    assert ratings["rating"].mean() == pytest.approx(3.5, abs=0.1)


def test_every_week_has_requests_and_the_first_starts_on_a_monday(counts):
    assert sample_demand.START.day_name() == "Monday"
    assert counts.shape == (sample_demand.WEEKS, sample_demand.MOVIES)
    assert counts.sum(1).min() > 300


def test_titles_and_genres(movies):
    dated = movies["title"].str.contains(r" \(\d{4}\)$")
    assert movies["title"].is_unique
    assert 0 < (~dated).sum() < 25
    assert 0 < (movies["genres"] == NO_GENRES).sum() < 25
    named = movies.loc[movies["genres"] != NO_GENRES, "genres"]
    assert set("|".join(named).split("|")) == GENRES
    assert not movies["title"].str.match(r"(The|A|An) ").any()
    assert not movies["title"].str.isascii().all()  # readers must expect UTF-8


def test_users(folder):
    users = pd.read_csv(folder / "users.csv", dtype={"zip": str})
    assert set(users["gender"]) == {"M", "F"}
    assert set(users["occupation"]) == set(sample.OCCUPATIONS)
    assert len(sample.OCCUPATIONS) == 21
    assert users["age"].between(10, 80).all()
    assert users["zip"].str.fullmatch(r"\d{5}").all()


def test_metadata_joins_by_tmdb_id(folder, movies, metadata):
    links = pd.read_csv(folder / "links.csv", dtype={"tmdbId": "Int64"})
    known = links.dropna(subset="tmdbId")
    assert 0 < links["tmdbId"].isna().sum() < 40
    joined = known.merge(metadata, left_on="tmdbId", right_on="id")
    joined = joined.merge(movies, on="movieId", suffixes=("_tmdb", "_movielens"))
    assert len(joined) == len(metadata) == len(known)
    bare = joined["title_tmdb"].str.replace(r"^(The|An|A) ", "", regex=True)
    pairs = zip(joined["title_movielens"], bare, strict=True)
    assert all(title.startswith(start) for title, start in pairs)


def test_metadata_values(metadata):
    genres = metadata["genres"].map(json.loads)
    names = {g["name"] for row in genres for g in row}
    assert {"Science Fiction", "Family", "Drama"} <= names
    assert all(len({g["id"] for g in row}) == len(row) >= 1 for row in genres)
    assert metadata["vote_average"].between(0, 10).all()
    assert (metadata["budget"] == 0).any() and metadata["budget"].max() > 10_000_000
    assert metadata["tagline"].isna().any()
    assert metadata["overview"].str.len().min() > 40
    assert not metadata["overview"].str.contains(r"[{}]|\b[Aa] [aeiou]").any()


def test_nobody_asks_for_a_movie_before_its_release(ratings, folder, metadata):
    links = pd.read_csv(folder / "links.csv").merge(
        metadata, left_on="tmdbId", right_on="id"
    )
    rows = ratings.merge(links[["movieId", "release_date"]])
    asked = pd.to_datetime(rows["timestamp"], unit="s")
    assert (asked >= pd.to_datetime(rows["release_date"])).all()


def test_year_in_the_title_is_that_of_the_release(folder, movies, metadata):
    links = pd.read_csv(folder / "links.csv")
    table = movies.merge(links).merge(
        metadata[["id", "release_date"]], left_on="tmdbId", right_on="id"
    )
    year = table["title"].str.extract(r"\((\d{4})\)$")[0]
    same = year == table["release_date"].str[:4]
    assert same[year.notna()].all()


def test_the_tail_is_long_but_no_movie_outgrows_its_audience(counts, ratings):
    total = np.sort(counts.sum(0))[::-1]
    assert total[:80].sum() > 0.33 * total.sum()  # a tenth of the movies
    assert total[0] < 0.8 * sample_demand.USERS
    per_user = ratings.groupby("userId").size()
    assert per_user.quantile(0.95) > 2.5 * per_user.median()
    assert per_user.min() >= 2  # one to learn from, one to hold out


def test_requests_follow_the_day_and_the_week(ratings):
    time = pd.to_datetime(ratings["timestamp"], unit="s")
    weekend = (time.dt.day_of_week >= 4).mean()
    evening = time.dt.hour.between(18, 22).mean()
    assert weekend > 3 / 7 + 0.05
    assert evening > 5 / 24 + 0.1


def test_horror_has_its_season(counts, movies):
    horror = movies["genres"].str.contains("Horror").to_numpy()
    share = counts[:, horror].sum(1) / counts.sum(1)
    month = (sample_demand.START + pd.to_timedelta(7 * np.arange(120), "D")).month
    assert share[month == 10].mean() > 1.4 * share[month != 10].mean()


def best_average(share: np.ndarray, weeks: range) -> float:
    """Cross-entropy of the exponential average that fits these weeks best."""
    size = share.shape[1]
    scores = []
    for rate in (0.1, 0.2, 0.3, 0.4, 0.6):
        average, losses = np.full(size, 1 / size), []
        for t, row in enumerate(share):
            forecast = 0.9 * average + 0.1 / size
            if t in weeks:
                losses.append(-(row * np.log(forecast)).sum())
            average = (1 - rate) * average + rate * row
        scores.append(np.mean(losses))
    return min(scores)


def test_there_is_something_to_learn_beyond_an_average(monkeypatch):
    kept = {}

    def spy(*args):
        kept["shares"] = sample_demand.rates(*args)
        return kept["shares"]

    monkeypatch.setattr(sample, "rates", spy)
    tables = sample.make_tables()
    log, ids = tables["ratings.csv"], tables["movies.csv"]["movieId"]
    week = (log["timestamp"] - int(sample_demand.START.timestamp())) // WEEK
    share = pd.crosstab(week, log["movieId"], normalize="index")
    share = share.reindex(columns=ids, fill_value=0).to_numpy()
    truth = np.where(share > 0, kept["shares"], 1)
    assert (truth > 0).all()  # nothing is requested that cannot be
    best = -(share * np.log(truth))[96:].sum(1).mean()
    assert best_average(share, range(96, 120)) > best + 0.08


def test_ratings_hold_more_than_chance(ratings):
    order = np.random.default_rng(0).permutation(len(ratings))
    train, test = ratings.iloc[order[:96_000]], ratings.iloc[order[96_000:]]
    mean = train["rating"].mean()
    movie = (train["rating"] - mean).groupby(train["movieId"]).mean()
    rest = train["rating"] - mean - train["movieId"].map(movie)
    user = rest.groupby(train["userId"]).mean()
    effects = test["movieId"].map(movie).fillna(0) + test["userId"].map(user).fillna(0)
    rmse = np.sqrt((test["rating"] - mean - effects).pow(2).mean())
    assert rmse < 0.88 * test["rating"].std()


def test_texts_of_a_genre_are_alike(metadata):
    first = metadata["genres"].map(lambda text: json.loads(text)[0]["name"])
    alone = metadata["genres"].map(lambda text: len(json.loads(text)) == 1)
    table, label = metadata[alone], first[alone].to_numpy()
    texts = TfidfVectorizer(stop_words="english").fit_transform(table["overview"])
    near = (texts @ texts.T).toarray()
    np.fill_diagonal(near, -1)
    hits = (label[near.argmax(1)] == label).mean()
    assert hits > 0.5


def test_sequels_follow_a_first_part(movies):
    plain = movies["title"].map(lambda t: re.sub(r" \(\d{4}\)$", "", t))
    sequels = plain[plain.str.contains(r" 2(?:, The|, An?)?$")]
    assert len(sequels) == sample.SEQUELS
    first = sequels.str.replace(" 2", "", regex=False)
    assert set(first) <= set(plain)
