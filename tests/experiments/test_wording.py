"""The aims of the stored runs, and how it is told whether they were reached."""

import pandas as pd

from lib.experiments.wording import AIMS, aims_conclusion, aims_of

SCORES = pd.DataFrame(
    {"cross_entropy": [7.60, 7.64, 7.62], "rmse": [0.0011, 0.0012, 0.0010]},
    index=["lstm", "gru", "lightgbm"],
)


def test_aims_belong_to_a_run_and_its_number_of_slots():
    for run, (slots, aims) in AIMS.items():
        assert aims_of(run, slots) == aims
        assert aims_of(run, slots + 1) == {}
    assert aims_of("sample-week", 31) == {}


def test_the_text_names_who_reached_an_aim_and_who_is_best():
    aims = {"cross_entropy": 7.63, "rmse": 0.0009}
    first, second = aims_conclusion(aims, SCORES, ["lstm", "gru"]).splitlines()
    assert "at most 7.6300 nats: reached by LSTM;" in first
    assert "best network: LSTM 7.6000, best other forecast: LightGBM 7.6200" in first
    assert "at most 0.9000 ·10⁻³: missed;" in second
    assert "best network: LSTM 1.1000, best other forecast: LightGBM 1.0000" in second


def test_an_aim_met_exactly_is_reached():
    text = aims_conclusion({"cross_entropy": 7.64}, SCORES, ["gru"])
    assert "reached by GRU" in text
