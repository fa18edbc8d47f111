"""Charts of training and forecasts, shared by notebooks 03 to 06."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.data.grid import Grid
from lib.evaluation.metrics import SCALES, per_slot_scores
from lib.figures.style import NETWORKS, WIDTH, color, label, line_legend
from lib.text import number

UNITS = {
    "cross_entropy": "cross-entropy per request (nats)",
    "rmse": "RMSE of the share (10⁻³)",
}


def training_curves(histories: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Loss, RMSE of the share and accuracy over epochs, training and validation.

    Args:
        histories: name → history of a training; each has a line of its own.
        title: heading of the first panel.
    """
    panels = (
        ("loss", "loss", lambda x: x),
        ("share_mse", "RMSE (10⁻³)", lambda x: 1e3 * np.sqrt(x)),
        ("accuracy", "accuracy", lambda x: x),
    )
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.6))
    fig.suptitle(title, x=0.01, ha="left", size=10, weight="bold")
    for ax, (column, unit, change) in zip(axes, panels, strict=True):
        for history in histories.values():
            for prefix, part in (("", "train"), ("val_", "validation")):
                ax.plot(
                    history.index,
                    change(history[prefix + column]),
                    color=color(part),
                    alpha=0.8,
                    linewidth=1.1,
                )
        ax.set(xlabel="epoch")
        ax.set_title(unit, size=9, weight="normal")
        ax.xaxis.get_major_locator().set_params(integer=True)
    line_legend(fig, {f"{part} slots": color(part) for part in ("train", "validation")})
    return fig


def predicted_against_true(
    shares: np.ndarray, forecast: np.ndarray, model: str
) -> Figure:
    """Predicted and true shares of the test slots: every cell, and in bins.

    The right panel groups cells by their forecast: a calibrated forecast lies on the
    diagonal, however noisy single cells are.

    Args:
        shares: (slots, movies) true shares of the slots to show.
        forecast: the forecast of the same slots.
        model: names the colour.
    """
    predicted, true = 1e3 * forecast.ravel(), 1e3 * shares.ravel()
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.7))
    some = np.random.default_rng(0).permutation(len(true))[:20_000]
    axes[0].scatter(
        predicted[some], true[some], s=3, alpha=0.2, color=color(model), rasterized=True
    )
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, 21)))
    group = np.clip(np.searchsorted(edges, predicted, side="right") - 1, 0, None)
    means = pd.DataFrame({"g": group, "p": predicted, "t": true}).groupby("g").mean()
    axes[1].plot(means["p"], means["t"], marker="o", markersize=4, color=color(model))
    axes[1].set(xscale="log", yscale="log")
    correlation = np.corrcoef(predicted, true)[0, 1]
    titles = (f"Every cell: correlation {correlation:.2f}", "Means of 20 groups")
    for ax, name in zip(axes, titles, strict=True):
        low, high = ax.get_xlim()
        ax.plot([low, high], [low, high], color="#999999", linestyle=":")
        ax.set(xlabel="predicted share (‰)", ylabel="true share (‰)", title=name)
    return fig


def error_per_slot(
    grid: Grid, rows: np.ndarray, forecasts: Mapping[str, np.ndarray], reference: str
) -> Figure:
    """Cross-entropy and RMSE of each test slot; the first as a gain on a reference.

    Args:
        grid: the true counts.
        rows: the slots to show.
        forecasts: model → forecast, the reference among them.
        reference: model that the others are compared with.
    """
    tables = {
        model: per_slot_scores(grid.counts, forecast, rows)
        for model, forecast in forecasts.items()
    }
    base = tables[reference]
    slots = grid.slots[base["slot"]]
    fig, axes = plt.subplots(2, 1, figsize=(WIDTH, 3.4), sharex=True)
    for model, table in tables.items():
        style = {"color": color(model), "label": label(model), "linewidth": 1.3}
        gain = base["cross_entropy"] - table["cross_entropy"]
        axes[0].plot(slots, gain, **style)
        axes[1].plot(slots, 1e3 * table["rmse"], **style)
    axes[1].plot(
        slots,
        1e3 * np.sqrt(base["mse_floor"]),
        color="#000000",
        linestyle=":",
        label="multinomial reference",
    )
    axes[0].set(ylabel="gain (nats)", title=f"Gain on {label(reference)}, per slot")
    axes[1].set(ylabel="RMSE (10⁻³)", xlabel="test slot (UTC)")
    lines, names = axes[1].get_legend_handles_labels()
    fig.legend(lines, names, loc="outside lower center", ncols=3)
    fig.align_ylabels()
    return fig


