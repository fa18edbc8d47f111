"""SVD++ against its library, the networks' shape, pair features, protocols."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from lib.evaluation.bootstrap import rmse_difference_interval, rmse_interval
from lib.paths import ROOT
from lib.recommenders.data import random_split
from lib.recommenders.rating.encoders import OOV, encode
from lib.recommenders.rating.evaluate import (
    error_metrics,
    movie_mean_rmse,
    new_user_rmse,
    new_user_split,
    profile_of,
)
from lib.recommenders.rating.pair_features import PairFeatures, movie_likeness
from lib.recommenders.rating.recommendernet import RecommenderNet, RecommenderNetPlus
from lib.recommenders.rating.registry import model_class
from lib.recommenders.rating.svdpp import SVDpp, unseen_against_mean
from lib.recommenders.rating.svm import SVMModel
from lib.recommenders.rating.wide_deep import WideDeep
from lib.schema import MOVIE, RATING, USER
from tests.recommenders.small import small_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_data(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def svd(data):
    return SVDpp(rank=5, epochs=4).fit(data.ratings, data.users, data.movies)


def test_svdpp_leaves_the_home_folder_alone(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from lib.recommenders.rating.svdpp import SVDpp\n"
        "from tests.recommenders.small import small_data\n"
        "data = small_data(Path('.'), users=9)\n"
        "SVDpp(rank=2, epochs=1).fit(data.ratings, None, data.movies)\n"
    )
    names = os.environ.items()
    kept = {k: v for k, v in names if k != "SURPRISE_DATA_FOLDER"}
    environment = kept | {"HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, timeout=120
    )
    assert not list(tmp_path.iterdir())


def test_svdpp_predicts_what_surprise_predicts(svd, data):
    import surprise

    frame = data.ratings[[USER, MOVIE, RATING]]
    reader = surprise.Reader(rating_scale=(1, 5))
    train = surprise.Dataset.load_from_df(frame, reader).build_full_trainset()
    algorithm = surprise.SVDpp(n_factors=5, n_epochs=4, random_state=0).fit(train)
    pairs = pd.DataFrame({USER: [3, 80, 3, 999], MOVIE: [5, 205, 777, 5]})
    expected = [algorithm.predict(u, i).est for u, i in pairs.to_numpy().tolist()]
    assert svd.predict(pairs) == pytest.approx(expected, abs=1e-5)


def test_unseen_pairs_against_the_mean(svd, data):
    every = pd.MultiIndex.from_product(
        [data.ratings[USER].unique(), data.ratings[MOVIE].unique()], names=[USER, MOVIE]
    )
    rated = pd.MultiIndex.from_frame(data.ratings[[USER, MOVIE]])
    pairs = every.difference(rated).to_frame(index=False)
    gaps = svd.predict(pairs) - data.ratings[RATING].mean()
    assert unseen_against_mean(svd) == pytest.approx(np.sqrt(np.mean(gaps**2)), 1e-4)


def one_epoch(model, data):
    model.settings["epochs"] = 1
    return model.fit(data.ratings, data.users, data.movies)


def test_recommendernet_has_the_layers_of_its_report(data):
    model = one_epoch(RecommenderNet(embedding_size=6), data)
    layers = {layer.name: layer for layer in model.network.layers}
    joined = layers["hidden_1"].input.shape[-1]
    assert joined == 5 * 6 + 3  # five embeddings and three genre flags
    kinds = [type(layer).__name__ for layer in model.network.layers]
    tail = kinds[kinds.index("Concatenate") + 1 :]
    assert (
        tail
        == (
            "Dense BatchNormalization ReLU Dropout Dense BatchNormalization ReLU Dense "
            "Activation Rescaling"
        ).split()
    )
    assert layers["hidden_1"].units == 128 and layers["hidden_2"].units == 64
    assert [x.rate for x in layers.values() if hasattr(x, "rate")] == [0.2]
    assert "user" not in {tensor.name for tensor in model.network.inputs}


def test_two_movies_of_one_year_and_genre_are_alike_to_recommendernet(data):
    movies = data.movies.copy()
    movies.loc[1, ["genres", "release_year"]] = movies.loc[
        0, ["genres", "release_year"]
    ]
    model = RecommenderNet(epochs=1).fit(data.ratings, data.users, movies)
    pairs = pd.DataFrame({USER: [3, 3], MOVIE: movies[MOVIE][:2]})
    first, second = model.predict(pairs)
    assert first == pytest.approx(second, abs=1e-6)


def test_a_zip_code_without_ratings_gets_the_mean_of_the_others(data):
    users = data.users.copy()
    users.loc[users[USER] == 7, "zip"] = "99999"
    train = data.ratings[data.ratings[USER] != 7]
    model = RecommenderNet(epochs=1).fit(train, users, data.movies)
    weights = model.network.get_layer("zip_embedding").get_weights()[0]
    code = encode(model.encoder.words["zip"], pd.Series(["99999"]))[0]
    trained = np.setdiff1d(np.arange(len(weights)), [OOV, code])
    mean = weights[trained].mean(axis=0)
    assert weights[code] == pytest.approx(mean, abs=1e-6)
    assert weights[OOV] == pytest.approx(mean, abs=1e-6)


def test_histories_leave_the_pair_out(data):
    model = one_epoch(RecommenderNetPlus(embedding_size=2), data)
    u, i = model.catalogue.locate(data.ratings[:20])
    inputs = model._inputs(model.user_table, u, i)
    seen = model.catalogue.seen.toarray()
    rows = np.arange(20)
    assert (inputs["user_history"][rows, i] == 0).all()
    assert (inputs["movie_history"][rows, u] == 0).all()
    assert ((inputs["user_history"] > 0).sum(axis=1) == seen[u].sum(axis=1) - 1).all()
    assert (
        (inputs["movie_history"] > 0).sum(axis=1) == seen[:, i].sum(axis=0) - 1
    ).all()


def test_wide_part_is_one_flag_of_gender_and_genre(data):
    import keras

    model = one_epoch(WideDeep(), data)
    wide = keras.Model(
        model.network.inputs, model.network.get_layer("gender_genre").output
    )
    rows = data.ratings[:200]
    u, i = model.catalogue.locate(rows)
    flags = keras.ops.convert_to_numpy(wide(model._inputs(model.user_table, u, i)))
    assert (flags.sum(axis=1) == 1).all() and set(np.unique(flags)) == {0.0, 1.0}
    gender = model.catalogue.users["gender"].to_numpy()[u]
    genre = model.catalogue.movies["genres"].to_numpy()[i]
    kinds = pd.DataFrame({"column": flags.argmax(axis=1), "kind": gender + genre})
    assert kinds.groupby("kind")["column"].nunique().eq(1).all()
    assert kinds["column"].nunique() == kinds["kind"].nunique() == 6


def test_early_stopping_keeps_the_best_epoch(data):
    train, test = random_split(data.ratings)
    model = RecommenderNet(epochs=60, patience=2, learning_rate=0.02, batch_size=64)
    model.fit(train, data.users, data.movies)
    losses = model.history["val_loss"]
    assert len(losses) == losses.argmin() + 3 < 60
    fitted, watched = random_split(train, 0.1)
    mse = error_metrics(model.predict(watched) - watched[RATING].to_numpy())["mse"]
    assert mse == pytest.approx(losses.min(), rel=0.02)  # unknown codes were refilled


def test_features_of_a_training_row_ignore_its_own_rating(data):
    model = SVMModel(components=10).fit(data.ratings, data.users, data.movies)
    u, i = model.catalogue.locate(data.ratings)
    y = data.ratings[RATING].to_numpy()
    changed = y.copy()
    changed[17] = 6 - y[17]
    before, after = (model._cross_features(u, i, values) for values in (y, changed))
    assert np.array_equal(before[17], after[17])
    assert not np.array_equal(before, after)


def test_pair_features_by_name(data):
    model = model_class("bias")().fit(data.ratings, data.users, data.movies)
    u, i = model.catalogue.locate(data.ratings)
    made = PairFeatures(model.catalogue, u, i, data.ratings[RATING].to_numpy(), 5.0)
    found = dict(zip(made.FEATURES, made.of(u[:1], i[:1])[0], strict=True))
    count = (data.ratings[USER] == data.ratings[USER][0]).sum()
    assert found["user_count"] == pytest.approx(np.log1p(count))
    year = data.movies.set_index(MOVIE)["release_year"][data.ratings[MOVIE][0]]
    assert found["year"] == year
    unknown = made.of(np.array([-1]), np.array([-1]))[0]
    assert np.isfinite(unknown).all() and (unknown[:-1] == 0).all()


def test_likeness_is_the_shrunk_correlation():
    table = np.array([[1.0, 2.0, 0.0], [-1.0, -1.0, 1.0], [0.0, 1.0, -2.0]])
    found = movie_likeness(sparse.csr_array(table)).toarray()
    norms = np.sqrt((table**2).sum(axis=0))
    expected = table.T @ table / (np.outer(norms, norms) + 10)
    np.fill_diagonal(expected, 0)
    assert found == pytest.approx(np.where(expected > 0, expected, 0))


def test_error_metrics_by_hand():
    found = error_metrics(np.array([1.0, -2.0, 2.0]))
    assert found["mse"] == 3 and found["mae"] == pytest.approx(5 / 3)
    assert found["rmse"] == pytest.approx(np.sqrt(3))


def test_intervals_hold_the_rmse_and_grow_with_correlated_errors():
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(100), 10)
    alone = rng.standard_normal(1000)
    together = np.repeat(rng.standard_normal(100), 10)
    widths = []
    for errors in (alone, together):
        low, high = rmse_interval(errors, users)
        assert low < np.sqrt(np.mean(errors**2)) < high
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]
    low, high = rmse_difference_interval(alone, 1.1 * alone, users)
    assert low < high < 0


def test_new_users_are_whole_and_judged_by_profile(data):
    known, new = new_user_split(data.ratings)
    assert not set(known[USER]) & set(new[USER])
    assert len(known) + len(new) == len(data.ratings)
    assert new[USER].nunique() == 16
    model = model_class("bayesian_fm")(rank=2, sweeps=40, warmup=10)
    model.fit(known, data.users, data.movies)
    error = new_user_rmse(model, new, data.users)
    assert error < movie_mean_rmse(known, new) - 0.05
    profile = profile_of(data.users, int(new[USER].iloc[0]))
    row = data.users.set_index(USER).loc[new[USER].iloc[0]]
    assert (profile.age, profile.zip) == (row["age"], row["zip"])
