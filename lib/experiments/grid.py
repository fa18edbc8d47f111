"""The brief's experiments: every combination of the hyper-parameters, and what matters.

Each network learns from the training slots and is judged on the validation slots; the
test slots play no part.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import kruskal

from lib import paths
from lib.errors import UserError
from lib.evaluation.metrics import single
from lib.experiments.task import Task, normalised, train_to_compare
from lib.figures.grid import _words
from lib.forecast.sequences import MANY_TO_MANY
from lib.forecast.trainer import Settings
from lib.results import read_results, read_settings, setting_text

VARIED = (
    *("cell", "prediction_type", "hidden_layers", "learning_rate"),
    *("t_slot", "batch_size", "optimizer", "loss"),
)
NETWORK = ["cell", "prediction_type", "setting"]  # what names a network in the results
BASELINE = "ewma_count_weighted"
MEASURED = ("cross_entropy", "rmse")
NOTEBOOK = "01_train"


def combinations(epochs: int, **values: Sequence) -> Iterator[Settings]:
    """Settings for each combination of the values, in a fixed order.

    Combinations that make no sense are left out: a layer that reads backwards cannot
    forecast at every step (types 1 and 2).

    Args:
        epochs: epochs of every training.
        values: parameter of `lib.forecast.trainer.Settings` → its values.
    """
    for point in product(*values.values()):
        settings = Settings(epochs=epochs, **dict(zip(values, point, strict=True)))
        backward = settings.cell.startswith("bidirectional")
        if not (backward and settings.prediction_type in MANY_TO_MANY):
            yield settings


def train_all(nb, task: Task, chosen: Sequence[Settings], seed: int) -> pd.DataFrame:
    """Train every network once and keep its scores on the validation slots.

    A training that an earlier call finished is read back.

    Returns:
        One row per network: the columns VARIED, then cross_entropy (nats), rmse and
        seconds.
    """

    def measured(forecast):
        counts, slots = task.grid.counts, task.split.validation
        return {name: single(name, counts, forecast, slots) for name in MEASURED}

    simple = measured(task.baselines[BASELINE].forecast)
    nb.record(BASELINE, "validation", simple)
    rows = []
    for number, settings in enumerate(chosen, start=1):
        name = f"{number}/{len(chosen)} {settings.cell} {settings.prediction_type}"
        trained = train_to_compare(task, settings, seed, name)
        scores = measured(normalised(trained.forecast))
        scores["seconds"] = trained.seconds
        named = {name: getattr(settings, name) for name in VARIED}
        nb.record(
            settings.cell,
            "validation",
            scores,
            prediction_type=settings.prediction_type,
            setting=setting_text({name: named[name] for name in VARIED[2:]}),
            seed=seed,
        )
        rows.append(named | scores)
    return pd.DataFrame(rows)


def read_all(prefix: str) -> tuple[pd.DataFrame, float]:
    """All networks of the runs whose names begin so.

    Returns:
        The table of `train_all`, best cross-entropy first, each combination once, and
        the cross-entropy of the tuned EWMA that all networks start from.

    Raises:
        UserError: nothing was trained, or on different data, which cannot be compared.
    """
    found = sorted(paths.REPORT.glob(f"{prefix}-*/results.csv"))
    found += paths.REPORT.glob(f"{prefix}/results.csv")
    kept = [read_results(path.parent.name) for path in found]
    if not kept:
        raise UserError(f"report/{prefix}*: no results here; run 01_train first")
    rows = pd.concat(kept).query("notebook == @NOTEBOOK")
    simple = rows.query("model == @BASELINE and metric == 'cross_entropy'")["value"]
    if simple.max() - simple.min() > 1e-9:
        raise UserError(
            f"report/{prefix}*: these runs are of different data or slots; give "
            "RUN_NAME in full, such as experiments-ml-100k-7d"
        )
    networks = rows[rows["model"] != BASELINE].rename(columns={"model": "cell"})
    table = networks.pivot_table(index=NETWORK, columns="metric", values="value")
    table = table.reset_index().astype({"prediction_type": int})
    table = table.join(read_settings(table.pop("setting")))
    table = table[[*VARIED, *MEASURED, "seconds"]]
    return table.sort_values("cross_entropy", ignore_index=True), float(simple.iloc[0])


def importance(table: pd.DataFrame) -> pd.DataFrame:
    """How much of the order of the networks each hyper-parameter explains.

    ε² = H / (n − 1) with H of Kruskal and Wallis (1952) over the groups that share a
    value: 0 when the value says nothing about the rank, 1 when it decides it.

    Returns:
        One row per parameter that was varied: explained, best (the value of least
        median cross-entropy), worst, between (medians of worst and best, nats); the
        most explaining parameter first.
    """
    rows = {}
    for name in varied(table):
        groups = [part.to_numpy() for _, part in table.groupby(name)["cross_entropy"]]
        medians = table.groupby(name)["cross_entropy"].median().sort_values()
        rows[name] = {
            "explained": kruskal(*groups).statistic / (len(table) - 1),
            "best": medians.index[0],
            "worst": medians.index[-1],
            "between": medians.iloc[-1] - medians.iloc[0],
        }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter")
    return frame.sort_values("explained", ascending=False)


def varied(table: pd.DataFrame) -> list[str]:
    """Parameters with more than one value."""
    return [name for name in VARIED if table[name].nunique() > 1]


def reading(table: pd.DataFrame, simple: float) -> str:
    """What matters, in a few lines with their numbers."""
    order, best = importance(table), table.iloc[0]
    ahead = (table["cross_entropy"] < simple).mean()
    chosen = ", ".join(f"{_words(name)} {best[name]}" for name in VARIED)
    lines = [
        f"- {ahead:.0%} of the {len(table)} networks are ahead of the tuned EWMA "
        f"({simple:.4f} nats) on the validation slots.",
        f"- The best ({chosen}) has {best['cross_entropy']:.4f} nats. It is the best "
        "of many on few slots, so its lead flatters it.",
    ]
    if len(order):
        first = next(order.itertuples())
        # At most two digits that count, however little the medians differ.
        apart = np.format_float_positional(first.between, 2, fractional=False, trim="-")
        lines.append(
            f"- What matters most is {_words(first.Index)}: it explains "
            f"{first.explained:.0%} of the order; {first.best} is best and "
            f"{first.worst} worst, {apart} nats apart in the median."
        )
        weak = order.index[order["explained"] < 0.01]
        if len(weak):
            named = ", ".join(_words(name) for name in weak)
            lines.append(f"- Under 1 % of the order each is explained by: {named}.")
    return "\n".join(lines)
