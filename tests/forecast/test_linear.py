"""Opponents with the networks' information, and the pool of all forecasts."""

from dataclasses import replace

import numpy as np
import pytest

from lib.evaluation.evaluate import check_no_leak
from lib.evaluation.metrics import score
from lib.evaluation.splits import time_split
from lib.forecast import boosted_trees
from lib.forecast.boosted_trees import residual_trees
from lib.forecast.cells import Known
from lib.forecast.combination import POOLS, combine, pooled
from lib.forecast.features import build_features
from lib.forecast.linear import linear_forecast
from tests.conftest import make_grid


@pytest.fixture(scope="module")
def grid():
    """Movies that are asked for in every other slot, which no average foretells."""
    plain = make_grid(40, 30)
    turn = (np.arange(40)[:, None] + np.arange(30)) % 2
    return replace(plain, counts=plain.counts * np.where(turn, 3, 1))


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(boosted_trees, "RESIDUAL_ROUNDS", (5, 20))
    monkeypatch.setattr(boosted_trees, "RESIDUAL_LEAVES", (4,))
    small = {"learning_rate": 0.2, "min_data_in_leaf": 20}
    monkeypatch.setattr(boosted_trees, "RESIDUAL", small)


MODELS = {"linear": linear_forecast, "trees": residual_trees}


def on_grid(grid, model):
    """A model as a forecaster of the counts that it is handed."""

    def forecaster(counts, split):
        known = replace(grid.until(len(counts)), counts=counts)
        return model(build_features(known, split), counts, split).forecast

    return forecaster


@pytest.mark.parametrize("name", MODELS)
def test_it_knows_no_future(grid, name):
    split = time_split(len(grid.slots))
    check_no_leak(on_grid(grid, MODELS[name]), grid.counts, split)


@pytest.mark.parametrize("name", MODELS)
def test_it_improves_on_the_ewma_and_is_tuned_on_validation(grid, name):
    split = time_split(len(grid.slots))
    data = build_features(grid, split)
    fitted = MODELS[name](data, grid.counts, split)
    q = fitted.forecast
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-9)
    mine = score(grid.counts, q, split.validation)["cross_entropy"]
    assert fitted.validation_score == pytest.approx(mine)
    plain = np.exp(data.log_ewma.astype(float))
    assert mine < score(grid.counts, plain, split.validation)["cross_entropy"]


def test_what_is_known_before_a_slot_is_the_window_and_the_context(small_task):
    data = small_task.features
    known = Known(data, 3)
    assert known.size == 3 * data.series.shape[-1] + data.context.shape[-1]
    ninth = known.row(9)
    np.testing.assert_array_equal(ninth[:, :2], data.series[8])
    np.testing.assert_array_equal(ninth[:, 4:6], data.series[6])
    np.testing.assert_array_equal(ninth[:, 6:], data.context[8])
    np.testing.assert_array_equal(known.row(9, np.array([4, 2])), ninth[[4, 2]])
    assert not known.row(0).any() and not known.row(1)[:, 2:6].any()


@pytest.fixture(scope="module")
def forecasts(grid):
    """The truth seen through noise, twice, and a forecast that knows nothing."""
    rng = np.random.default_rng(0)
    rate = grid.counts + 0.5
    noisy = [rate * rng.gamma(4, 0.25, rate.shape) for _ in range(2)]
    found = {
        name: q / q.sum(axis=1, keepdims=True)
        for name, q in zip("ab", noisy, strict=True)
    }
    return found | {"flat": np.full(rate.shape, 1 / rate.shape[1])}


def test_a_pool_is_better_than_its_parts(grid, forecasts):
    split = time_split(len(grid.slots))
    found = combine(forecasts, grid.counts, split)
    assert sum(found.weights.values()) == pytest.approx(1)
    assert min(found.weights.values()) >= 0
    assert found.weights["flat"] == min(found.weights.values())
    np.testing.assert_allclose(found.forecast.sum(axis=1), 1)
    mine = score(grid.counts, found.forecast, split.test)["cross_entropy"]
    for q in forecasts.values():
        assert mine < score(grid.counts, q, split.test)["cross_entropy"]


def test_test_slots_choose_no_weights(grid, forecasts):
    split = time_split(len(grid.slots))
    changed = grid.counts.copy()
    changed[split.test.start :] = changed[split.test.start :, ::-1]
    one, two = (combine(forecasts, c, split) for c in (grid.counts, changed))
    assert one.weights == two.weights and one.pool == two.pool


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_of_one_is_that_one(forecasts, pool):
    np.testing.assert_allclose(
        pooled(pool, {"a": 1.0, "b": 0.0}, forecasts), forecasts["a"], rtol=1e-9
    )
