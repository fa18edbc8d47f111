import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from lib.evaluation import evaluate as evaluation
from lib.evaluation.bootstrap import paired_difference
from lib.evaluation.metrics import METRICS, score
from lib.evaluation.splits import time_split
from lib.forecast.baselines import (
    NAIVE,
    evaluate_naive,
    forecast,
    tune,
)


def last_value(counts):
    return forecast("last_value", counts, epsilon=0.01)


def ewma(counts, alpha=0.1, epsilon=0.01):
    return forecast("ewma", counts, alpha=alpha, epsilon=epsilon)


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


def tuned_naive(name, metric="cross_entropy"):
    """A baseline as a forecaster that tunes itself on each split's validation."""
    return lambda counts, split: tune(counts, split, [name])[metric][name].forecast


def test_the_best_simple_forecast_is_that_of_least_rmse(counts, split):
    name, rmse = evaluation.best_simple(evaluate_naive(counts, split))["test"]
    result = evaluation.evaluate(tuned_naive(name, "rmse"), counts, split)
    assert result.scores["test"]["rmse"] == pytest.approx(rmse)


def test_opponents_meet_every_measure_at_their_best(counts, split):
    tables = evaluate_naive(counts, split)
    assert list(tables) == list(NAIVE)
    both = evaluation.scores_by_split(tables["ewma"])["validation"]
    sharp = evaluation.evaluate(tuned_naive("ewma"), counts, split)
    exact = evaluation.evaluate(tuned_naive("ewma", "rmse"), counts, split)
    assert both["cross_entropy"] == sharp.scores["validation"]["cross_entropy"]
    assert both["rmse"] == exact.scores["validation"]["rmse"]
    assert both["rmse"] <= sharp.scores["validation"]["rmse"]


def test_only_the_slots_asked_for_are_measured(counts, split):
    whole, tested = (
        evaluate_naive(counts, split),
        evaluate_naive(counts, split, ["test"]),
    )
    for name, table in whole.items():
        rows = table[table["split"] == "test"].reset_index(drop=True)
        pd.testing.assert_frame_equal(tested[name], rows)


@pytest.mark.parametrize("name", NAIVE)
def test_baselines_know_no_future(counts, split, name):
    evaluation.check_no_leak(tuned_naive(name), counts, split)


def test_a_forecast_that_sees_its_own_slot_is_caught(counts, split):
    def cheat(known, split):
        return np.vstack(
            [
                last_value(known)[1:],
                last_value(known)[:1],
            ]
        )

    with pytest.raises(ValueError, match="knows the future"):
        evaluation.check_no_leak(cheat, counts, split)


def test_a_parameter_chosen_on_test_slots_is_caught(counts, split):
    def cheat(known, split):
        return ewma(known, alpha=0.1 + 0.5 * known[split.test].mean() % 0.3)

    with pytest.raises(ValueError, match="knows the future"):
        evaluation.check_no_leak(cheat, counts, split)


@pytest.fixture
def late(counts, split):
    """Counts in which eight movies are first requested in the test slots."""
    counts = counts.copy()
    counts[: split.test.start, :8] = 0
    return counts


def test_an_honest_forecast_passes_where_movies_come_late(late, split):
    for forecaster in (
        lambda known, _: ewma(known, 0.3, 0.05),
        lambda known, _: forecast(
            "ewma_count_weighted", known, alpha=0.3, pseudo_count=0.5
        ),
    ):
        evaluation.check_no_leak(forecaster, late, split)


def test_movies_of_later_slots_must_not_change_earlier_shares(late, split):
    def cheat(known, _):
        # Neighbours of a movie still to come are said to rise with it.
        unseen = known.cumsum(axis=0) == 0
        lift = 1 + 0.1 * np.roll(unseen, 1, axis=1)
        raised = ewma(known, 0.3, 0.05) * np.vstack([lift[:1], lift[:-1]])
        return raised / raised.sum(axis=1, keepdims=True)

    with pytest.raises(ValueError, match="movies that only later slots request"):
        evaluation.check_no_leak(cheat, late, split)


def test_a_forecast_kept_from_elsewhere_is_caught(counts, split):
    finished = ewma(counts, 0.3, 0.05)
    with pytest.raises(ValueError, match="ignores the counts"):
        evaluation.check_no_leak(lambda _, split: finished, counts, split)


