"""What the networks were to reach on the three stored runs, and whether they did.

The aims were set beforehand, for the mean of three seeds on the test slots; nothing was
chosen by them. A run of other slots under the same name has none.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from lib.charts import HEADINGS
from lib.metrics import SCALES
from lib.plots import label

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
