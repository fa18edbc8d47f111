"""Figures of ranking models."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.figures.ratings import ROW
from lib.figures.style import WIDTH, color, label
from lib.schema import FULL, SAMPLED


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


def hit_chart(tables: Mapping[str, pd.DataFrame], metric: str = "hr_at_10") -> Figure:
    """One dot and interval per model, against 99 and against all movies.

    Args:
        tables: protocol → model, metric, value, low, high.
        metric: the measure to draw; models are sorted by it against 99 movies.
    """
    tables = {name: x[x["metric"] == metric] for name, x in tables.items()}
    order = tables[SAMPLED].sort_values("value")["model"].to_list()
    fig, axes = plt.subplots(
        1, 2, figsize=(WIDTH, 0.8 + 0.27 * len(order)), sharey=True
    )
    titles = {SAMPLED: "against 99 unseen movies", FULL: "against all unseen movies"}
    for ax, (protocol, title) in zip(axes, titles.items(), strict=True):
        rows = tables[protocol].set_index("model").loc[order].reset_index().itertuples()
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


def cutoff_chart(ranks: Mapping[str, np.ndarray], last: int = 100) -> Figure:
    """Hit ratio at every list length from 1 to `last`, against all movies.

    Args:
        ranks: model → ranks of the held-out movies, 0 is the best.
        last: longest list.
    """
    fig, axes = plt.subplots(figsize=(WIDTH, 3.2))
    lengths = np.arange(1, last + 1)
    for name, places in ranks.items():
        ratio = [(places < k).mean() for k in lengths]
        axes.plot(lengths, ratio, color=color(name), label=label(name), linewidth=1.3)
    axes.set(
        xlabel="length of the list, K",
        ylabel="HR@K",
        title="Hit ratio against all unseen movies",
    )
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)
    return fig


def ranking_dots(ranking: pd.DataFrame) -> Figure:
    """HR@10 with 95 % intervals, against 99 movies and against all.

    Args:
        ranking: from `compare_study.ranking_table`.
    """
    order = ranking.iloc[::-1]
    size = (WIDTH, 0.9 + ROW * len(order))
    fig, axes = plt.subplots(1, 2, figsize=size, sharey=True)
    titles = {"": "against 99 unseen movies", "full_": "against all unseen movies"}
    for ax, (prefix, title) in zip(axes, titles.items(), strict=True):
        for place, (name, row) in enumerate(order.iterrows()):
            ends = [row[f"{prefix}low"], row[f"{prefix}high"]]
            ax.plot(ends, [place] * 2, color=color(name))
            ax.plot(row[f"{prefix}hr_at_10"], place, "o", color=color(name))
        ax.set(xlabel="HR@10", title=title)
    axes[0].set_yticks(range(len(order)), [label(name) for name in order.index])
    return fig