def test_an_oracle_mixed_into_an_honest_forecast_is_caught(counts, split):
    oracle = counts / counts.sum(axis=1, keepdims=True)

    def cheat(known, _):
        mine = oracle[: len(known), : known.shape[1]]
        return 0.3 * ewma(known, 0.3, 0.05) + 0.7 * mine

    with pytest.raises(ValueError, match="knows the future"):
        evaluation.check_no_leak(cheat, counts, split)


def test_a_clearly_better_forecast_is_called_better(counts, split):
    good = evaluation.evaluate(ewma(counts, 0.3, 0.05), counts, split).per_slot
    bad = evaluation.evaluate(np.full(counts.shape, 1 / 40), counts, split).per_slot
    table = evaluation.compare(good, bad)
    assert table.index.tolist() == list(METRICS)
    for metric in ("cross_entropy", "rmse", "hit_ratio_at_50", "ndcg_at_10"):
        expected = "even" if metric == "hit_ratio_at_50" else "better"  # 40 movies
        assert table.loc[metric, "verdict"] == expected
    mirrored = evaluation.compare(bad, good)
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


def slow_noise(rng, n_slots, rho):
    """Noise whose neighbours correlate by rho, one value for each slot."""
    steps = rng.normal(size=n_slots + 30)
    return lfilter([1], [1, -rho], steps)[-n_slots:]


@pytest.mark.parametrize(("rho", "least"), [(0.0, 0.93), (0.3, 0.90)])
@pytest.mark.parametrize("n_slots", [7, 13])
def test_the_interval_covers_with_few_slots(n_slots, rho, least):
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        a = 0.5 + slow_noise(rng, n_slots, rho)
        result = paired_difference(a, np.zeros(n_slots))
        held += result.low <= 0.5 <= result.high
    assert least <= held / 1000 <= 0.97


def null_pair(rng, seeds=3, n_slots=13):
    """The same network twice: slots differ much, seeds little, in the same way."""
    slot = rng.normal(0, 0.1, n_slots)
    constant = rng.normal(0, 0.003, (2, seeds, 1))
    return slot + constant + rng.normal(0, 0.002, (2, seeds, n_slots))


def test_another_seed_is_no_better_network():
    """200 pairs of the same network: 5 ± 3 % are called different, not half."""
    rng = np.random.default_rng(1)
    wrong = blind = 0
    for _ in range(200):
        a, b = null_pair(rng)
        result = paired_difference(a.mean(axis=0), b.mean(axis=0), a, b)
        wrong += not result.low <= 0 <= result.high
        result = paired_difference(a.mean(axis=0), b.mean(axis=0))
        blind += not result.low <= 0 <= result.high
    assert 0.02 <= wrong / 200 <= 0.08
    assert blind / 200 > 0.4  # what looking at slots alone would say


def test_seeds_widen_the_comparison_of_tables(counts, split):
    one, two = (
        evaluation.evaluate(ewma(counts, a, 0.05), counts, split).per_slot
        for a in (0.3, 0.35)
    )
    other = evaluation.evaluate(last_value(counts), counts, split).per_slot
    alone = evaluation.compare(one, other, ["mae"]).loc["mae"]
    seeds = evaluation.compare(one, other, ["mae"], [one, two]).loc["mae"]
    assert seeds["low"] < alone["low"] and seeds["high"] > alone["high"]
    assert seeds["difference"] == alone["difference"]


def test_a_lone_seed_says_nothing_of_others():
    with pytest.raises(ValueError, match="2 seeds"):
        paired_difference(np.arange(5.0), np.ones(5), np.ones((1, 5)))


def test_a_constant_difference_has_no_spread():
    result = paired_difference(np.ones(5), np.zeros(5))
    assert (result.low, result.mean, result.high) == (1, 1, 1)
    assert result.low > 0


@pytest.mark.parametrize(
    ("a", "b"), [([1.0], [2.0]), ([1.0, 2.0], [1.0]), ([1.0, np.inf], [1.0, 2.0])]
)
def test_a_comparison_that_means_nothing_is_refused(a, b):
    with pytest.raises(ValueError):
        paired_difference(np.array(a), np.array(b))
