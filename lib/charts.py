"""Charts of training and forecasts, shared by notebooks 03 to 06."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.metrics import SCALES, per_slot_scores
from lib.plots import WIDTH, color, label
from lib.study import Study

UNITS = {
    "cross_entropy": "cross-entropy per request (nats)",
    "rmse": "RMSE of the share (10⁻³)",
}

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


def training_curves(histories: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Loss, RMSE of the share and accuracy over epochs, training and validation.

    Args:
        histories: name → history of a training; each has a line of its own.
        title: heading of the first panel.
    """
    panels = (
        ("loss", "loss", lambda x: x),
        ("share_mse", "RMSE of the share (10⁻³)", lambda x: 1e3 * np.sqrt(x)),
        ("accuracy", "accuracy: requested or not", lambda x: x),
    )
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.7))
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
        ax.set(xlabel="epoch", ylabel=unit)
    axes[0].set_title(title)
    lines = [
        plt.Line2D([], [], color=color(part), label=f"{part} slots")
        for part in ("train", "validation")
    ]
    fig.legend(handles=lines, loc="outside lower center", ncols=2)
    return fig


def predicted_against_true(study: Study, forecast: np.ndarray, model: str) -> Figure:
    """Predicted and true shares of the test slots: every cell, and in bins.

    The right panel groups cells by their forecast: a calibrated forecast lies on the
    diagonal, however noisy single cells are.
    """
    rows = study.split.test
    predicted = 1e3 * forecast[rows].ravel()
    true = 1e3 * study.grid.shares[rows].ravel()
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3))
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
    study: Study, forecasts: Mapping[str, np.ndarray], reference: str
) -> Figure:
    """Cross-entropy and RMSE of each test slot; the first as a gain on a reference.

    Args:
        study: the run.
        forecasts: model → forecast, the reference among them.
        reference: model that the others are compared with.
    """
    tables = {
        model: per_slot_scores(study.grid.counts, forecast, study.split.test)
        for model, forecast in forecasts.items()
    }
    base = tables[reference]
    slots = study.grid.slots[base["slot"]]
    fig, axes = plt.subplots(2, 1, figsize=(WIDTH, 4.6), sharex=True)
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
        label="noise floor",
    )
    axes[0].set(
        ylabel="nats saved per request", title=f"Gain on {label(reference)}, per slot"
    )
    axes[1].set(ylabel="RMSE (10⁻³)", xlabel="test slot (UTC)")
    axes[1].legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=3)
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
    fig, axes = plt.subplots(figsize=(WIDTH, 0.6 + 0.25 * len(data)))
    for position, (model, value) in enumerate(values.items()):
        marker = ">" if value > edge else "o"
        axes.plot(min(value, edge), position, marker, color=color(model), markersize=6)
        axes.annotate(
            f"{value:.4f}",
            (min(value, edge), position),
            (7, 0),
            textcoords="offset points",
            va="center",
            size=7,
        )
    axes.set_yticks(range(len(data)), [label(m) for m in data.index])
    axes.set(xlabel=UNITS.get(metric, metric), title=title)
    axes.margins(x=0.14)
    return fig


def sweep_chart(table: pd.DataFrame, title: str) -> Figure:
    """Validation cross-entropy of every variation, grouped by hyper-parameter.

    Args:
        table: columns parameter, value, cross_entropy; the first row is the default,
            drawn as a line.
        title: heading.
    """
    base, table = table["cross_entropy"].iloc[0], table.iloc[1:]
    names = list(dict.fromkeys(table["parameter"]))
    fig, axes = plt.subplots(figsize=(WIDTH, 0.7 + 0.22 * len(table)))
    palette = dict(zip(names, plt.cm.tab10(np.arange(len(names)) % 10), strict=True))
    labels = []
    for position, row in enumerate(table.iloc[::-1].itertuples()):
        axes.plot(
            [base, row.cross_entropy],
            [position, position],
            color=palette[row.parameter],
            marker="o",
            markevery=[1],
            linewidth=2,
        )
        labels.append(f"{row.parameter} = {row.value}")
    axes.axvline(base, color="#444444", linewidth=0.8)
    axes.set_yticks(range(len(table)), labels)
    axes.set(xlabel=UNITS["cross_entropy"] + ", validation slots", title=title)
    return fig


