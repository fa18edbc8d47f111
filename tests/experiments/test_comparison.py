"""Notebook 06's parts that no other test reaches."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from lib.data.slots import end_of_slots
from lib.evaluation.cold_start import split_entropy
from lib.evaluation.metrics import (
    cross_entropy_per_slot,
    mse_basket_floor,
    mse_floor_per_slot,
)
from lib.experiments import comparison, recurrence
from lib.experiments.task import save_forecast
from lib.figures.style import NETWORKS
from lib.forecast import boosted_trees


@pytest.mark.parametrize("divide", [1, 40])
def test_intervals_are_judged_by_enough_cells(small_task, divide):
    """Also where traffic is so low that hardly a movie expects one request."""
    rng = np.random.default_rng(0)
    q = np.full(small_task.grid.counts.shape, 1 / small_task.grid.counts.shape[1])
    traffic = small_task.grid.counts.sum(axis=1).astype(int) // divide
    counts = rng.multinomial(traffic, q[0]).astype(np.float32)
    task = replace(small_task, grid=replace(small_task.grid, counts=counts))
    dispersion, curves, values = comparison.calibration(task, q)
    test = counts[task.split.test.start :]
    assert len(values) == test.size  # 120 cells: all are looked at
    assert dispersion < 0.05  # drawn without bursts
    np.testing.assert_allclose(curves["multinomial"], curves["level"], atol=0.12)


def test_a_gain_has_three_parts_that_add_up(small_task):
    counts, slots = small_task.grid.counts, small_task.split.test
    q = np.random.default_rng(0).dirichlet(np.ones(counts.shape[1]), size=len(counts))
    parts = split_entropy(counts, q, slots)
    whole = cross_entropy_per_slot(counts[slots.start : slots.stop], q[slots])
    np.testing.assert_allclose(parts.sum(axis=1), whole)
    uniform = np.full(counts.shape, 1 / counts.shape[1])
    gains = comparison.gains(small_task, {"q": q, "flat": uniform}, "flat")
    expected = np.log(counts.shape[1]) - whole.mean()
    assert gains.loc["q", "total"] == pytest.approx(expected)


def test_more_requests_for_new_movies_change_the_bucket_alone(small_task):
    counts = small_task.grid.counts.copy()
    counts[:35, :3] = 0
    counts[35, :3] = (5, 2, 0)
    q = np.full((40, 15), 1 / 15)
    more = q.copy()
    more[:, :3] *= 2
    more /= more.sum(axis=1, keepdims=True)
    one, two = (split_entropy(counts, x, [35]).loc[35] for x in (q, more))
    assert one["movies seen"] == pytest.approx(two["movies seen"])
    assert one["within the bucket"] == pytest.approx(two["within the bucket"])
    assert one["bucket of new movies"] != pytest.approx(two["bucket of new movies"])


def test_users_who_never_repeat_leave_less_error_than_chance():
    users = np.repeat(np.arange(40), 5)
    movies = np.tile(np.arange(5), 40)  # everybody requests the same five
    assert mse_basket_floor(users, movies, 5) == pytest.approx(0)
    rng = np.random.default_rng(0)
    alone = rng.integers(0, 5, 4000)  # baskets of one are independent requests
    found = mse_basket_floor(np.arange(4000), alone, 5)
    expected = mse_floor_per_slot(np.bincount(alone, minlength=5)[None])[0]
    assert found == pytest.approx(expected, rel=1e-3)
    assert np.isnan(mse_basket_floor(np.zeros(3), np.arange(3), 5))


@pytest.fixture(scope="module")
def kept(small_task, tmp_path_factory):
    """A task with forecasts of three networks, two seeds each, and a request log."""
    task = replace(small_task, folder=tmp_path_factory.mktemp("kept"))
    counts = task.grid.counts
    rng = np.random.default_rng(1)
    for number, model in enumerate(NETWORKS, start=3):
        found = []
        for seed in (0, 1):
            noisy = (counts + 0.5) * rng.gamma(9, 1 / 9, counts.shape)
            found.append(noisy / noisy.sum(axis=1, keepdims=True))
            save_forecast(task.folder, f"0{number}_{model}-3-{seed}", found[-1])
        save_forecast(task.folder, f"0{number}_{model}-3-mean", np.mean(found, axis=0))
    slot, movie = np.nonzero(counts)
    times = counts[slot, movie].astype(int)
    start = task.grid.slots.to_numpy().astype("datetime64[s]").astype(int)
    log = {
        "userId": rng.integers(0, 50, times.sum()),
        "movieId": np.repeat(task.grid.movies["movieId"].to_numpy()[movie], times),
        "timestamp": np.repeat(start[slot], times),
    }
    # A last slot that was left out since the log ends within it, and its new movie
    end = end_of_slots(task.grid.slots[0], task.grid.meta["slot"], len(counts))
    late = {"userId": 1, "movieId": 10**6, "timestamp": int(end.timestamp())}
    log = pl.concat([pl.DataFrame(log), pl.DataFrame([late] * 9)])
    log.write_parquet(task.folder / "requests.parquet")
    return task


@pytest.fixture(scope="module")
def found(kept):
    """Forecasts, pool, tables and the tables of single seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boosted_trees, "ROUNDS", (5,))
        patch.setattr(boosted_trees, "RESIDUAL_ROUNDS", (5,))
        others, by_rmse = comparison.other_forecasts(kept)
    forecasts = comparison.network_forecasts(kept) | others
    pool = comparison.pool(kept, forecasts)
    forecasts["best"] = pool.forecast
    tables = comparison.all_tables(kept, forecasts, by_rmse)
    return forecasts, pool, tables, comparison.seed_tables(kept, forecasts, pool)


