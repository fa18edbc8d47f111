import numpy as np
import pandas as pd
import pytest

from lib.evaluation import evaluate as evaluation
from lib.evaluation.bootstrap import paired_bootstrap
from lib.evaluation.metrics import METRICS, score
from lib.evaluation.splits import rolling_origins, time_split
from lib.forecast.baselines import (
    NAIVE,
    evaluate_naive,
    ewma,
    last_value,
    rolling_naive,
    tuned_naive,
)


@pytest.fixture
def counts():
    rng = np.random.default_rng(5)
    level = rng.gamma(0.5, 4, size=40) * np.exp(
        np.cumsum(rng.normal(0, 0.2, size=(30, 40)), axis=0)
    )
    return rng.poisson(level)


@pytest.fixture
def split(counts):
    return time_split(len(counts))


def test_an_array_and_its_function_score_the_same(counts, split):
    by_array = evaluation.evaluate(last_value(counts), counts, split)
    by_function = evaluation.evaluate(lambda c, _: last_value(c), counts, split)
    assert by_array.scores == by_function.scores
    assert by_array.scores["test"] == pytest.approx(
        score(counts, last_value(counts), split.test)
    )
    assert by_array.per_slot["slot"].tolist() == list(range(1, 30))
    total = by_array.cold_start["cross_entropy"].sum()
    assert total == pytest.approx(by_array.scores["test"]["cross_entropy"])


def test_the_gap_closed_is_reported_where_it_is_asked_for(counts, split):
    best = evaluation.best_simple(evaluate_naive(counts, split))
    name, rmse = best["test"]
    result = evaluation.evaluate(
        tuned_naive(name, "rmse"), counts, split, {"test": rmse}
    )
    assert result.scores["test"]["floor_gap_closed"] == pytest.approx(0)
    assert "floor_gap_closed" not in result.scores["train"]


def test_opponents_meet_every_measure_at_their_best(counts, split):
    tables = evaluate_naive(counts, split)
    assert list(tables) == list(NAIVE)
    both = evaluation.scores_by_split(tables["ewma"])["validation"]
    sharp = evaluation.evaluate(tuned_naive("ewma"), counts, split)
    exact = evaluation.evaluate(tuned_naive("ewma", "rmse"), counts, split)
    assert both["cross_entropy"] == sharp.scores["validation"]["cross_entropy"]
    assert both["rmse"] == exact.scores["validation"]["rmse"]
    assert both["rmse"] <= sharp.scores["validation"]["rmse"]


def test_rolling_origins_hand_out_no_later_slot(counts):
    seen = []

    def forecaster(known, split):
        seen.append((len(known), split.test.stop))
        return ewma(known)

    origins = rolling_origins(len(counts), 3)
    table = evaluation.evaluate_rolling(forecaster, counts, origins)
    assert seen == [(22, 22), (26, 26), (30, 30)]
    assert table["slot"].tolist() == list(range(18, 30))
    assert table["origin"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    whole = score(counts, ewma(counts), range(18, 30))
    assert np.sqrt(table["mse"].mean()) == pytest.approx(whole["rmse"])


def test_all_baselines_roll(counts):
    tables = rolling_naive(counts, rolling_origins(len(counts), 2))
    assert {len(table) for table in tables.values()} == {12}


@pytest.mark.parametrize("name", NAIVE)
def test_baselines_know_no_future(counts, split, name):
    evaluation.check_no_leak(tuned_naive(name), counts, split)


def test_a_forecast_that_sees_its_own_slot_is_caught(counts, split):
    def cheat(known, split):
        return np.vstack([last_value(known)[1:], last_value(known)[:1]])

    with pytest.raises(ValueError, match="knows the future"):
        evaluation.check_no_leak(cheat, counts, split)


def test_a_parameter_chosen_on_test_slots_is_caught(counts, split):
    def cheat(known, split):
        return ewma(known, alpha=0.1 + 0.5 * known[split.test].mean() % 0.3)

    with pytest.raises(ValueError, match="knows the future"):
        evaluation.check_no_leak(cheat, counts, split)


def test_a_clearly_better_forecast_is_called_better(counts, split):
    good = evaluation.evaluate(ewma(counts, 0.3, 0.05), counts, split).per_slot
    bad = evaluation.evaluate(np.full(counts.shape, 1 / 40), counts, split).per_slot
    table = evaluation.compare(good, bad, n_resamples=500)
    assert table.index.tolist() == list(METRICS)
    for metric in ("cross_entropy", "rmse", "hit_ratio_at_50", "ndcg_at_10"):
        expected = "even" if metric == "hit_ratio_at_50" else "better"  # 40 movies
        assert table.loc[metric, "verdict"] == expected
    mirrored = evaluation.compare(bad, good, n_resamples=500)
    assert mirrored.loc["cross_entropy", "verdict"] == "worse"
    assert mirrored.loc["ndcg_at_10", "verdict"] == "worse"


def test_only_slots_in_both_tables_are_compared(counts, split):
    table = evaluation.evaluate(ewma(counts), counts, split).per_slot
    result = evaluation.compare(table.iloc[:10], table.iloc[4:20], ["mae"])
    assert result.loc["mae", "slots"] == 6


def test_mean_and_spread_over_seeds():
    table = evaluation.over_seeds([{"rmse": 1.0}, {"rmse": 2.0}, {"rmse": 3.0}])
    assert table.loc["rmse"].tolist() == [2.0, 1.0, 3.0]
    assert pd.isna(evaluation.over_seeds([{"rmse": 1.0}]).loc["rmse", "sd"])


@pytest.mark.parametrize("block_length", [1, 3])
def test_the_interval_holds_the_true_difference_as_often_as_it_says(block_length):
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        a, b = rng.normal(0.5, 1, size=(40)), rng.normal(0, 1, size=40)
        result = paired_bootstrap(a, b, 400, block_length, rng=rng)
        held += result.low <= 0.5 <= result.high
    assert 0.88 <= held / 200 <= 0.99


def test_blocks_widen_the_interval_of_a_slow_series():
    rng = np.random.default_rng(1)
    slow = np.convolve(rng.normal(size=240), np.ones(12) / 12, mode="valid")
    single = paired_bootstrap(slow, np.zeros_like(slow), 2000)
    blocks = paired_bootstrap(slow, np.zeros_like(slow), 2000, block_length=12)
    assert blocks.high - blocks.low > 1.5 * (single.high - single.low)


def test_the_same_seed_gives_the_same_interval():
    a, b = np.arange(12.0) ** 1.5, np.arange(12.0)
    assert paired_bootstrap(a, b, rng=4) == paired_bootstrap(a, b, rng=4)


def test_a_constant_difference_has_no_spread():
    result = paired_bootstrap(np.ones(5), np.zeros(5))
    assert (result.low, result.mean, result.high) == (1, 1, 1)
    assert result.above_zero and not result.below_zero


@pytest.mark.parametrize(
    ("a", "b"), [([1.0], [2.0]), ([1.0, 2.0], [1.0]), ([1.0, np.inf], [1.0, 2.0])]
)
def test_a_comparison_that_means_nothing_is_refused(a, b):
    with pytest.raises(ValueError):
        paired_bootstrap(np.array(a), np.array(b))
