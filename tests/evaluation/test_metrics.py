import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import log_loss, ndcg_score

from lib.evaluation import metrics
from lib.evaluation.cold_start import cold_start


def forecast_like(counts, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(counts.shape[1]), size=len(counts))


def poisson_counts(slots=8, movies=40, seed=0):
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.5, 4, size=movies)
    return rng.poisson(rates, size=(slots, movies))


COUNTS = arrays(np.int64, (4, 6), elements=st.integers(0, 9))


def test_cross_entropy_is_the_mean_log_loss_of_the_requests():
    counts, q = np.array([[3, 1, 0], [0, 2, 2]]), np.array([[0.5, 0.3, 0.2]] * 2)
    value = metrics.score(counts, q, [0, 1])["cross_entropy"]
    slot_0 = log_loss([0, 0, 0, 1], q[[0] * 4], labels=[0, 1, 2])
    slot_1 = log_loss([1, 1, 2, 2], q[[1] * 4], labels=[0, 1, 2])
    assert value == pytest.approx((slot_0 + slot_1) / 2)


def test_cross_entropy_is_infinite_for_a_request_that_had_no_chance():
    counts = np.array([[1, 1]])
    q = np.array([[1.0, 0.0]])
    assert metrics.cross_entropy_per_slot(counts, q)[0] == np.inf
    # No request, no cost: 0 · ln 0 counts as 0.
    assert metrics.cross_entropy_per_slot(np.array([[2, 0]]), q)[0] == 0


@given(COUNTS, st.integers(0, 1000))
def test_no_forecast_has_less_cross_entropy_than_the_shares(counts, seed):
    counts[:, 0] += 1
    best = metrics.cross_entropy_per_slot(counts, metrics.shares(counts))
    other = metrics.cross_entropy_per_slot(counts, forecast_like(counts, seed))
    assert (best <= other + 1e-12).all()


def test_rmse_and_mae_over_all_cells():
    counts, q = poisson_counts(), forecast_like(poisson_counts())
    error = counts / counts.sum(1, keepdims=True) - q
    result = metrics.score(counts, q, range(8))
    assert result["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert result["mae"] == pytest.approx(np.abs(error).mean())


def test_accuracy_follows_the_chance_of_one_request():
    counts = np.array([[6, 4, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0]])
    # N̂ of slot 2 is 10, from slot 0: slot 1 had no requests.
    assert metrics.expected_traffic(counts).tolist() == [0, 10, 10]
    q = np.array([[0.25] * 4] * 2 + [[0.80, 0.08, 0.06, 0.06]])
    # 1 - (1 - q)^10 is 1.00, 0.57, 0.46, 0.46: requested, requested, not, not.
    assert metrics.score(counts, q, [2])["accuracy"] == pytest.approx(0.5)


def test_nothing_is_called_requested_before_there_was_traffic():
    counts = np.array([[5, 0, 0, 0]])
    assert metrics.score(counts, np.eye(4)[:1], [0])["accuracy"] == 0.75


def test_top_decile_counts_movies_tied_with_the_last_place():
    counts = np.zeros((1, 20), dtype=int)
    counts[0, :3] = [5, 2, 2]
    q = np.full((1, 20), 0.01)
    q[0, [0, 2]] = 0.41
    # The decile has 2 places; movies 1 and 2 tie for the second; 1 is missed.
    value = metrics.accuracy_top_decile_per_slot(counts, q / q.sum())
    assert value[0] == pytest.approx(19 / 20)


def test_precision_ignores_movies_without_a_request():
    counts = np.array([[3, 0, 1, 0, 0]])
    q = np.array([[0.4, 0.3, 0.2, 0.1, 0.0]])
    assert metrics.precision_at_k_per_slot(counts, q, 3)[0] == pytest.approx(2 / 3)


def test_ndcg_agrees_with_scikit_learn():
    counts, q = poisson_counts(), forecast_like(poisson_counts())
    ours = metrics.ndcg_at_k_per_slot(counts, q, 10).mean()
    assert ours == pytest.approx(ndcg_score(counts, q, k=10, ignore_ties=True))


def test_hit_ratio_of_the_right_order_is_the_best_possible():
    counts = np.array([[5, 3, 2, 0]])
    hit = metrics.hit_ratio_at_k_per_slot
    assert hit(counts, counts / 10, 2)[0] == pytest.approx(0.8)
    assert hit(counts, counts[:, ::-1] / 10, 2)[0] == pytest.approx(0.2)
    assert hit(counts, counts / 10, 50)[0] == pytest.approx(1)


def test_ties_in_a_ranking_go_to_the_lower_index():
    q = np.array([[0.2, 0.3, 0.2, 0.3]])
    assert metrics.top_k(q, 3).tolist() == [[1, 3, 0]]


def test_the_floor_is_the_error_of_the_true_probabilities():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(50))
    counts = rng.multinomial(200, p, size=2000)
    truth = np.tile(p, (2000, 1))
    result = metrics.score(counts, truth, range(2000))
    assert result["rmse"] == pytest.approx(result["rmse_floor"], rel=0.01)


