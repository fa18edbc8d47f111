import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lib.evaluation.metrics import per_slot_scores, score, shares
from lib.evaluation.splits import time_split
from lib.forecast.baselines import NAIVE, evaluate_naive, forecast, tune
from tests.realdata import dense_counts

EXTREMES = [
    (name, b.parameters(b.values[i] if b.parameter else 0, amount))
    for name, b in NAIVE.items()
    for i, amount in ((0, b.amounts[0]), (2, b.amounts[4]))
]


def plain_ewma(counts, alpha, epsilon):
    """The recursion as it is written in a textbook, slot by slot."""
    s, n_movies = shares(counts), counts.shape[1]
    rows, state = [], None
    for t in range(len(counts)):
        rows.append(np.full(n_movies, 1 / n_movies) if state is None else state)
        if counts[t].sum():
            state = s[t] if state is None else (1 - alpha) * state + alpha * s[t]
    return (1 - epsilon) * np.array(rows) + epsilon / n_movies


@pytest.fixture
def counts():
    rng = np.random.default_rng(3)
    counts = rng.poisson(rng.gamma(0.5, 3, size=30), size=(25, 30))
    counts[[0, 7, 8, 24]] = 0  # slots without a request, the first and last included
    return counts


def test_ewma_is_the_textbook_recursion(counts):
    ours = forecast("ewma", counts, alpha=0.3, epsilon=0.05)
    np.testing.assert_allclose(ours, plain_ewma(counts, 0.3, 0.05), atol=1e-12)


def test_count_weighted_ewma_discounts_requests():
    counts = np.array([[8, 0], [0, 2], [1, 1]])
    q = forecast("ewma_count_weighted", counts, alpha=0.5, pseudo_count=1)
    # After slot 1: 4 + 1 and 2 + 1 of 8.
    np.testing.assert_allclose(q, [[0.5, 0.5], [0.9, 0.1], [0.625, 0.375]])


def test_cumulative_share_forgets_nothing(counts):
    q = forecast("cumulative_share", counts, pseudo_count=0.5)
    total = counts[:20].sum(axis=0) + 0.5
    np.testing.assert_allclose(q[20], total / total.sum())


def test_moving_average_of_the_last_slots_with_requests(counts):
    q = forecast("moving_average", counts, window=3, epsilon=0)
    s = shares(counts)
    np.testing.assert_allclose(q[9], s[[4, 5, 6]].mean(axis=0))  # 7 and 8 were silent
    np.testing.assert_allclose(q[3], s[[1, 2]].mean(axis=0))


def test_last_value_repeats_the_latest_slot(counts):
    q = forecast("last_value", counts, epsilon=0)
    np.testing.assert_allclose(q[5], shares(counts)[4])
    np.testing.assert_allclose(q[9], shares(counts)[6])


def test_seasonal_naive_looks_one_period_back(counts):
    q = forecast("seasonal_naive", counts, period=6, epsilon=0)
    s = shares(counts)
    np.testing.assert_allclose(q[12], s[6])
    np.testing.assert_allclose(q[13], s[12])  # slot 7 was silent: the latest instead
    np.testing.assert_allclose(q[4], s[3])


def test_a_period_longer_than_the_data_is_the_last_value(counts):
    np.testing.assert_array_equal(
        forecast("seasonal_naive", counts, period=99, epsilon=0.01),
        forecast("last_value", counts, epsilon=0.01),
    )


@pytest.mark.parametrize(("name", "parameters"), EXTREMES)
def test_every_row_is_shares_whatever_the_parameters(counts, name, parameters):
    q = forecast(name, counts, **parameters)
    assert q.shape == counts.shape
    assert (q >= 0).all()
    np.testing.assert_allclose(q.sum(axis=1), 1)
    np.testing.assert_allclose(q[:2], 1 / counts.shape[1])  # nothing known yet


@pytest.mark.parametrize(("name", "parameters"), EXTREMES)
@settings(max_examples=40, deadline=None)
@given(
    past=arrays(np.int64, (9, 4), elements=st.integers(0, 5)),
    future=arrays(np.int64, (9, 4), elements=st.integers(0, 5)),
    t=st.integers(0, 8),
)
def test_no_forecast_changes_with_what_comes_later(name, parameters, past, future, t):
    changed = np.vstack([past[:t], future[t:]])
    one, two = (forecast(name, c, **parameters) for c in (past, changed))
    np.testing.assert_array_equal(one[: t + 1], two[: t + 1])


@pytest.mark.parametrize("name", NAIVE)
def test_tuning_never_looks_at_the_test_slots(counts, name):
    split = time_split(len(counts))
    scrambled = counts.copy()
    scrambled[split.test.start :] = scrambled[split.test.start :, ::-1] * 7
    for metric, found in tune(counts, split, [name]).items():
        other = tune(scrambled, split, [name])[metric]
        assert found[name].parameters == other[name].parameters


