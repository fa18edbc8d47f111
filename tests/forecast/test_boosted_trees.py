import numpy as np
import pytest

from lib.evaluation import evaluate as evaluation
from lib.evaluation.metrics import score, shares
from lib.evaluation.splits import time_split
from lib.forecast import boosted_trees as opponents
from lib.forecast.boosted_trees import (
    lightgbm_forecasts,
)
from lib.forecast.lags import lag_rows
from tests.realdata import dense_counts


@pytest.fixture(autouse=True)
def small_search(monkeypatch):
    monkeypatch.setattr(opponents, "ROUNDS", (10, 30))


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(2)
    level = rng.gamma(0.5, 3, size=60) * np.exp(
        np.cumsum(rng.normal(0, 0.3, size=(30, 60)), axis=0)
    )
    counts = rng.poisson(level)
    counts[[4, 20]] = 0
    counts[:15, 50:] = 0
    return counts


@pytest.fixture(scope="module")
def extras(counts):
    n_slots, n_movies = counts.shape
    rng = np.random.default_rng(0)
    year, date = -rng.integers(0, 9, n_movies).astype(float), np.arange(n_slots) / 4
    year[3] = np.nan
    genres = rng.integers(0, 2, size=(n_movies, 4))
    season = np.arange(n_slots) % 4 / 4
    return {"release_year": year, "date": date, "genres": genres, "season": season}


def lag_features(counts, **known):
    return np.array(list(lag_rows(counts, **known)))


def test_features_are_lags_in_units_of_the_uniform_share(counts):
    features = lag_features(counts)
    np.testing.assert_allclose(features[9, :, 0], shares(counts)[8] * 60, rtol=1e-6)
    np.testing.assert_allclose(features[9, :, 2], shares(counts)[6] * 60, rtol=1e-6)
    assert (features[0, :, :6] == 0).all()


def test_recency_is_counted_from_requests_already_made():
    counts = np.array([[0], [2], [0], [1], [0]])
    first, latest = lag_features(counts)[:, 0, -3:-1].T
    np.testing.assert_array_equal(first, [np.nan, np.nan, 1, 2, 3])
    np.testing.assert_array_equal(latest, [np.nan, np.nan, 1, 2, 1])


@pytest.mark.parametrize("t", [1, 12, 29])
def test_features_of_a_slot_ignore_it_and_all_later_ones(counts, extras, t):
    changed = counts.copy()
    changed[t:] = changed[t:, ::-1] + 3
    np.testing.assert_array_equal(
        lag_features(counts, **extras)[: t + 1],
        lag_features(changed, **extras)[: t + 1],
    )


def test_extras_become_the_last_features(counts, extras):
    plain, full = lag_features(counts), lag_features(counts, **extras)
    assert full.shape[-1] == plain.shape[-1] + 6
    age = extras["date"][:, None] - extras["release_year"]
    np.testing.assert_allclose(full[..., -6], age)
    np.testing.assert_allclose(full[7, :, -1], 0.75)


def test_the_trees_know_no_future(counts):
    def forecaster(known, split):
        return lightgbm_forecasts(known, split)["cross_entropy"].forecast

    split = time_split(len(counts))
    evaluation.check_no_leak(forecaster, counts, split, catalogue=False)


def test_the_trees_learn_and_repeat_themselves(counts, extras):
    split = time_split(len(counts))
    one = lightgbm_forecasts(counts, split, seed=3, **extras)["cross_entropy"]
    two = lightgbm_forecasts(counts, split, seed=3, **extras)["cross_entropy"]
    np.testing.assert_array_equal(one.forecast, two.forecast)
    uniform = np.full(counts.shape, 1 / 60)
    limit = score(counts, uniform, split.test)["cross_entropy"]
    assert score(counts, one.forecast, split.test)["cross_entropy"] < limit - 0.3
    assert one.parameters["leaves"] in opponents.LEAVES


def test_each_metric_is_tuned_on_its_own(counts):
    split = time_split(len(counts))
    results = lightgbm_forecasts(counts, split)
    for metric, result in results.items():
        measured = score(counts, result.forecast, split.validation)[metric]
        assert result.validation_score == pytest.approx(measured)
    assert (
        results["rmse"].validation_score
        <= score(counts, results["cross_entropy"].forecast, split.validation)["rmse"]
    )


def test_the_trees_hold_their_place_on_real_data(monkeypatch):
    monkeypatch.setattr(opponents, "ROUNDS", (100,))
    counts = dense_counts("ml-100k", 7)
    split = time_split(len(counts))
    result = lightgbm_forecasts(counts, split)["cross_entropy"]
    value = score(counts, result.forecast, split.test)["cross_entropy"]
    assert 6.77 < value < 6.81  # the tuned moving averages are at 6.80
