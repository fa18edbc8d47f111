"""Tidy results: one row per number in report/<run>/results.csv."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lib import paths
from lib.errors import UserError
from lib.files import locked, write_text
from lib.schema import RESULT_COLUMNS


def results_path(run: str) -> Path:
    """Path of a run's results.csv."""
    return paths.REPORT / run / "results.csv"


def read_results(run: str) -> pd.DataFrame:
    """All rows of a run, empty when nothing was written yet.

    Returns:
        DataFrame with RESULT_COLUMNS; `value` is float64, the others are strings.
    """
    path = results_path(run)
    if not path.exists():
        return pd.DataFrame(columns=RESULT_COLUMNS)
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        return rows[list(RESULT_COLUMNS)].astype({"value": float})
    except (ValueError, KeyError) as error:  # also what pandas says of broken CSV
        raise UserError(
            f"{path}: damaged; expected a table of {','.join(RESULT_COLUMNS)}; delete "
            "it and run the notebooks again (make report does both)"
        ) from error


def setting_text(values: Mapping[str, object]) -> str:
    """Hyper-parameters as one text of results.csv, such as "epochs=30, loss=rmse"."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def read_settings(texts: pd.Series) -> pd.DataFrame:
    """Hyper-parameters out of texts made by `setting_text`.

    Returns:
        One row per text with the same index, one column per parameter; a column of
        numbers is numeric, any other holds strings.
    """
    rows = [dict(pair.split("=") for pair in text.split(", ")) for text in texts]
    table = pd.DataFrame(rows, index=texts.index)
    for name, column in table.items():
        numbers = pd.to_numeric(column, errors="coerce")
        table[name] = column if numbers.isna().any() else numbers
    return table


class Results:
    """The rows that one notebook contributes to its run.

    A notebook that runs again replaces its own rows and leaves the others alone.
    """

    def __init__(self, run: str, notebook: str):
        self.run, self.notebook = run, notebook
        self.rows: list[dict] = []

    def add(
        self,
        model: str,
        split: str,
        metrics: Mapping[str, float],
        *,
        prediction_type: int | str = "",
        setting: str = "",
        protocol: str = "",
        seed: int | str = "",
    ) -> None:
        """Add one row per metric.

        Args:
            model: stable name, such as "ewma" or "lstm".
            split: "train", "validation" or "test": the part that is scored.
            metrics: name → value.
            prediction_type: 1–4 for networks, empty for models without one.
            setting: what differs from the model's own settings, such as "loss=rmse"
                (see `setting_text`) or "without genres"; empty for the model itself.
            protocol: how the parts are cut, such as "rolling" or the recommenders'
                "leave_one_out_99"; empty for the one split of notebooks 01 to 06.
            seed: a seed, "mean" for the seed-averaged forecast, empty where none.
        """
        row = {
            "notebook": self.notebook,
            "model": model,
            "prediction_type": str(prediction_type),
            "setting": setting,
            "protocol": protocol,
            "split": split,
            "seed": str(seed),
        }
        for metric, value in metrics.items():
            self.rows.append(row | {"metric": metric, "value": float(value)})

    def save(self) -> pd.DataFrame:
        """Write the rows and return them."""
        mine = pd.DataFrame(self.rows, columns=RESULT_COLUMNS)
        path = results_path(self.run)
        with locked(path.parent):  # another notebook may be about to write its own
            others = read_results(self.run)
            others = others[others["notebook"] != self.notebook]
            parts = [part for part in (others, mine) if len(part)]
            rows = pd.concat(parts).sort_values("notebook", kind="stable")
            write_text(path, rows.to_csv(index=False, na_rep="nan"))
        return mine
