"""What is said of a network agrees with its interval."""

import pandas as pd
import pytest

from lib.experiments import sentences


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("better", "**better beyond chance** than EWMA"),
        ("even", "**neither better nor worse beyond chance** than EWMA"),
        ("worse", "**worse beyond chance** than EWMA"),
    ],
)
def test_a_difference_is_told_with_its_interval(verdict, words):
    ends = {"difference": -0.5, "low": -0.75, "high": 0.25, "slots": 24}
    gap = pd.Series(ends | {"verdict": verdict})
    told = sentences.compared("LSTM", {0: None, 1: None}, gap, "EWMA")
    assert told.startswith("Averaged over 2 seeds, the LSTM is ") and words in told
    assert "-0.5000 nats per request (95 % interval -0.7500 to +0.2500, 24" in told
    assert sentences.compared("GRU", {0: None}, gap, "EWMA").startswith("With one seed")


def test_seeds_are_told_where_there_are_several():
    scores = pd.DataFrame({"cross_entropy": [5.0, 6.0, 5.25], "rmse": 0.001})
    scores.index = pd.Index(["0", "1", "mean"])
    simple = pd.Series({"cross_entropy": 5.5, "rmse": 0.002})
    gap = pd.Series({"verdict": "even"})
    lines = sentences.learned("LSTM", scores, gap, simple, "One more.")
    assert "5.2500" in lines[0] and "5.5000" in lines[0] and "neither" in lines[0]
    assert lines[2:] == ["One more.", lines[3]] and "5.0000 to 6.0000" in lines[3]
    one = scores.drop("1")
    assert len(sentences.learned("LSTM", one, gap, simple)) == 2
