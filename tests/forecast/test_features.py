"""Features: what they know, and that it is never the future."""

from dataclasses import replace

import numpy as np
import pytest

from lib.evaluation.splits import time_split
from lib.forecast.features import build_features, since_first, since_last


@pytest.fixture(scope="module")
def split():
    return time_split(40)


def with_other_future(grid, first, seed=1):
    """The same grid with everything from slot `first` on replaced."""
    rng = np.random.default_rng(seed)
    counts, rating = grid.counts.copy(), grid.mean_rating.copy()
    counts[first:] = rng.poisson(20, counts[first:].shape)
    rating[first:] = rng.uniform(1, 5, rating[first:].shape)
    returning, users = grid.returning.copy(), grid.users.copy()
    returning[first:] = rng.poisson(4, returning[first:].shape)
    users[first:] = rng.poisson(30, users[first:].shape)
    return replace(
        grid, counts=counts, mean_rating=rating, returning=returning, users=users
    )


def test_the_future_changes_no_earlier_feature(small_grid, split):
    first = split.test.start
    one = build_features(small_grid, split)
    other = build_features(with_other_future(small_grid, first), split)
    assert one.ewma == other.ewma
    for name in ("series", "context"):
        before = getattr(one, name)[:first]
        np.testing.assert_array_equal(before, getattr(other, name)[:first])
    np.testing.assert_array_equal(
        one.log_ewma[: first + 1], other.log_ewma[: first + 1]
    )
    assert (one.series[first:] != other.series[first:]).any()


def test_features_of_training_slots_do_not_know_validation_slots(small_grid, split):
    """Only the EWMA is chosen on validation slots; with it fixed, nothing moves."""
    first = split.validation.start
    other = with_other_future(small_grid, first)
    before, after = (build_features(grid, split) for grid in (small_grid, other))
    if before.ewma == after.ewma:
        np.testing.assert_array_equal(before.context[:first], after.context[:first])
    requests = before.series_names.index("log_requests")
    np.testing.assert_array_equal(
        before.series[:first, :, requests], after.series[:first, :, requests]
    )


def test_features_are_finite_and_of_similar_size(small_grid, split):
    features = build_features(small_grid, split)
    assert np.isfinite(features.values).all()
    assert np.abs(features.values).max() < 20
    assert len(features.names) == features.values.shape[-1] == len(set(features.names))


def test_log_ewma_are_log_shares(small_grid, split):
    shares = np.exp(build_features(small_grid, split).log_ewma.astype(float))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_slots_since_first_and_last_request():
    counts = np.array([[0, 1], [2, 0], [0, 0], [1, 0]])
    np.testing.assert_array_equal(
        since_first(counts), [[-1, 0], [0, 1], [1, 2], [2, 3]]
    )
    np.testing.assert_array_equal(since_last(counts), [[-1, 0], [0, 1], [1, 2], [0, 3]])


def test_a_movie_of_a_year_to_come_is_marked(small_grid, split):
    features = build_features(small_grid, split)
    year = small_grid.movies["release_year"].to_numpy(float, na_value=np.nan)
    index = features.context_names.index("unknown_year")
    marked = features.context[0, :, index] > 0
    np.testing.assert_array_equal(marked, np.isnan(year))