def dots(table: pd.DataFrame, metric: str, title: str) -> Figure:
    """One dot per model, worst on top; values off the scale get an arrow.

    Args:
        table: one row per model, index: names.
        metric: column to draw; RMSE is drawn in 10⁻³.
        title: heading.
    """
    scale, _ = SCALES.get(metric, (1, ""))
    data = table.sort_values(metric, ascending=False)
    values = scale * data[metric]
    # The worst models would press all others into a corner: they stand at the edge.
    low, edge = values.min(), values.quantile(0.75)
    edge += 0.35 * (edge - low)
    fig, axes = plt.subplots(figsize=(WIDTH, 0.6 + 0.155 * len(data)))
    for position, (model, value) in enumerate(values.items()):
        marker = ">" if value > edge else "o"
        axes.plot(min(value, edge), position, marker, color=color(model), markersize=6)
        axes.annotate(
            number(value),
            (min(value, edge), position),
            (7, 0),
            textcoords="offset points",
            va="center",
            size=7.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.2},
        )
    axes.set_yticks(range(len(data)), [label(m) for m in data.index], size=7.5)
    axes.set_ylim(-0.7, len(data) - 0.3)
    axes.set(xlabel=UNITS.get(metric, metric), title=title)
    axes.margins(x=0.14)
    return fig


def sweep_chart(table: pd.DataFrame, title: str) -> Figure:
    """Validation cross-entropy of every variation, grouped by hyper-parameter.

    Args:
        table: of `lib.experiments.variants.compare_variants`, with settings such as
            "units=16"; the first row is the default, drawn as a line.
        title: heading.
    """
    base, table = table["cross_entropy"].iloc[0], table.iloc[1:]
    parameters = table.index.str.split("=").str[0]
    names = list(dict.fromkeys(parameters))
    fig, axes = plt.subplots(figsize=(WIDTH, 0.7 + 0.22 * len(table)))
    palette = dict(zip(names, plt.cm.tab10(np.arange(len(names)) % 10), strict=True))
    rows = zip(parameters[::-1], table["cross_entropy"].iloc[::-1], strict=True)
    for position, (parameter, cross_entropy) in enumerate(rows):
        axes.plot(
            [base, cross_entropy],
            [position, position],
            color=palette[parameter],
            marker="o",
            markevery=[1],
            linewidth=2,
        )
    axes.axvline(base, color="#444444", linewidth=0.8)
    axes.set_yticks(range(len(table)), table.index[::-1].str.replace("=", " = "))
    axes.set(xlabel=UNITS["cross_entropy"] + ", validation slots", title=title)
    return fig


def ablation_chart(table: pd.DataFrame, title: str) -> Figure:
    """What the network loses without each part, with 95 % intervals.

    Args:
        table: of `lib.experiments.variants.compare_variants`, without the first row;
            the part missed most comes first.
        title: heading.
    """
    table = table.iloc[::-1]
    lost = -table["difference"]
    errors = [lost + table["high"], -table["low"] - lost]
    fig, axes = plt.subplots(figsize=(WIDTH, 0.7 + 0.25 * len(table)))
    axes.errorbar(
        lost,
        range(len(table)),
        xerr=np.abs(errors),
        fmt="o",
        color="#0072B2",
        ecolor="#9CC9E3",
        markersize=5,
    )
    axes.axvline(0, color="#444444", linewidth=0.8)
    axes.set_yticks(range(len(table)), table.index)
    # Starting from nothing costs so much that the other parts would vanish.
    axes.set_xscale("symlog", linthresh=0.01)
    low, high = axes.get_xlim()
    ticks = [-0.1, -0.01, -0.005, 0, 0.005, 0.01, 0.03, 0.1, 0.3, 1, 3]
    ticks = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(
        xlabel="rise of the cross-entropy on validation slots\n(nats per request)",
        title=title,
    )
    return fig


def cache_chart(table: pd.DataFrame) -> Figure:
    """Hit ratio over capacity, one line per model or policy."""
    fig, axes = plt.subplots(figsize=(WIDTH, 3))
    for model in table.columns:
        style = "-" if model in NETWORKS else {"oracle": ":"}.get(model, "--")
        axes.plot(
            table.index,
            table[model],
            style,
            color=color(model),
            label=label(model),
            marker="o",
            markersize=3,
        )
    axes.set(
        xscale="log",
        xticks=table.index,
        xticklabels=table.index,
        xlabel="capacity of the cache K (movies)",
        ylabel="hit ratio, test slots",
        title="Requests that find their movie in the cache",
    )
    axes.minorticks_off()
    fig.legend(loc="outside right center", fontsize="small")
    return fig


def calibration_chart(curves: pd.DataFrame, values: np.ndarray) -> Figure:
    """Coverage over level, and the histogram of the PIT values."""
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    axes[0].plot([0, 1], [0, 1], color="#999999", linestyle=":")
    for name, shade in (("multinomial", "#E69F00"), ("negative_binomial", "#0072B2")):
        axes[0].plot(
            curves["level"],
            curves[name],
            color=shade,
            marker="o",
            markersize=3,
            label=name.replace("_", " "),
        )
    axes[0].set(xlabel="level of the interval", ylabel="share inside", title="Coverage")
    axes[0].legend()
    axes[1].hist(values, bins=20, range=(0, 1), density=True, color="#9CC9E3")
    axes[1].axhline(1, color="#444444", linestyle=":")
    axes[1].set(
        xlabel="PIT value (negative binomial)", ylabel="density", title="Uniform?"
    )
    return fig