def test_the_floor_needs_two_requests():
    floors = metrics.mse_floor_per_slot(np.array([[1, 0], [0, 0], [1, 1]]))
    np.testing.assert_array_equal(floors, [np.nan, np.nan, 0.25])


def test_gap_closed():
    assert metrics.floor_gap_closed(4.0, 5.0, 3.0) == pytest.approx(0.5)
    assert metrics.floor_gap_closed(6.0, 5.0, 3.0) == pytest.approx(-0.5)
    assert np.isnan(metrics.floor_gap_closed(2.0, 3.0, 3.0))


def test_slots_without_requests_are_left_out():
    counts = poisson_counts()
    q = forecast_like(counts)
    silent = np.insert(counts, 4, 0, axis=0)
    q_silent = np.insert(q, 4, 1 / 40, axis=0)
    assert metrics.per_slot_scores(silent, q_silent, range(9))["slot"].tolist() == [
        *range(4),
        *range(5, 9),
    ]
    assert metrics.score(silent, q_silent, range(9)) == pytest.approx(
        metrics.score(counts, q, range(8))
    )


def test_score_has_the_agreed_names_and_ranges():
    counts = poisson_counts()
    result = metrics.score(counts, forecast_like(counts), range(8))
    assert set(result) == {*metrics.METRICS, "rmse_floor"}
    for name in metrics.METRICS[3:]:
        assert 0 <= result[name] <= 1


@pytest.mark.parametrize("metric", ["cross_entropy", "rmse", "mae"])
def test_the_fast_way_gives_the_same_number(metric):
    counts = poisson_counts()
    counts[3] = 0
    q = forecast_like(counts)
    assert metrics.single(metric, counts, q, range(2, 8)) == pytest.approx(
        metrics.score(counts, q, range(2, 8))[metric]
    )


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="accuracy"):
        metrics.single("accuracy", np.ones((1, 2)), np.ones((1, 2)) / 2, [0])


@pytest.mark.parametrize(
    ("row", "message"),
    [([0.5, 0.6], "sums to 1.1"), ([1.5, -0.5], "minimum -0.5"), ([np.nan, 1], "nan")],
)
def test_rows_that_are_not_shares_are_refused(row, message):
    counts, q = np.ones((3, 2), dtype=int), np.full((3, 2), 0.5)
    q[1] = row
    with pytest.raises(ValueError, match=f"row 1 .*{message}"):
        metrics.score(counts, q, range(3))


def test_a_forecast_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="shape"):
        metrics.score(np.ones((3, 2)), np.full((3, 3), 1 / 3), range(3))


def test_cold_start_splits_the_cross_entropy_by_what_was_known():
    #                  old new cold
    counts = np.array([[4, 0, 0, 0], [2, 2, 0, 0], [1, 1, 2, 0]])
    q = np.array([[0.25] * 4, [0.25] * 4, [0.5, 0.25, 0.125, 0.125]])
    table = cold_start(counts, q, cutoff=1, slots=[2])
    assert table["request_share"].tolist() == [0.25, 0.25, 0.5]
    assert table["forecast_share"].tolist() == [0.5, 0.25, 0.25]
    assert table["movies"].tolist() == [1, 1, 1]
    assert table.loc["cold_start", "nats_per_request"] == pytest.approx(np.log(8))
    total = metrics.score(counts, q, [2])["cross_entropy"]
    assert table["cross_entropy"].sum() == pytest.approx(total)


def test_cold_start_without_new_movies():
    table = cold_start(np.ones((3, 2), dtype=int), np.full((3, 2), 0.5), 1, [1, 2])
    assert table.loc["cold_start", "request_share"] == 0
    assert pd.isna(table.loc["cold_start", "nats_per_request"])
