"""What every rating model promises, and what each of them computes."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.errors import UserError
from lib.recommenders.data import random_split
from lib.recommenders.rating.entities import Profile
from lib.recommenders.rating.model import (
    AT_LEAST,
    KNOWS,
    TooLarge,
    rmse,
    root_mean_square,
)
from lib.recommenders.rating.registry import MODELS, knows, model_class
from lib.schema import MOVIE, RATING, TIMESTAMP, TITLE, USER
from tests.recommenders.small import small_data

NETWORK = dict(epochs=12, batch_size=64, learning_rate=0.01, embedding_size=4)
QUICK = {
    "bayesian_fm": dict(rank=3, sweeps=40, warmup=10, draws=20),
    "svdpp": dict(rank=4, epochs=15),
    "svm": dict(components=30),
    "recommendernet": NETWORK,
    "recommendernet_plus": NETWORK,
    "wide_deep": NETWORK,
    "wide_deep_plus": NETWORK,
}
NEW = Profile(25, "F", "student", "10003")


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    data = small_data(tmp_path_factory.mktemp("small"))
    return data, *random_split(data.ratings, 0.2)


@pytest.fixture(scope="module", params=MODELS)
def fitted(request, split):
    data, train, _ = split
    model = model_class(request.param)(**QUICK.get(request.param, {}))
    return model.fit(train, data.users, data.movies)


def test_predictions_are_stars_and_better_than_the_mean(fitted, split):
    _, train, test = split
    predicted = fitted.predict(test)
    assert predicted.shape == (len(test),) and predicted.dtype == np.float64
    assert predicted.min() >= 1 and predicted.max() <= 5
    mean_error = root_mean_square(train[RATING].mean() - test[RATING].to_numpy())
    assert rmse(fitted, test) < 0.95 * mean_error


def test_a_row_ignores_the_others_and_their_order(fitted, split):
    test = split[2][:50]
    whole = fitted.predict(test)
    assert fitted.predict(test[::-1])[::-1] == pytest.approx(whole, abs=1e-5)
    assert fitted.predict(test[7:8]) == pytest.approx(whole[7:8], abs=1e-5)


def test_unknown_users_movies_and_days_get_a_finite_rating(fitted):
    pairs = pd.DataFrame({USER: [1, 9999, 9999], MOVIE: [777, 5, 777]})
    assert np.isfinite(fitted.predict(pairs)).all()
    late = pairs.assign(**{TIMESTAMP: 2_000_000_000})
    assert fitted.predict(late) == pytest.approx(fitted.predict(pairs), abs=1e-5)


def test_recommendations_are_the_best_unseen_movies(fitted, split):
    data, train, _ = split
    table = fitted.recommend(4, n=6, cautious=False)
    assert table.columns.tolist() == [MOVIE, TITLE, RATING, AT_LEAST]
    seen = set(train.loc[train[USER] == 4, MOVIE])
    assert not seen & set(table[MOVIE])
    pairs = pd.DataFrame({USER: 4, MOVIE: data.movies[MOVIE]})
    scores = pd.Series(fitted.predict(pairs), index=data.movies[MOVIE])
    best = scores.drop(list(seen)).nlargest(6)
    assert table[RATING].to_numpy() == pytest.approx(best.to_numpy(), abs=1e-5)
    titles = data.movies.set_index(MOVIE)[TITLE]
    assert table[TITLE].tolist() == titles[table[MOVIE]].tolist()


def test_seen_movies_come_when_asked_for_and_n_is_a_limit(fitted, split):
    everything = fitted.recommend(4, n=1000, exclude=())
    assert len(everything) == len(split[0].movies)
    left = len(everything) - (split[1][USER] == 4).sum()
    assert len(fitted.recommend(4, n=1000)) == left
    assert len(fitted.recommend(4, n=0)) == 0


def test_an_unknown_id_is_explained(fitted):
    with pytest.raises(UserError, match="user 4711 is not in the data.*1 to 80"):
        fitted.recommend(4711)


def test_profiles_are_read_or_refused(fitted):
    if not fitted.knows_profiles:
        with pytest.raises(UserError, match="give a user id"):
            fitted.recommend(NEW)
        return
    woman, man = (
        fitted.score_movies(NEW),
        fitted.score_movies(Profile(25, "M", "student", "10003")),
    )
    drama = (fitted.catalogue.movies["genres"] == "Drama").to_numpy()
    assert (woman - man)[drama].mean() > (woman - man)[~drama].mean() + 0.3
    strange = Profile(25, "X", "astronaut", "?")
    assert len(fitted.recommend(strange, 3)) == 3


def test_saved_and_loaded_predicts_the_same_without_pickle(fitted, split, tmp_path):
    fitted.save(tmp_path)
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".npz", ".parquet", ".keras", ".csv"}
    again = model_class(fitted.name).load(tmp_path)
    assert np.array_equal(again.predict(split[2]), fitted.predict(split[2]))
    assert again.settings == fitted.settings
    if fitted.knows_profiles:
        assert np.array_equal(again.score_movies(NEW), fitted.score_movies(NEW))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_works_without_users(split, name):
    data, train, test = split
    brief = {"epochs": 1} if "epochs" in QUICK.get(name, {}) else {}
    model = model_class(name)(**{**QUICK.get(name, {}), **brief})
    model.fit(train, None, data.movies)
    assert np.isfinite(model.predict(test)).all()
    with pytest.raises(UserError, match="give a user id"):
        model.recommend(NEW)


def test_few_ratings_weigh_less_than_many(split):
    data, train, _ = split
    few = pd.DataFrame({USER: [1, 2], MOVIE: 7, RATING: 5.0, TIMESTAMP: 1})
    fans = pd.DataFrame({USER: range(10, 70), MOVIE: 8, RATING: 5.0, TIMESTAMP: 1})
    fans.loc[:5, RATING] = 4.0
    titles = {7: "Ob\x1b[2Jscure\n", 8: "Loved"}
    movies = [data.movies[:1].assign(**{MOVIE: m, TITLE: t}) for m, t in titles.items()]
    model = model_class("bias")(damping=0.0)
    model.fit(pd.concat([train, few, fans]), None, pd.concat([data.movies, *movies]))
    bold, careful = (model.recommend(4, 40, (), cautious=c) for c in (False, True))
    assert bold[MOVIE].tolist()[:2] == [7, 8] and bold[TITLE][0] == "Obscure"
    assert careful[MOVIE].tolist().index(8) < careful[MOVIE].tolist().index(7)
    assert careful[AT_LEAST].is_monotonic_decreasing
    assert (careful[AT_LEAST] < careful[RATING]).all()


def test_lists_for_all_users_are_each_users_list(split):
    data, train, _ = split
    model = model_class("svdpp")(rank=2, epochs=2).fit(train, None, data.movies)
    table = model.recommend_all(4)
    assert table.groupby(USER).size().eq(4).all()
    assert table[USER].nunique() == train[USER].nunique()
    mine = table[table[USER] == 37].reset_index(drop=True)
    assert mine["rank"].tolist() == [1, 2, 3, 4]
    assert mine[[MOVIE, TITLE, RATING, AT_LEAST]].equals(model.recommend(37, 4))


@pytest.mark.parametrize("name", ["svm", "bayesian_fm", "recommendernet_plus"])
def test_what_does_not_fit_in_memory_says_so_before_it_starts(split, name, monkeypatch):
    memory = SimpleNamespace(available=1e4)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    data, train, _ = split
    with pytest.raises(TooLarge, match=f"{name} does not fit: needs .* GB") as caught:
        model_class(name)().fit(train, data.users, data.movies)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_every_model_says_what_it_knows():
    assert {knows(name) for name in MODELS} < set(KNOWS.values())
    assert knows("bayesian_fm") == KNOWS["features"]
    assert knows("bayesian_fm_dates") == KNOWS["dates"]
    assert knows("ids") == "–"


@pytest.mark.parametrize("name", ["bayesian_fm", "svdpp", "recommendernet_plus"])
def test_the_seed_decides(name, split):
    data, train, test = split

    def predictions(seed):
        brief = {"epochs": 2} if "epochs" in QUICK[name] else {}
        model = model_class(name)(**{**QUICK[name], **brief}, seed=seed)
        return model.fit(train, data.users, data.movies).predict(test)

    first = predictions(1)
    assert np.array_equal(first, predictions(1))
    assert not np.array_equal(first, predictions(2))


def test_loading_explains_what_is_missing(tmp_path, split):
    with pytest.raises(UserError, match="no saved model"):
        model_class("bias").load(tmp_path)
    data, train, _ = split
    model_class("bias")().fit(train, data.users, data.movies).save(tmp_path)
    with pytest.raises(UserError, match="found bias, expected svm"):
        model_class("svm").load(tmp_path)
    with pytest.raises(UserError, match="expected one of bayesian_fm"):
        model_class("magic")


def test_damped_means_by_hand():
    ratings = pd.DataFrame(
        {USER: [1, 1, 2], MOVIE: [10, 20, 10], RATING: [5.0, 3.0, 4.0]}
    )
    movies = pd.DataFrame({MOVIE: [10, 20], "title": "T", "genres": "Drama"})
    movies["release_year"] = pd.array([1990, 1991], dtype="Int64")
    model = model_class("bias")(damping=1.0, rounds=1).fit(ratings, None, movies)
    # mean 4; b_10 = (1 + 0) / 3, b_20 = −1 / 2; b_1 = (1 − 1/3 − 1 + 1/2) / 3
    b_1 = (1 - 1 / 3 - 1 + 1 / 2) / 3
    assert model.predict(ratings)[:2] == pytest.approx([4 + 1 / 3 + b_1, 3.5 + b_1])
