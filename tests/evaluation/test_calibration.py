import numpy as np
import pytest

from lib.evaluation import calibration as intervals

LEVELS = np.array([0.5, 0.8, 0.95])


@pytest.fixture
def q():
    return np.random.default_rng(0).dirichlet(np.full(800, 0.3), size=10)


def draw(q, n=3000, seed=1):
    rng = np.random.default_rng(seed)
    return np.array([rng.multinomial(n, row / row.sum()) for row in q])


def overdispersed(q, seed=2):
    gamma = np.random.default_rng(seed).gamma(2.0, 0.5, size=q.shape)
    noisy = q * gamma
    return draw(noisy / noisy.sum(axis=1, keepdims=True))


def test_intervals_hold_what_a_multinomial_draws(q):
    counts = draw(q)
    low, high = intervals.predictive_interval(q, counts.sum(axis=1), level=0.9)
    expected = q * 3000
    assert ((low <= expected + 1) & (expected - 1 <= high)).all()
    # Whole numbers: at least the level, and not far above where many are expected.
    assert intervals.coverage(counts, low, high, expected > 20) == pytest.approx(
        0.92, abs=0.02
    )


def test_the_transform_is_uniform_for_the_true_distribution(q):
    u = intervals.pit(draw(q), q)
    np.testing.assert_allclose(intervals.coverage_curve(u, LEVELS), LEVELS, atol=0.015)


def test_dispersion_repairs_intervals_that_are_too_narrow(q):
    counts, later = overdispersed(q), overdispersed(q, seed=9)
    dispersion = intervals.fit_dispersion(counts, q)
    assert dispersion == pytest.approx(0.5, rel=0.15)
    asked_for = q * 3000 > 2
    narrow = intervals.coverage_curve(intervals.pit(later, q)[asked_for], LEVELS)
    assert (narrow < LEVELS - 0.05).all()
    right = intervals.pit(later, q, dispersion)[asked_for]
    np.testing.assert_allclose(
        intervals.coverage_curve(right, LEVELS), LEVELS, atol=0.03
    )


def test_next_to_no_dispersion_is_fitted_where_there_is_none(q):
    assert intervals.fit_dispersion(draw(q), q) < 0.01


def test_a_single_total_serves_all_slots(q):
    one = intervals.predictive_interval(q, 100.0, 0.8, dispersion=0.2)
    many = intervals.predictive_interval(q, np.full(10, 100.0), 0.8, dispersion=0.2)
    np.testing.assert_array_equal(one, many)


def test_no_cell_no_coverage(q):
    nothing = np.zeros_like(q, dtype=bool)
    assert np.isnan(intervals.coverage(q, q, q, nothing))
