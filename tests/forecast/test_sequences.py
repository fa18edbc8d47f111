"""Windows: what they hold, that nothing is copied, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import UserError
from lib.forecast.sequences import inputs, targets, windows


@given(n=st.integers(2, 30), t_slot=st.integers(1, 12), movies=st.integers(1, 4))
def test_a_window_holds_the_slots_before_its_target(n, t_slot, movies):
    if n <= t_slot:
        return
    values = np.arange(n * movies).reshape(n, movies)
    window, target = inputs(values, t_slot), targets(values, t_slot, 3)
    assert window.shape == (n - t_slot, t_slot, movies)
    for k in range(n - t_slot):
        np.testing.assert_array_equal(window[k], values[k : k + t_slot])
        np.testing.assert_array_equal(target[k], values[k + t_slot])


@pytest.mark.parametrize("kind", [1, 2])
def test_many_to_many_targets_are_the_window_one_slot_later(kind):
    values = np.arange(24).reshape(8, 3)
    window, target = inputs(values, 3), targets(values, 3, kind)
    assert window.shape == target.shape == (5, 3, 3)
    np.testing.assert_array_equal(target[:, :-1], window[:, 1:])
    np.testing.assert_array_equal(target[:, -1], values[3:])


@pytest.mark.parametrize("t_slot", [1, 3, 50])
def test_windows_are_views_however_long(t_slot):
    values = np.zeros((200, 7, 2), np.float32)
    for view in (inputs(values, t_slot), targets(values, t_slot, 1)):
        assert np.shares_memory(view, values)
        assert not view.flags.owndata
    assert windows(values, t_slot).base is not None


@pytest.mark.parametrize(
    ("t_slot", "found"), [(0, "t_slot is 0"), (5, "5 slots are too few")]
)
def test_impossible_windows_are_explained(t_slot, found):
    with pytest.raises(UserError, match=found):
        windows(np.zeros((5, 2)), t_slot)


def test_an_unknown_prediction_type_is_explained():
    with pytest.raises(UserError, match="prediction_type is 5"):
        targets(np.zeros((5, 2)), 2, 5)
