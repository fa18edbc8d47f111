import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import UserError
from lib.evaluation.splits import Split, rolling_origins, time_split


@pytest.mark.parametrize(
    ("n", "cuts"), [(31, (18, 24)), (57, (34, 45)), (91, (54, 72)), (10, (6, 8))]
)
def test_cuts_are_the_floors_of_the_exact_fractions(n, cuts):
    split = time_split(n)
    assert (split.train.stop, split.validation.stop, split.test.stop) == (*cuts, n)


@given(st.integers(3, 2000))
def test_parts_cover_all_slots_in_order(n):
    split = time_split(n)
    parts = [*split.train, *split.validation, *split.test]
    assert parts == list(range(n))
    assert min(len(split.train), len(split.validation), len(split.test)) >= 1


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_slots_say_so_in_one_line(n):
    with pytest.raises(UserError, match=rf"{n} slot\(s\), too few.*shorter slot"):
        time_split(n)


@pytest.mark.parametrize(
    "parts",
    [
        (range(0, 5), range(4, 7), range(7, 9)),
        (range(0, 5), range(5, 7), range(8, 9)),
        (range(1, 5), range(5, 7), range(7, 9)),
        (range(0, 5), range(5, 5), range(5, 9)),
    ],
)
def test_overlapping_or_empty_parts_are_refused(parts):
    with pytest.raises(ValueError):
        Split(*parts)


def test_rows_of_the_test_part_are_not_handed_out():
    rows = np.arange(10)
    split = Split(range(4), range(4, 6), range(6, 8))
    assert split.before_test(rows).tolist() == [0, 1, 2, 3, 4, 5]
    assert split.seen(rows).tolist() == [*range(8)]


@given(st.integers(10, 400), st.integers(1, 4))
def test_origins_walk_forward_through_the_last_part(n, n_origins):
    origins = rolling_origins(n, n_origins)
    assert len(origins) == n_origins
    tested = [slot for origin in origins for slot in origin.test]
    assert tested == list(range(origins[0].test.start, n))
    assert origins[0].test.start == 6 * n // 10
    lengths = [len(origin.test) for origin in origins]
    assert max(lengths) - min(lengths) <= 1
    assert {len(origin.validation) for origin in origins} == {2 * n // 10}


def test_too_few_slots_for_the_origins():
    with pytest.raises(UserError, match="too few for 4 cut-offs"):
        rolling_origins(6, 4)
