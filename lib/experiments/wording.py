"""What the networks were to reach on the three stored runs, and whether they did.

The aims were set beforehand, for the mean of three seeds on the test slots; nothing was
chosen by them. A run of other slots under the same name has none.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from lib.evaluation.metrics import SCALES
from lib.figures.style import label
from lib.figures.tables import HEADINGS

# Run → number of slots, and the greatest value of each metric.
AIMS = {
    "ml-100k-7d": (31, {"cross_entropy": 6.775, "rmse": 0.000640}),
    "ml-1m-first-2999-users-7d": (57, {"cross_entropy": 7.630, "rmse": 0.000984}),
    "ml-latest-small.zip-91d": (91, {"cross_entropy": 8.150, "rmse": 0.000382}),
}


def aims_of(run_name: str, n_slots: int) -> dict[str, float]:
    """Metric → greatest value that counts as reached; empty for other runs."""
    slots, aims = AIMS.get(run_name, (0, {}))
    return aims if slots == n_slots else {}


def aims_conclusion(
    aims: Mapping[str, float], test: pd.DataFrame, networks: Sequence[str]
) -> str:
    """Which networks reached each aim, and what the other forecasts have; a list.

    Args:
        aims: metric → greatest value.
        test: scores of the test slots, one row per model.
        networks: rows of `test` that the aims are for.
    """
    mine, others = test.loc[list(networks)], test.drop(index=list(networks))
    lines = []
    for metric, aim in aims.items():
        scale, unit = SCALES[metric]
        there = mine.index[mine[metric] <= aim]
        line = f"- Aim for {HEADINGS[metric]}, at most {scale * aim:.4f} {unit}: "
        line += f"reached by {', '.join(map(label, there))}" if len(there) else "missed"
        line += f"; best network: {_best(mine, metric)}, "
        line += f"best other forecast: {_best(others, metric)}."
        lines.append(line)
    return "\n".join(lines)


def _best(table: pd.DataFrame, metric: str) -> str:
    """Name and value of the row with the least value."""
    name = table[metric].idxmin()
    return f"{label(name)} {SCALES[metric][0] * table.loc[name, metric]:.4f}"


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
        differences: of `lib.experiments.rolling.rolling_differences`.
        scores: of `lib.experiments.rolling.rolling_scores`.
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
