"""Ranking models side by side: fit, rank, intervals, differences, charts."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.plots import WIDTH
from lib.recommenders.histories import LeaveOneOut, build_histories, leave_one_out
from lib.recommenders.labels import color, label
from lib.recommenders.ranking import (
    RankingModel,
    Ranks,
    bootstrap_interval,
    compare,
    evaluate,
    gains,
    hits,
    ranking_metrics,
)
from lib.train import announce

SAMPLED, FULL = "leave_one_out_99", "leave_one_out_full"
MEASURES = {"hr_at_10": hits, "ndcg_at_10": gains}


@dataclass(frozen=True)
class Ranked:
    """What is kept of one fitted model.

    Attributes:
        ranks: of the held-out movies; draws of all seeds side by side.
        by_seed: seed → ranks, for a network; {"": ranks} for the others.
        seconds: to fit one model.
    """

    ranks: Ranks
    by_seed: dict[int | str, Ranks]
    seconds: float

    def of(self, protocol: str) -> np.ndarray:
        """Ranks under a protocol: (users, draws) or (users, seeds)."""
        if protocol == SAMPLED:
            return self.ranks.sampled
        return np.stack([ranks.full for ranks in self.by_seed.values()], axis=1)


def fit_and_rank(
    models: Mapping[int | str, RankingModel],
    split: LeaveOneOut,
    negatives: np.ndarray | None = None,
) -> Ranked:
    """Fits one model, or one per seed, and ranks the held-out movies.

    Args:
        models: seed → model, {"": model} for one without a seed.
        split: the test split.
        negatives: see `ranking.evaluate`.
    """
    by_seed, start = {}, time.perf_counter()
    for model in models.values():
        fit(model, split)
    seconds = (time.perf_counter() - start) / len(models)
    for seed, model in models.items():
        by_seed[seed] = evaluate(model, split, negatives=negatives)
    sampled = np.concatenate([r.sampled for r in by_seed.values()], axis=1)
    first = next(iter(by_seed.values()))
    ranks = Ranks(first.users, sampled, first.full)
    return Ranked(ranks, by_seed, seconds)


def fit(model: RankingModel, split: LeaveOneOut, **more) -> RankingModel:
    """Fits a model; one with epochs of its own says how far it is."""
    if hasattr(model, "architecture"):
        more["callbacks"] = [_progress(model.name, model.epochs)]
    return model.fit(split.train, **more)


def _progress(name: str, epochs: int) -> keras.callbacks.Callback:
    def show(epoch, logs):
        announce(f"  {name}: epoch {epoch + 1} of {epochs}, loss {logs['loss']:.4f}")

    return keras.callbacks.LambdaCallback(on_epoch_end=show)


def score_table(ranked: Mapping[str, Ranked]) -> pd.DataFrame:
    """One row per model, best NDCG against 99 first.

    Returns:
        DataFrame, index: model; hr_at_10, ndcg_at_10 (against 99), full_hr_at_10,
        full_ndcg_at_10 (against all), fit_seconds.
    """
    rows = {}
    for name, one in ranked.items():
        full = ranking_metrics(one.of(FULL))
        rows[name] = ranking_metrics(one.of(SAMPLED))
        rows[name] |= {f"full_{metric}": value for metric, value in full.items()}
        rows[name]["fit_seconds"] = one.seconds
    table = pd.DataFrame(rows).T.rename_axis("model")
    return table.sort_values("ndcg_at_10", ascending=False)


def intervals(ranked: Mapping[str, Ranked], protocol: str) -> pd.DataFrame:
    """Means with 95 % bootstrap intervals over users.

    Returns:
        DataFrame with model, metric, value, low, high.
    """
    rows = []
    for name, one in ranked.items():
        for metric, measure in MEASURES.items():
            values = measure(one.of(protocol))
            rows.append((name, metric, values.mean(), *bootstrap_interval(values)))
    return pd.DataFrame(rows, columns=["model", "metric", "value", "low", "high"])


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


def loss_chart(losses: Mapping[str, Sequence[float]]) -> Figure:
    """Training loss over epochs, one panel per model, since losses differ in kind."""
    columns = len(losses) if len(losses) < 4 else 2
    rows = -(-len(losses) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, 0.4 + 2.1 * rows), squeeze=False
    )
    for ax, (name, values) in zip(axes.flat, losses.items(), strict=False):
        ax.plot(range(1, len(values) + 1), values, color=color(name), marker=".")
        ax.set(xlabel="epoch", title=label(name))
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for ax in axes.flat[len(losses) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set(ylabel="training loss (nats)")
    return fig


def hit_chart(ranked: Mapping[str, Ranked], metric: str = "hr_at_10") -> Figure:
    """One dot and interval per model, against 99 and against all movies."""
    fig, axes = plt.subplots(
        1, 2, figsize=(WIDTH, 0.8 + 0.27 * len(ranked)), sharey=True
    )
    order = score_table(ranked)[metric].sort_values().index
    titles = {SAMPLED: "against 99 unseen movies", FULL: "against all unseen movies"}
    for ax, (protocol, title) in zip(axes, titles.items(), strict=True):
        table = intervals({name: ranked[name] for name in order}, protocol)
        rows = table[table["metric"] == metric].itertuples()
        for position, row in enumerate(rows):
            shade = color(row.model)
            ax.plot([row.low, row.high], [position] * 2, color=shade, linewidth=1.6)
            ax.plot(row.value, position, "o", color=shade, markersize=5)
            ax.annotate(
                f"{row.value:.3f}",
                (row.value, position),
                (0, 5),
                textcoords="offset points",
                ha="center",
                size=6,
            )
        ax.set(xlabel=label(metric), title=title)
        ax.margins(y=0.08)
    axes[0].set_yticks(range(len(order)), [label(name) for name in order])
    return fig


def cutoff_chart(ranked: Mapping[str, Ranked], last: int = 100) -> Figure:
    """Hit ratio at every list length from 1 to `last`, against all movies."""
    fig, axes = plt.subplots(figsize=(WIDTH, 3.2))
    lengths = np.arange(1, last + 1)
    for name in score_table(ranked).index:
        ranks = ranked[name].of(FULL).ravel()
        ratio = [(ranks < k).mean() for k in lengths]
        axes.plot(lengths, ratio, color=color(name), label=label(name), linewidth=1.3)
    axes.set(
        xlabel="length of the list, K",
        ylabel="HR@K",
        title="Hit ratio against all unseen movies",
    )
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)
    return fig
