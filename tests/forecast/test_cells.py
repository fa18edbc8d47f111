import numpy as np
import pytest

from lib.evaluation.metrics import score
from lib.evaluation.splits import Split, time_split
from lib.forecast import boosted_trees, cells
from lib.forecast.boosted_trees import lightgbm_forecasts, residual_trees
from lib.forecast.features import build_features
from lib.forecast.linear import linear_forecast
from tests.conftest import make_grid


@pytest.fixture
def drawn(monkeypatch):
    """A limit that leaves 100 cells to each of 20 slots."""
    monkeypatch.setattr(cells, "MOST_CELLS", 2_000)
    monkeypatch.setattr(cells, "DRAWN_CELLS", 2_000)


@pytest.fixture(scope="module")
def slot():
    rng = np.random.default_rng(1)
    expected = rng.lognormal(0, 2, 1_000)
    return rng.poisson(500 * expected / expected.sum()), expected / expected.sum()


def test_where_all_cells_fit_all_are_taken(slot):
    movies, stands_for = cells.draw(3, *slot, slots=1_000)
    assert movies == slice(None) and stands_for is None


def test_drawn_cells_stand_for_all_movies(drawn, slot):
    counts, expected = slot
    draws = [cells.draw(t, counts, expected, slots=20) for t in range(400)]
    assert np.mean([len(movies) for movies, _ in draws]) == pytest.approx(100, rel=0.02)
    sums = [
        [weights @ counts[movies], weights @ expected[movies], weights.sum()]
        for movies, weights in draws
    ]
    found, true = np.mean(sums, axis=0), [counts.sum(), 1, len(counts)]
    error = np.std(sums, axis=0) / np.sqrt(len(sums))
    assert (np.abs(found - true) < 4 * error + 1e-9).all()
    assert all(counts.argmax() in movies for movies, _ in draws)  # it weighs too much


def test_a_slot_draws_the_same_cells_each_time(drawn, slot):
    one, two = (cells.draw(7, *slot, slots=20)[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_models_fitted_on_drawn_cells_are_nearly_as_good(monkeypatch):
    monkeypatch.setattr(boosted_trees, "ROUNDS", (10, 30))
    monkeypatch.setattr(boosted_trees, "RESIDUAL_ROUNDS", (5, 20))
    grid = make_grid(40, 399)
    split = time_split(len(grid.slots))
    data = build_features(grid, split)

    def models():
        return {
            "linear": linear_forecast(data, grid.counts, split),
            "residual": residual_trees(data, grid.counts, split),
            "lags": lightgbm_forecasts(grid.counts, split)["cross_entropy"],
        }

    def nats(fitted):
        return score(grid.counts, fitted.forecast, split.test)["cross_entropy"]

    whole = models()
    monkeypatch.setattr(cells, "MOST_CELLS", grid.counts.size // 4)
    monkeypatch.setattr(cells, "DRAWN_CELLS", grid.counts.size // 4)
    for name, fitted in models().items():
        assert not np.array_equal(fitted.forecast, whole[name].forecast)
        np.testing.assert_allclose(fitted.forecast.sum(axis=1), 1, rtol=1e-9)
        assert nats(fitted) < nats(whole[name]) + 0.03


def test_few_slots_of_a_large_grid_choose_and_only_those_with_requests(drawn):
    counts = np.ones((40, 100), np.float32)
    counts[[30, 33]] = 0
    split = Split(range(10), range(10, 39), range(39, 40))
    assert cells.judged(counts[:, :50], split) == [
        t for t in split.validation if t not in (30, 33)
    ]
    assert cells.judged(counts, split) == [*range(10, 30, 2), 31, 34, 36, 38]
    assert cells.judged(0 * counts, split) == []