def test_tuning_finds_the_best_of_the_grid(counts):
    split = time_split(len(counts))
    tuned = tune(counts, split)["rmse"]["cumulative_share"]
    by_hand = {
        amount: score(
            counts,
            forecast("cumulative_share", counts, pseudo_count=amount),
            split.validation,
        )
        for amount in NAIVE["cumulative_share"].amounts
    }
    best = min(by_hand, key=lambda amount: by_hand[amount]["rmse"])
    assert tuned.parameters == {"pseudo_count": best}
    assert tuned.validation_score == pytest.approx(by_hand[best]["rmse"])


@pytest.mark.parametrize("name", NAIVE)
@pytest.mark.parametrize("metric", ["cross_entropy", "rmse"])
def test_the_search_scores_as_the_metrics_do(counts, name, metric):
    split = time_split(len(counts))
    one = tune(counts, split)[metric][name]
    measured = score(counts, one.forecast, split.validation)[metric]
    assert one.validation_score == pytest.approx(measured)
    baseline = NAIVE[name]
    for value in (baseline.values[0], baseline.values[len(baseline.values) // 2]):
        for amount in baseline.amounts[1:9:3] if metric == "cross_entropy" else (0.0,):
            q = forecast(name, counts, **baseline.parameters(value, amount))
            other = score(counts, q, split.validation)[metric]
            assert one.validation_score <= other + 1e-12


def test_the_last_value_is_not_smoothed_where_nothing_forces_it(counts):
    found = tune(counts, time_split(len(counts)), ["last_value"])
    assert found["rmse"]["last_value"].parameters == {"epsilon": 0.0}
    assert found["cross_entropy"]["last_value"].parameters["epsilon"] > 0


def test_all_baselines_beat_the_uniform_forecast(counts):
    split = time_split(len(counts))
    uniform = np.full(counts.shape, 1 / counts.shape[1])
    limit = score(counts, uniform, split.test)["cross_entropy"]
    tuned = tune(counts, split)["cross_entropy"]
    assert list(tuned) == list(NAIVE)
    for result in tuned.values():
        value = score(counts, result.forecast, split.test)["cross_entropy"]
        assert value < limit


def test_tables_are_those_of_the_whole_forecasts(counts):
    split = time_split(len(counts))
    tables, tuned = evaluate_naive(counts, split), tune(counts, split)
    for name, table in tables.items():
        parts = [tuned[m][name].forecast for m in ("cross_entropy", "rmse")]
        sharp, exact = (per_slot_scores(counts, q, range(1, 25)) for q in parts)
        assert table["slot"].tolist() == sharp["slot"].tolist()
        np.testing.assert_allclose(table["cross_entropy"], sharp["cross_entropy"])
        np.testing.assert_allclose(table["accuracy"], sharp["accuracy"])
        np.testing.assert_allclose(table["rmse"], exact["rmse"])


# Measured on the same grids by others: RMSE of the last value, of the tuned EWMA, and
# the noise floor, over the last fifth of the slots.
PUBLISHED = [
    ("ml-100k", 7, None, (31, 1682), 0.000862, 0.000651, 0.000599),
    ("ml-100k", 1, None, (215, 1682), 0.003486, 0.002486, 0.002526),
    ("ml-1m", 7, 57, (57, 3598), 0.001343, 0.000991, 0.000966),
    ("ml-latest-small", 91, None, (91, 9724), 0.000527, 0.000390, 0.000383),
]


@pytest.mark.parametrize(
    ("name", "days", "max_slots", "shape", "last", "ewma", "floor"), PUBLISHED
)
def test_real_data_gives_the_published_errors(
    name, days, max_slots, shape, last, ewma, floor
):
    counts = dense_counts(name, days, max_slots)
    assert counts.shape == shape
    split = time_split(len(counts))
    naive = score(counts, forecast("last_value", counts, epsilon=0), split.test)
    assert naive["rmse"] == pytest.approx(last, rel=0.01)
    tuned = tune(counts, split, ["ewma"])["rmse"]["ewma"]
    assert score(counts, tuned.forecast, split.test)["rmse"] == pytest.approx(
        ewma, rel=0.01
    )
    assert naive["rmse_floor"] == pytest.approx(floor, rel=0.01)


def test_the_count_weighted_ewma_is_as_strong_as_it_was():
    counts = dense_counts("ml-100k", 7)
    split = time_split(len(counts))
    name = "ewma_count_weighted"
    tuned = tune(counts, split, [name])["cross_entropy"][name]
    value = score(counts, tuned.forecast, split.test)["cross_entropy"]
    assert value == pytest.approx(6.798, abs=0.002)
