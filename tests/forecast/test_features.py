"""Features: what they know, and that it is never the future."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.errors import UserError
from lib.evaluation.splits import time_split
from lib.forecast.features import build_features
from lib.forecast.trainer import Settings, arrays
from lib.schema import RELEASE_YEAR
from tests.realdata import real_grid


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
    slots, movies = np.indices(small_grid.counts.shape)
    values = features.cells(slots.ravel(), movies.ravel())
    assert np.isfinite(values).all() and values.dtype == np.float32
    assert np.abs(values).max() < 20
    assert len(features.names) == values.shape[-1] == len(set(features.names))


def test_log_ewma_are_log_shares(small_grid, split):
    shares = np.exp(build_features(small_grid, split).log_ewma.astype(float))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def dropped(grid, first):
    """The grid without the movies that only slots from `first` on request."""
    kept = grid.counts[:first].any(axis=0)
    rows = {
        n: getattr(grid, n)[:, kept] for n in ("counts", "mean_rating", "returning")
    }
    return kept, replace(grid, **rows, movies=grid.movies[kept].reset_index(drop=True))


def same_before(one, other, kept, slots):
    """Features of the kept movies in the slots before the test slots are the same."""
    assert one.ewma == other.ewma
    for t in slots:
        for name in ("series", "context"):
            a, b = getattr(one, name)[t][kept], getattr(other, name)[t]
            np.testing.assert_allclose(
                a.astype(float), b.astype(float), rtol=2e-3, atol=2e-3, err_msg=name
            )


def test_movies_that_only_later_slots_name_change_no_earlier_feature(small_grid, split):
    counts = small_grid.counts.copy()
    counts[: split.test.start, ::3] = 0  # these come in test slots only
    counts[: split.validation.start, 1::3] = 0
    rating = np.where(counts > 0, small_grid.mean_rating, np.nan)
    returning = np.minimum(small_grid.returning, counts)
    grid = replace(small_grid, counts=counts, mean_rating=rating, returning=returning)
    kept, less = dropped(grid, split.test.start)
    assert kept.sum() == 10
    one, other = build_features(grid, split), build_features(less, split)
    same_before(one, other, kept, range(split.test.start))
    # A known movie's forecast does not change either, while others are awaited.
    seen = grid.counts.cumsum(axis=0)[: split.test.start - 1][:, kept] > 0
    seen &= ~seen.all(axis=1, keepdims=True)
    a, b = one.log_ewma[1 : split.test.start][:, kept], other.log_ewma
    np.testing.assert_allclose(a[seen], b[1 : split.test.start][seen], rtol=1e-5)


def test_real_movies_that_only_test_slots_name_change_no_earlier_feature():
    grid = real_grid("ml-latest-small", 91)
    split = time_split(len(grid.slots))
    kept, less = dropped(grid, split.test.start)
    assert (~kept).sum() == 2579
    one, other = build_features(grid, split), build_features(less, split)
    same_before(one, other, kept, range(0, split.test.start, 6))


def test_features_are_made_once_and_opened_from_disk(small_grid, split, tmp_path):
    first = build_features(small_grid, split, tmp_path)
    assert isinstance(first.context, np.memmap) and not first.context.flags.writeable
    places = [path.stat().st_mtime_ns for path in tmp_path.glob("features-*/*.npy")]
    again = build_features(small_grid, split, tmp_path)
    assert len(places) == 3
    assert places == [p.stat().st_mtime_ns for p in tmp_path.glob("features-*/*.npy")]
    in_memory = build_features(small_grid, split)
    np.testing.assert_array_equal(again.context, in_memory.context)
    other = replace(small_grid, counts=small_grid.counts + 1)
    build_features(other, split, tmp_path)
    assert len(list(tmp_path.glob("features-*"))) == 1  # the older ones are gone


def test_what_does_not_fit_on_disk_is_refused_before_it_starts(
    small_grid, split, tmp_path, monkeypatch
):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match="needed on disk, 0.0 are free; choose"):
        build_features(small_grid, split, tmp_path)
    assert not list(tmp_path.glob("*/*.npy"))


def test_slots_since_first_and_last_request(small_grid, split):
    features = build_features(small_grid, split)
    seen = np.flatnonzero(small_grid.counts[:, 3])
    for name, slot in (("since_first", seen[0]), ("since_last", seen[-1])):
        column = features.context[:, 3, features.context_names.index(name)]
        since = np.expm1(2 * column.astype(float))
        assert since[slot] == pytest.approx(1, abs=0.01)
        assert since[-1] == pytest.approx(len(column) - slot, rel=0.01)
        assert (since[: seen[0]] == 0).all()


def test_features_can_be_left_out(small_grid, split):
    features = build_features(small_grid, split)
    less = features.without("mean_rating", "surprise")
    assert set(features.context_names) - set(less.context_names) == {"mean_rating"}
    window, context, _ = arrays(less, Settings())
    whole, all_columns, _ = arrays(features, Settings())
    assert not window[4][..., 1].any()
    np.testing.assert_array_equal(window[4][..., 0], whole[4][..., 0])
    position = features.context_names.index("mean_rating")
    others = np.delete(all_columns[4], position, axis=-1)
    np.testing.assert_array_equal(context[4], others)


def test_a_movie_of_a_year_to_come_is_marked(small_grid, split):
    features = build_features(small_grid, split)
    year = small_grid.movies["release_year"].to_numpy(float, na_value=np.nan)
    index = features.context_names.index("unknown_year")
    marked = features.context[0, :, index] > 0
    np.testing.assert_array_equal(marked, np.isnan(year))


def test_a_number_above_all_requested_so_far_is_told(small_grid, split):
    """Until the greatest number is requested, it is ahead; nothing below it is."""
    counts = small_grid.counts.copy()
    counts[:10, -3:] = 0
    data = build_features(replace(small_grid, counts=counts), split)
    ahead = data.context[..., data.context_names.index("not_listed_yet")]
    assert (ahead[1:10, -1] > ahead[1:10, -2]).all() and (ahead[1:10, -3] > 0).all()
    assert not ahead[:, :5].any() and not ahead[-1].any()


def test_numbers_say_nothing_where_no_list_of_movies_is_known(small_grid, split):
    """They may have been given in the order of the first requests."""
    counts = small_grid.counts.copy()
    counts[:10, -3:] = 0
    movies = small_grid.movies.assign(**{RELEASE_YEAR: pd.NA})
    data = build_features(replace(small_grid, counts=counts, movies=movies), split)
    assert not data.context[..., data.context_names.index("not_listed_yet")].any()
