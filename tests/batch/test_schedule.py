"""Things done side by side, each after those that it requires."""

import threading
import time

import pytest

from lib.batch.schedule import in_order
from lib.errors import UserError


def test_notebooks_run_side_by_side_after_those_that_they_require():
    began = {name: threading.Event() for name in "bc"}
    ended = []

    def work(name: str) -> bool:
        if name in began:  # each waits for the other: in turn, both would time out
            began[name].set()
            assert all(event.wait(30) for event in began.values())
        ended.append(name)
        return name != "a"

    requires = {"a": [], "b": ["a"], "c": ["a"], "d": ["a", "b", "c"]}
    assert in_order(requires, work, 2) == {n: n != "a" for n in "abcd"}
    assert (ended[0], ended[-1]) == ("a", "d")


def test_a_failure_lets_what_is_running_end_and_begins_nothing_more():
    running, ended = threading.Event(), []

    def work(name: str) -> bool:
        if name == "bad":
            running.wait(30)
            raise UserError("no such column")
        running.set()
        time.sleep(0.2)
        ended.append(name)
        return True

    requires, said = {"bad": [], "good": [], "after": ["good"]}, []
    with pytest.raises(UserError, match="no such column"):
        in_order(requires, work, 2, said.append)
    assert ended == ["good"]
    assert said == ["bad failed; waiting for good"]
