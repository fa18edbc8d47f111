"""Figures of ranking models."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.figures.style import WIDTH, color, label


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


def hit_chart(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """HR@10, one dot and interval per model, one panel per protocol.

    Args:
        panels: title → table with the index model and the columns hr_at_10,
            hr_at_10_low and hr_at_10_high; the last panel sorts the models.
    """
    columns = ["hr_at_10", "hr_at_10_low", "hr_at_10_high"]
    order = list(panels.values())[-1].sort_values("hr_at_10").index
    size = (WIDTH, 0.8 + 0.27 * len(order))
    fig, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, (title, table) in zip(axes[0], panels.items(), strict=True):
        rows = table.reindex(order)[columns].itertuples()
        for place, (name, value, low, high) in enumerate(rows):
            ax.plot([low, high], [place] * 2, color=color(name), linewidth=1.6)
            ax.plot(value, place, "o", color=color(name), markersize=5)
            where = {"textcoords": "offset points", "ha": "center", "size": 6}
            ax.annotate(f"{value:.3f}", (value, place), (0, 5), **where)
        ax.set(xlabel=label("hr_at_10"), title=title)
        ax.margins(y=0.08)
    axes[0, 0].set_yticks(range(len(order)), [label(name) for name in order])
    return fig


def cutoff_chart(ranks: Mapping[str, np.ndarray]) -> Figure:
    """Hit ratio at every list length from 1 to 100, against all movies.

    Args:
        ranks: model → ranks of the held-out movies, 0 is the best.
    """
    fig, axes = plt.subplots(figsize=(WIDTH, 3.2))
    lengths = np.arange(1, 101)
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
