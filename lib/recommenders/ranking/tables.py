"""Ranking models side by side: fit, rank, intervals, differences, charts."""

from collections.abc import Mapping, Sequence

import pandas as pd

from lib.evaluation.bootstrap import bootstrap_interval
from lib.figures.style import label
from lib.recommenders.ranking.evaluate import (
    FULL,
    MEASURES,
    SAMPLED,
    Ranked,
    compare,
    intervals,
)
from lib.recommenders.ranking.histories import (
    build_histories,
    leave_one_out,
)
from lib.recommenders.ranking.model import RankingModel


def differences(
    ranked: Mapping[str, Ranked], first: str, others: Sequence[str], protocol: str
) -> pd.DataFrame:
    """One model less each of the others, the same users drawn for both.

    Returns:
        DataFrame, index: the other model and the metric; difference, low, high (95 %).
    """
    rows = []
    for other in others:
        for metric, measure in MEASURES.items():
            pair = [
                measure(ranked[n].of(protocol)).mean(axis=1) for n in (first, other)
            ]
            gap = pair[0] - pair[1]
            rows.append((other, metric, gap.mean(), *bootstrap_interval(gap)))
    columns = ["against", "metric", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def verdict(row: pd.Series) -> str:
    """What a difference with its interval allows to say."""
    if row["low"] > 0:
        return "better"
    return "worse" if row["high"] < 0 else "no clear difference"


def leaders(scores: pd.DataFrame) -> str:
    """Who is best against 99 movies; two models where HR@10 and NDCG@10 disagree.

    Args:
        scores: one row per model with hr_at_10 and ndcg_at_10.
    """
    first, other = scores["ndcg_at_10"].idxmax(), scores["hr_at_10"].idxmax()
    hits, ndcg = scores.loc[first, ["hr_at_10", "ndcg_at_10"]]
    text = f"**{label(first)}** is best by NDCG@10, {ndcg:.3f} (HR@10 {hits:.3f})"
    if other != first:
        best = scores.loc[other, "hr_at_10"]
        text += f", but **{label(other)}** by HR@10, {best:.3f}"
    return text


def record(nb, ranked: Mapping[str, Ranked]) -> None:
    """Keeps all numbers of the models for results.csv."""
    for protocol in (SAMPLED, FULL):
        for row in intervals(ranked, protocol).itertuples():
            ends = {f"{row.metric}_low": row.low, f"{row.metric}_high": row.high}
            metrics = {row.metric: row.value} | ends
            one = ranked[row.model]
            nb.record(row.model, protocol, metrics, seed=_seed(one))
            for seed, ranks in one.by_seed.items() if len(one.by_seed) > 1 else ():
                values = ranks.sampled if protocol == SAMPLED else ranks.full
                value = float(MEASURES[row.metric](values).mean())
                nb.record(row.model, protocol, {row.metric: value}, seed=seed)
    for name, one in ranked.items():
        nb.record(name, SAMPLED, {"fit_seconds": one.seconds}, seed=_seed(one))


def _seed(ranked: Ranked) -> int | str:
    """What the seed column says: the only seed, or "mean" over several."""
    return "mean" if len(ranked.by_seed) > 1 else next(iter(ranked.by_seed))


def orders_table(
    ratings: pd.DataFrame, models: Mapping[str, RankingModel], orders: Sequence[str]
) -> pd.DataFrame:
    """HR@10 against 99 under each rule for ratings of the same second.

    Returns:
        One row per model, one column per rule.
    """
    columns = {}
    for order in orders:
        split = leave_one_out(build_histories(ratings, order))
        columns[order] = compare(models, split).set_index("model")["hr_at_10"]
    return pd.DataFrame(columns).loc[list(models)]


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table with names for readers."""
    return table.rename(index=label, columns=label)


def difference_table(differences: pd.DataFrame) -> pd.DataFrame:
    """Differences with their intervals, rounded, and what they mean."""
    shown = pd.DataFrame(
        {
            "against": differences["against"].map(label),
            "metric": differences["metric"].map(label),
            "difference": differences["difference"].map("{:+.3f}".format),
            "95 % interval": [
                f"{row.low:+.3f} to {row.high:+.3f}" for row in differences.itertuples()
            ],
            "verdict": differences.apply(verdict, axis=1),
        }
    )
    return shown.set_index("against")
