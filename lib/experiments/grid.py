"""The brief's experiments: every combination of the hyper-parameters, and what matters.

Each network learns from the training slots and is judged on the validation slots; the
test slots play no part.
"""

from collections.abc import Sequence
from itertools import product

import pandas as pd
from scipy.stats import kruskal

from lib import paths
from lib.errors import UserError
from lib.forecast.sequences import MANY_TO_MANY
from lib.forecast.trainer import Settings
from lib.results import read_results, read_settings, setting_text

VARIED = (
    *("cell", "prediction_type", "hidden_layers", "learning_rate"),
    *("t_slot", "batch_size", "optimizer", "loss"),
)
BASELINE = "ewma_count_weighted"
MEASURED = ("cross_entropy", "rmse", "seconds")  # what each training records
NOTEBOOK = "01_train"


def combinations(epochs: int, **values: Sequence) -> dict[str, Settings]:
    """Settings for each combination of the values, in a fixed order.

    Combinations that make no sense are left out: a layer that reads backwards cannot
    forecast at every step (types 1 and 2).

    Args:
        epochs: epochs of every training.
        values: parameter of `lib.forecast.trainer.Settings` → its values.

    Returns:
        The hyper-parameters VARIED as one text of results.csv → settings.
    """
    chosen = {}
    for point in product(*values.values()):
        settings = Settings(epochs=epochs, **dict(zip(values, point, strict=True)))
        backward = settings.cell.startswith("bidirectional")
        if not (backward and settings.prediction_type in MANY_TO_MANY):
            named = {name: getattr(settings, name) for name in VARIED}
            chosen[setting_text(named)] = settings
    return chosen


def read_all(prefix: str) -> tuple[pd.DataFrame, float]:
    """All networks of the runs whose names begin so.

    Returns:
        One row per network, best cross-entropy first, each combination once: the
        columns VARIED and MEASURED; and the cross-entropy (nats) of the tuned EWMA
        that all networks start from.

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
    networks = rows[rows["model"] != BASELINE]
    table = networks.pivot_table(index="setting", columns="metric", values="value")
    table = table.reset_index()
    table = read_settings(table["setting"]).join(table[list(MEASURED)])
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
        groups = dict(iter(table.groupby(table[name])["cross_entropy"]))
        medians = pd.Series({v: g.median() for v, g in groups.items()}).sort_values()
        rows[name] = {
            "explained": kruskal(*groups.values()).statistic / (len(table) - 1),
            "best": medians.index[0],
            "worst": medians.index[-1],
            "between": medians.iloc[-1] - medians.iloc[0],
        }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter")
    return frame.sort_values("explained", ascending=False)


def varied(table: pd.DataFrame) -> list[str]:
    """Parameters with more than one value."""
    return [name for name in VARIED if table[name].nunique() > 1]
