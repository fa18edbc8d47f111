"""What a finished run found, from its results.csv: scores, sentences, a figure.

The network that is spoken of is the one with the least cross-entropy on the validation
slots; the test slots are only reported.
"""

from collections.abc import Hashable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lib.evaluation.metrics import HIGHER_IS_BETTER
from lib.figures.forecasts import dots
from lib.figures.style import NETWORKS, label, use_style
from lib.text import number, plural

COMPARISON = "06_compare_models"
POOL = "best"  # the default forecast, networks among its parts
# Measure → name, factor and digits in print
MEASURES: dict[Hashable, tuple[str, float, int]] = {
    "cross_entropy": ("cross-entropy (nats)", 1, 4),
    "rmse": ("RMSE (10⁻³)", 1e3, 4),
    "ndcg_at_10": ("NDCG@10", 1, 3),
    "hit_ratio_at_50": ("hits@50", 1, 3),
}


def read_rows(path: Path) -> pd.DataFrame:
    """Rows of a results.csv, empty where there is none; all but `value` are text."""
    if not path.is_file():
        return pd.DataFrame(columns=["notebook", "value"])
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    return rows.astype({"value": float}) if "value" in rows else rows


def scores(rows: pd.DataFrame, split: str = "test") -> pd.DataFrame:
    """Scores of every model in the comparison, one row each, one column per metric."""
    rows = rows[rows["notebook"] == COMPARISON]
    if rows.empty:
        return pd.DataFrame()
    rows = rows[
        (rows["split"] == split) & (rows["protocol"] == "") & (rows["setting"] == "")
    ]
    rows = rows[rows["seed"].isin(["", "mean"])]
    table = rows.pivot_table(index="model", columns="metric", values="value")
    return table.dropna(subset="cross_entropy") if "cross_entropy" in table else table


def of_networks(rows: pd.DataFrame) -> set[str]:
    """Models that are networks or made of them: no opponents of a network."""
    return {*rows.loc[rows["prediction_type"] != "", "model"], POOL}


def chosen_network(rows: pd.DataFrame) -> str | None:
    """LSTM, GRU or Conv1D-LSTM: the least cross-entropy on the validation slots."""
    table = scores(rows, "validation")
    mine = [name for name in NETWORKS if name in table.index]
    return table.loc[mine, "cross_entropy"].idxmin() if mine else None


def best(table: pd.DataFrame, metric: Hashable) -> Hashable:
    """The model with the best score."""
    column = table[metric]
    return column.idxmax() if metric in HIGHER_IS_BETTER else column.idxmin()


def told(value: float, metric: Hashable, unit: bool = False) -> str:
    """A score as text."""
    name, scale, digits = MEASURES[metric]
    rest = name.partition(" (")[2].rstrip(")")
    return number(scale * value, digits) + (f" {rest}" if unit and rest else "")


def side_by_side(rows: pd.DataFrame) -> pd.DataFrame:
    """The chosen network and the best other forecast, in every measure.

    Returns:
        DataFrame, index: measure; network, other, other_model, better (whether the
        network's is the better one). Empty where nothing was compared.
    """
    table, name = scores(rows), chosen_network(rows)
    others = table.drop(index=[m for m in table.index if m in of_networks(rows)])
    found = {}
    for metric in MEASURES if name and len(others) else ():
        rival = best(others, metric)
        network, other = table.loc[name, metric], others.loc[rival, metric]
        better = network > other if metric in HIGHER_IS_BETTER else network < other
        found[metric] = {
            "network": network,
            "other": other,
            "other_model": rival,
            "better": bool(better),
        }
    return pd.DataFrame.from_dict(found, orient="index")


def abstract(rows: pd.DataFrame, item: str = "movie") -> list[str]:
    """The findings of a popularity run in sentences; empty where nothing was compared.

    Args:
        rows: of `read_rows`.
        item: what the requests ask for.
    """
    pairs, table = side_by_side(rows), scores(rows)
    if pairs.empty:
        return []
    name, entropy = chosen_network(rows), pairs.loc["cross_entropy"]
    lines = [
        f"Networks correct a tuned average of the past shares of each {item}. The "
        f"validation slots chose one of them, the {label(name)}; the numbers are from "
        "the test slots, which come later."
    ]
    gap = entropy["other"] - entropy["network"]
    lines.append(
        f"Its cross-entropy is {told(entropy['network'], 'cross_entropy')} nats per "
        f"request, {number(abs(gap))} {'below' if gap > 0 else 'above'} the best other "
        f"forecast ({label(entropy['other_model'])})."
    )
    if POOL in table.index:
        pool = told(table.loc[POOL, "cross_entropy"], "cross_entropy")
        lines.append(
            "The default forecast, a pool of networks, a linear softmax and trees with "
            f"weights from the validation slots, has {pool}. {_luck(rows)}".strip()
        )
    rmse = pairs.loc["rmse"]
    text = (
        f"RMSE of the share, in thousandths: {told(rmse['network'], 'rmse')} against "
    )
    text += f"{told(rmse['other'], 'rmse')} ({label(rmse['other_model'])})"
    if "rmse_floor" in table:
        reference = table["rmse_floor"].iloc[0]
        text += f"; the multinomial reference is {told(reference, 'rmse')}"
    lines.append(text + ".")
    rest = [
        f"{MEASURES[metric][0]} {told(row['network'], metric)} against "
        f"{told(row['other'], metric)} ({label(row['other_model'])})"
        for metric, row in pairs.drop(["cross_entropy", "rmse"]).iterrows()
    ]
    lines.append(
        f"How well it ranks {plural(item)}, more is better: {'; '.join(rest)}."
    )
    return lines


def untried(rows: pd.DataFrame) -> list[str]:
    """Labels of the opponents on the test slots that no cut-off was tried with."""
    met = rows.loc[rows["protocol"] == "rolling", "model"]
    others = {*scores(rows).index} - of_networks(rows) - {*met}
    return sorted(label(name) for name in others)


def differences_over_cut_offs(rows: pd.DataFrame) -> pd.DataFrame:
    """The default forecast minus each other model over several cut-offs.

    Returns:
        Index model; columns <metric>_difference, <metric>_low and <metric>_high.
    """
    rows = rows[(rows["protocol"] == "rolling") & (rows["model"] == POOL)]
    rows = rows[rows["setting"].str.startswith("minus ")]
    ends = rows.pivot_table(index="setting", columns="metric", values="value")
    return ends.rename(index=lambda setting: setting.removeprefix("minus "))


def _luck(rows: pd.DataFrame) -> str:
    """Which models the default forecast is surely better than over several cut-offs."""
    ends = differences_over_cut_offs(rows)
    if "cross_entropy_high" not in ends:
        return ""
    sure = ends["cross_entropy_high"] < 0
    text = (
        "Over several cut-offs it is better in cross-entropy beyond chance (95 % "
        f"interval) than {sure.sum()} of {len(ends)} models"
    )
    names = [label(name) for name in ends.index[~sure]]
    text += f", not than {', '.join(names)}." if names else "."
    missing = ", ".join(untried(rows))
    return text + (f" Not tried there: {missing}." if missing else "")


def score_figure(rows: pd.DataFrame) -> Figure | None:
    """Cross-entropy of every model, one dot each; None where nothing was compared."""
    table = scores(rows)
    if table.empty:
        return None
    use_style()
    return dots(
        table, "cross_entropy", "Cross-entropy on the test slots, less is better"
    )