def ablation_chart(table: pd.DataFrame, title: str) -> Figure:
    """What each part saves, with its 95 % interval; the part missed most on top.

    Args:
        table: of `lib.ablation.run_ablation`.
        title: heading.
    """
    table = table.iloc[::-1]
    saved = -table["difference"]
    errors = [saved + table["high"], -table["low"] - saved]
    fig, axes = plt.subplots(figsize=(WIDTH, 0.7 + 0.25 * len(table)))
    axes.errorbar(
        saved,
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
    axes.set(xlabel="nats per request saved, validation slots", title=title)
    return fig


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
    for (model, metric), row in spread.iterrows():
        scale, _ = SCALES.get(metric, (1, ""))
        text = f"{scale * row['mean']:.4f}"
        if row["seeds"] > 1:
            text += f" ± {scale * row['sd']:.4f}"
        rows.setdefault(label(model), {})[HEADINGS.get(metric, metric)] = text
        rows[label(model)]["seeds"] = int(row["seeds"])
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def difference_table(differences: pd.DataFrame) -> pd.DataFrame:
    """Differences with their intervals as text, one row per opponent."""
    rows: dict[str, dict] = {}
    for (opponent, metric), row in differences.iterrows():
        scale = 1e6 if metric == "rmse" else 1
        low, high = scale * row["low"], scale * row["high"]
        text = f"{scale * row['difference']:+.4f} ({low:+.4f}, {high:+.4f})"
        name = "squared error" if metric == "rmse" else HEADINGS.get(metric, metric)
        rows.setdefault(label(opponent), {})[name] = f"{text} {row['verdict']}"
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("opponent")


def conclusions(test, compared, forecasts, hits, curves) -> str:
    """Plain conclusions of the comparison, with the numbers that they rest on."""
    networks = test[test.index.isin(forecasts)]
    others = test[~test.index.isin(forecasts)]
    lines = []
    for metric, (scale, unit) in SCALES.items():
        mine, theirs = networks[metric].idxmin(), others[metric].idxmin()
        a, b = networks.loc[mine, metric], others.loc[theirs, metric]
        word = "beats" if a < b else "does not beat"
        lines.append(
            f"- {HEADINGS[metric]}: the best network ({label(mine)}, "
            f"{scale * a:.4f} {unit}) {word} the best other forecast ({label(theirs)}, "
            f"{scale * b:.4f} {unit})."
        )
    entropy = compared.xs("cross_entropy", level="metric")
    even = [label(name) for name in entropy.index[entropy["verdict"] != "better"]]
    lines.append(
        "- In cross-entropy the difference to every opponent holds beyond chance "
        "(95 % interval)."
        if not even
        else f"- In cross-entropy the difference is not beyond chance to: "
        f"{', '.join(even)}."
    )
    k = 50 if 50 in hits.index else hits.index[-1]
    row = hits.loc[k]
    name = row[[n for n in row.index if n in forecasts]].idxmax()
    lines.append(
        f"- A cache of {k} movies filled by {label(name)} serves {row[name]:.1%} of "
        f"the requests; LRU {row['lru']:.1%}, LFU {row['lfu']:.1%}, the oracle "
        f"{row['oracle']:.1%}."
    )
    inside = curves.set_index("level").loc[0.8:].iloc[0]
    lines.append(
        f"- Intervals of level 80 % hold {inside['negative_binomial']:.0%} of the "
        f"counts (negative binomial) and {inside['multinomial']:.0%} (multinomial)."
    )
    return "\n".join(lines)


def rolling_conclusion(differences: pd.DataFrame, scores: pd.DataFrame) -> str:
    """What the rolling evaluation says of the ensemble, as lines of a list.

    Args:
        differences: of `lib.rolling.rolling_differences`.
        scores: of `lib.rolling.rolling_scores`.
    """
    lines = []
    slots = int(differences["slots"].max())
    for metric, name in (
        ("cross_entropy", "cross-entropy"),
        ("rmse", "squared error"),
        ("hit_ratio_at_50", "hits of a cache of 50 movies"),
    ):
        rows = differences.xs(metric, level="metric")["verdict"]
        open_ones = [label(model) for model in rows.index[rows == "even"]]
        lost = [label(model) for model in rows.index[rows == "worse"]]
        text = f"- Rolling cut-offs, {slots} slots, {name}: the ensemble is "
        if not open_ones and not lost:
            text += f"better than all {len(rows)} opponents beyond chance."
        else:
            number = (rows == "better").sum()
            text += f"better beyond chance than {number} of {len(rows)} opponents"
            text += f"; even with {', '.join(open_ones)}" if open_ones else ""
            text += f"; worse than {', '.join(lost)}" if lost else ""
            text += "."
        lines.append(text)
    first = scores.index[0]
    lines.append(
        f"- Least cross-entropy over these slots: {label(first)}, "
        f"{scores['cross_entropy'].iloc[0]:.4f} nats."
    )
    return "\n".join(lines)
