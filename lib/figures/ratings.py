"""Charts of the rating models."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.style import WIDTH, color, label, line_legend
from lib.schema import PREDICTED, RATING

SHORTEST = 1e-3  # seconds: what is faster stands at the left edge
ROW = 0.27  # inches per model in a chart of dots
PARTS = {
    "loss": ("training rows", "#56B4E9"),
    "val_loss": ("rows that early stopping watches", "#D55E00"),
}


def error_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """RMSE in stars over epochs, one panel per training.

    Args:
        histories: title → loss and val_loss (MSE in stars²) of each epoch.
    """
    fig, axes = plt.subplots(
        1, len(histories), figsize=(WIDTH, 2.8), squeeze=False, sharey=True
    )
    for ax, (title, history) in zip(axes[0], histories.items(), strict=True):
        epochs = np.arange(1, len(history) + 1)
        for part, (_, shade) in PARTS.items():
            values = np.sqrt(history[part])
            ax.plot(epochs, values, color=shade, marker=".", linewidth=1.1)
        ax.set(xlabel="epoch", title=title)
    axes[0, 0].set_ylabel("RMSE (stars)")
    line_legend(fig, dict(PARTS.values()))
    return fig


def by_true_rating(forecasts: Mapping[str, pd.DataFrame]) -> Figure:
    """Predicted against true ratings: median, middle half and 90 % of each rating."""
    fig, axes = plt.subplots(
        1, len(forecasts), figsize=(WIDTH, 2.9), squeeze=False, sharey=True
    )
    for ax, (name, forecast) in zip(axes[0], forecasts.items(), strict=True):
        levels = np.sort(forecast[RATING].unique())
        groups = [forecast.loc[forecast[RATING] == x, PREDICTED] for x in levels]
        width = 0.7 * np.diff(levels).min() if len(levels) > 1 else 0.5
        ax.boxplot(
            groups,
            positions=levels,
            widths=width,
            whis=(5, 95),
            showfliers=False,
            manage_ticks=False,
            medianprops={"color": color(name), "linewidth": 1.6},
        )
        ax.axline((levels[0], levels[0]), slope=1, color="#999999", linestyle=":")
        ax.set(xlabel="true rating (stars)")
        ax.set_title(label(name), fontsize=8)  # long names beside each other
    axes[0, 0].set_ylabel("predicted rating (stars)")
    return fig


def error_dots(table: pd.DataFrame, title: str, model: str = "") -> Figure:
    """One dot and 95 % interval per row.

    Args:
        table: rmse, rmse_low, rmse_high in stars; the index names model or step.
        title: of the figure.
        model: whose colour all rows have; empty: each its own.

    Returns:
        Figure, first row on top.
    """
    fig, ax = plt.subplots(figsize=(WIDTH, 1.0 + ROW * len(table)))
    for place, (name, row) in enumerate(table.iloc[::-1].iterrows()):
        shade = color(model or name)
        ax.plot([row["rmse_low"], row["rmse_high"]], [place] * 2, color=shade)
        ax.plot(row["rmse"], place, "o", color=shade, markersize=5)
        text, at = f"{row['rmse']:.3f}", (row["rmse"], place)
        ax.annotate(text, at, (0, 4), textcoords="offset points", ha="center", size=6)
    ax.set_yticks(range(len(table)), [label(name) for name in table.index[::-1]])
    ax.margins(y=0.12)
    ax.set(xlabel="RMSE (stars), 95 % interval over users", title=title)
    return fig


def protocol_bars(table: pd.DataFrame, title: str, headline: float, name: str):
    """RMSE of models under several protocols, with a seed's headline as a line.

    Args:
        table: stars; one row per protocol, one column per model.
        title: of the figure.
        headline: the number in the seed's report, stars.
        name: what to call it.
    """
    fig, ax = plt.subplots(figsize=(WIDTH, 2.8))
    width = 0.8 / len(table.columns)
    for place, model in enumerate(table.columns):
        x = np.arange(len(table)) + (place - (len(table.columns) - 1) / 2) * width
        bars = ax.bar(x, table[model], 0.94 * width, color=color(model))
        bars.set_label(label(model))
        ax.bar_label(bars, fmt="%.3f", size=6)
    ax.axhline(headline, color="#555555", linestyle=":", linewidth=1, label=name)
    ax.set_xticks(range(len(table)), table.index)
    ax.set(ylabel="RMSE (stars)", title=title)
    ax.grid(axis="x", visible=False)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)
    return fig


def time_chart(rating: pd.DataFrame, ranking: pd.DataFrame) -> Figure:
    """Accuracy against the seconds to fit: rating models above, ranking models below.

    Args:
        rating: rmse (stars) and fit_seconds, index: model.
        ranking: hr_at_10 and fit_seconds, index: model; may be empty.
    """
    panels = [(rating, "rmse", "RMSE (stars)", "Rating: lower is better")]
    if len(ranking):
        panels += [(ranking, "hr_at_10", "HR@10", "Ranking: higher is better")]
    height = 3.0 * len(panels)
    fig, axes = plt.subplots(len(panels), figsize=(WIDTH, height), squeeze=False)
    for ax, (table, column, unit, title) in zip(axes[:, 0], panels, strict=True):
        table = table.dropna(subset=[column, "fit_seconds"]).sort_values(
            column, ascending=column == "rmse"
        )
        for number, (name, row) in enumerate(table.iterrows(), start=1):
            at = (max(row["fit_seconds"], SHORTEST), row[column])
            ax.plot(*at, "o", color=color(name), label=f"{number}  {label(name)}")
            ax.annotate(str(number), at, (5, 3), textcoords="offset points", size=7)
        ax.set(xscale="log", xlabel="seconds to fit", ylabel=unit, title=title)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)
    return fig
