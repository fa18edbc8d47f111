"""Tables of results as readers see them: units, rounding, headings."""

import pandas as pd

from lib.evaluation.metrics import SCALES
from lib.figures.style import label
from lib.text import number

HEADINGS = {
    "cross_entropy": "cross-entropy",
    "rmse": "RMSE",
    "mae": "MAE",
    "accuracy_top_decile": "top decile",
    "precision_at_10": "P@10",
    "ndcg_at_10": "NDCG@10",
    "hit_ratio_at_50": "hits@50",
    "floor_gap_closed": "gap closed",
}


def readable(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores for print: labels for models, RMSE and MAE in thousandths."""
    table = scores.copy()
    for column in table.columns.intersection(["rmse", "mae", "rmse_floor"]):
        table[column] *= 1e3
    table.index = [label(str(name)) for name in table.index]
    table.index.name = scores.index.name
    return table.rename(columns=lambda name: HEADINGS.get(name, name))


def spread_table(spread: pd.DataFrame) -> pd.DataFrame:
    """Mean ± standard deviation as text, one row per model, one column per metric."""
    rows: dict[str, dict] = {}
    keys, records = spread.index.to_list(), spread.to_dict("records")
    for (model, metric), row in zip(keys, records, strict=True):
        scale, _ = SCALES.get(metric, (1, ""))
        text = number(scale * row["mean"])
        if row["seeds"] > 1:
            text += f" ± {number(scale * row['sd'])}"
        rows.setdefault(label(model), {})[HEADINGS.get(metric, metric)] = text
        rows[label(model)]["seeds"] = int(row["seeds"])
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def difference_table(differences: pd.DataFrame) -> pd.DataFrame:
    """Differences with their intervals as text, one row per opponent."""
    rows: dict[str, dict] = {}
    keys = differences.index.to_list()
    for (opponent, metric), row in zip(
        keys, differences.to_dict("records"), strict=True
    ):
        scale = 1e6 if metric == "rmse" else 1
        names = ("difference", "low", "high")
        middle, low, high = (number(scale * row[name], sign="+") for name in names)
        name = "squared error" if metric == "rmse" else HEADINGS.get(metric, metric)
        rows.setdefault(label(opponent), {})[name] = (
            f"{middle} ({low}, {high}) {row['verdict']}"
        )
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("opponent")
