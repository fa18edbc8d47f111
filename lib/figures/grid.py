"""Figures of a grid of experiments."""

from collections.abc import Hashable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from lib.figures.style import WIDTH, label


def heat_maps(
    table: pd.DataFrame, simple: float, pairs: Sequence[tuple[str, str]]
) -> Figure:
    """Best gain on the EWMA for each pair of values, in thousandths of a nat.

    Args:
        table: of `read_all`.
        simple: cross-entropy of the EWMA.
        pairs: parameters on the vertical and the horizontal axis of each map.
    """
    gain = table.assign(gain=1e3 * (simple - table["cross_entropy"]))
    maps = [gain.pivot_table("gain", a, b, aggfunc="max") for a, b in pairs]
    limit = max(1.0, *(np.abs(one.to_numpy()).max() for one in maps))
    fig, axes = plt.subplots(
        1,
        len(maps),
        figsize=(WIDTH, 2.6),
        width_ratios=[len(one.columns) for one in maps],
    )
    for one, ax in zip(maps, np.atleast_1d(axes), strict=True):
        sns.heatmap(
            one.rename(index=_short),
            ax=ax,
            annot=True,
            fmt=".1f",
            cmap="PuOr",
            vmin=-limit,
            vmax=limit,
            cbar=False,
            annot_kws={"size": 7},
        )
        ax.set(xlabel=_words(one.columns.name), ylabel=_words(one.index.name))
        ax.tick_params(axis="y", rotation=0)
        ax.tick_params(axis="x", rotation=90 if one.columns.dtype == object else 0)
    fig.suptitle(
        "Best gain on the EWMA (10⁻³ nats), validation slots", size=10, weight="bold"
    )
    return fig


def parallel_coordinates(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """One line per network through its hyper-parameters, coloured by its rank.

    The last axis is the rank by cross-entropy, best on top. Lines that share a value
    are spread a little, so that they can be told apart.

    Args:
        table: one row per network, with cross_entropy.
        names: the parameters that were varied, one axis each.
    """
    rank = table["cross_entropy"].rank(method="first").to_numpy()
    n, rng = len(table), np.random.default_rng(0)
    places = []
    for name in names:
        values = sorted(table[name].unique())
        step = max(len(values) - 1, 1)
        place = table[name].map(values.index).to_numpy() / step
        places.append(place + rng.uniform(-0.2, 0.2, n) / (step + 1))
    places.append(1 - (rank - 1) / max(n - 1, 1))
    lines = np.array(places)
    fig, ax = plt.subplots(figsize=(WIDTH, 3.6))
    colors = plt.cm.viridis(Normalize(1, n)(rank))
    for index in np.argsort(-rank):  # the best last, on top
        ax.plot(
            lines[:, index],
            color=colors[index],
            alpha=min(1.0, 0.1 + 30 / n),
            linewidth=0.8,
            rasterized=True,
        )
    for x, name in enumerate(names):
        values = sorted(table[name].unique())
        for number, value in enumerate(values):
            ax.text(
                x,
                number / max(len(values) - 1, 1),
                _short(value),
                size=7,
                ha="center",
                va="center",
                bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
            )
    heads = [*(_words(name) for name in names), f"rank of {n}"]
    ax.set_xticks(range(len(heads)), heads, rotation=20, size=8)
    ax.set(yticks=[], title="Every network: yellow ranks last, dark blue first")
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return fig


def _words(name: Hashable) -> str:
    return str(name).replace("_", " ")


def _short(value: object) -> str:
    """A value as it fits an axis."""
    return label(str(value)).replace("_crossentropy", "")
