"""Charts of what is known before a slot beside the popularity in it."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.data.grid import Grid
from lib.figures.style import BLUE, WIDTH, label

LIMIT = 40_000  # rows of `next_slot_frame`, drawn at random where there are more


def next_slot_frame(grid: Grid, cells: Callable, names, rows) -> pd.DataFrame:
    """Features before a slot beside the popularity in it, for movies seen before.

    Args:
        grid: the grid.
        cells: slots, movies → array (cells, features), known at the end of the slots.
        names: names of the features.
        rows: slots to forecast, from 1 on; give training slots only.

    Returns:
        One row per movie and slot: the features and `next popularity` (per mille).
    """
    slot, movie = grid.known_cells(rows, LIMIT, np.random.default_rng(0))
    frame = pd.DataFrame(cells(slot - 1, movie), columns=list(names))
    frame["next popularity"] = 1e3 * grid.shares[slot, movie]
    return frame


def correlation_matrix(frame: pd.DataFrame) -> Figure:
    """Spearman correlations of the target, the last column, and the ten features that
    are most correlated with it."""
    varying = frame.loc[:, frame.nunique() > 1].rename(columns=label)
    correlation = varying.corr("spearman")
    order = correlation.iloc[:, -1].abs().sort_values(ascending=False).index
    correlation = correlation.loc[order[:11], order[:11]]
    size = len(correlation)
    fig, axes = plt.subplots(figsize=(WIDTH, 3.6))
    image = axes.imshow(correlation, vmin=-1, vmax=1, cmap="RdBu_r", aspect="auto")
    fig.colorbar(image, ax=axes, label="Spearman correlation", pad=0.01)
    axes.grid(False)
    axes.set_xticks(range(size), correlation.columns, rotation=40, ha="right")
    axes.set_yticks(range(size), correlation.columns)
    for row in range(size):
        for column in range(size):
            value = correlation.iat[row, column]
            axes.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                size=7,
                color="white" if abs(value) > 0.6 else "black",
            )
    return fig


def scatter_matrix(frame: pd.DataFrame) -> Figure:
    """Every pair of columns against each other, densities on the diagonal."""
    some = frame.sample(min(1500, len(frame)), random_state=0)
    some = some.rename(columns=lambda name: label(name).replace("_", "\n"))
    axes = pd.plotting.scatter_matrix(
        some,
        figsize=(WIDTH, 3.8),
        s=4,
        alpha=0.3,
        color=BLUE,
        diagonal="hist",
        hist_kwds={"color": "#9CC9E3", "bins": 30},
        rasterized=True,
    )
    for ax in axes.flat:
        ax.xaxis.label.set_size(8)
        ax.yaxis.label.set(size=8, rotation=0, ha="right", va="center")
        ax.tick_params(labelsize=7)
    fig = axes[0, 0].figure
    fig.set_layout_engine("constrained", h_pad=0, w_pad=0)
    return fig
