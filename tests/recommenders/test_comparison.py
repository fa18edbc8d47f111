"""What notebook 07 reads out of stored results, and published numbers beside it."""

import numpy as np
import pandas as pd

from lib.recommenders import comparison
from lib.schema import RESULT_COLUMNS


def results(*rows):
    """Rows of model, setting, protocol, seed, metric, value."""
    names = ["model", "setting", "protocol", "seed", "metric", "value"]
    return pd.DataFrame(rows, columns=names).reindex(columns=RESULT_COLUMNS)


def test_a_seed_averaged_row_goes_first():
    rows = results(
        ("ncf", "", "leave_one_out_99", "0", "hr_at_10", 0.4),
        ("ncf", "", "leave_one_out_99", "mean", "hr_at_10", 0.5),
        ("ncf", "", "leave_one_out_99", "mean", "ndcg_at_10", 0.2),
        ("ncf", "other", "leave_one_out_full", "mean", "hr_at_10", 0.9),
    )
    get = comparison.value_of
    assert get(rows, "ncf", "leave_one_out_99", "hr_at_10") == 0.5
    assert np.isnan(get(rows, "ncf", "leave_one_out_full", "hr_at_10"))
    assert get(rows, "ncf", "leave_one_out_full", "hr_at_10", "other") == 0.9
    table = comparison.ranking_table(rows)
    assert table.loc["ncf", "hr_at_10"] == 0.5
    assert table.loc["ncf", "ndcg_at_10"] == 0.2


def test_headlines_stand_beside_their_own_network():
    rows = results(
        ("svdpp", "", "unseen_pairs", "0", "rmse", 0.5),
        ("recommendernet", "as reported", "random_80_20", "0", "rmse", 1.03),
        ("recommendernet", "", "random_80_20", "0", "rmse", 0.96),
        ("neural_cf", "", "hybrid_report_99", "0", "hr_at_10", 0.62),
        ("neural_cf", "", "leave_one_out_full", "0", "hr_at_10", 0.13),
    )
    table = comparison.headline_table(rows)
    same, sound = table["same protocol here"], table["sound protocol here"]
    assert same["Hybrid report, SVD++"] == 0.5
    assert np.isnan(sound["Hybrid report, SVD++"])
    assert sound["RecommenderNet report"] == 1.03
    assert (same.iloc[-1], sound.iloc[-1]) == (0.62, 0.13)
    assert comparison.headline_table(rows.iloc[:0]).iloc[:, 2:].isna().all(axis=None)


def test_published_numbers_stand_beside_the_same_protocol_only():
    table = pd.DataFrame({"rmse": {"bias": 0.95}})
    both = comparison.with_published(table, "ml-100k", "five_fold")
    assert list(both["rmse"]) == sorted(both["rmse"])
    assert set(both["source"]) == {"here", "published"}
    assert comparison.with_published(table, "ml-100k", "random_80_20").empty
    assert comparison.with_published(table, "ml-1m", "five_fold").empty


def test_intervals_are_shown_as_text():
    metrics = ("hr_at_10", "hr_at_10_low", "hr_at_10_high", "ndcg_at_10")
    rows = results(
        *(("ease", "", "leave_one_out_99", "", m, 0.5) for m in metrics),
        ("ease", "", "leave_one_out_99", "", "fit_cpu_seconds", 2.0),
    )
    shown = comparison.shown_ranking(comparison.ranking_table(rows))
    assert shown.loc["ease", "95 %"] == "0.500–0.500"
    assert shown.loc["ease", "fit_cpu_seconds"] == 2.0
    assert shown.shape[1] <= 8