def test_every_pair_is_judged_both_ways(found):
    _, _, tables, seeds = found
    assert {len(x) for x in seeds.values()} == {2}
    assert set(seeds) == {*NETWORKS, "ensemble", "best"}
    pairs = comparison.every_pair(tables, seeds)
    mirror = {"better": "worse", "worse": "better", "even": "even"}
    for (one, two, metric), row in pairs.iterrows():
        other = pairs.loc[(two, one, metric)]
        assert row["verdict"] == mirror[other["verdict"]]
        assert row["difference"] == pytest.approx(-other["difference"])
    table = comparison.tally(pairs)
    assert len(table) == len(tables)
    for text in table.to_numpy().ravel():
        assert sum(map(int, text.split(" / "))) == len(tables) - 1


def test_one_seed_is_stood_in_for_by_the_other_networks(kept, found, monkeypatch):
    forecasts, pool, *_ = found
    whole = comparison.load_forecasts(kept.folder)
    single = {key: q for key, q in whole.items() if key[2] != "1"}
    monkeypatch.setattr(comparison, "load_forecasts", lambda folder: single)
    seeds = comparison.seed_tables(kept, forecasts, pool)
    assert {len(x) for x in seeds.values()} == {3}


def test_caches_stand_beside_forecasts_and_bounds(kept, found):
    forecasts = {name: found[0][name] for name in ("lstm", "best")}
    table = comparison.caches(kept, forecasts, [3, 6])
    assert (table["oracle"] >= table["best"] - 1e-9).all()
    assert (table["belady"] >= table[["lru", "lfu", "sieve", "arc"]].max(axis=1)).all()
    assert (table.loc[6] >= table.loc[3] - 1e-9).all()
    assert 0 < comparison.basket_floor(kept) < 1
    _, slots = comparison._requests(kept)
    np.testing.assert_array_equal(np.bincount(slots), kept.grid.counts.sum(axis=1))


def test_a_recurrent_network_is_held_against_a_dense_one(kept, found):
    forecasts, _, _, seeds = found
    plain = {
        "dense": (forecasts["lstm"], seeds["lstm"]),
        "blind": (np.full(kept.grid.counts.shape, 1 / 15), []),
    }
    networks = {"lstm": (forecasts["lstm"], seeds["lstm"])}
    table = recurrence.against_dense(kept, networks, plain)
    assert table.loc["lstm", "difference"] == 0
    assert table.loc["lstm", "verdict"] == "even"
    assert table.loc["blind", "verdict"] == "worse"
