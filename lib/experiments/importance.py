"""How much a forecast of the next slot needs each feature."""

import lightgbm as lgb
import numpy as np
import pandas as pd

from lib.data.grid import Grid
from lib.evaluation.splits import Split
from lib.forecast.features import Features

LIMIT = 200_000  # rows of each part, drawn at random where there are more


def permutation_importance(grid: Grid, data: Features, split: Split) -> pd.DataFrame:
    """Rise of the Poisson deviance when one feature is shuffled (Breiman, 2001).

    A boosted-tree model of the counts learns from training slots; the features of the
    validation slots are shuffled one by one. Movies not requested yet are left out.

    Args:
        grid: the grid.
        data: features of the grid; row t is known at the end of slot t.
        split: training and validation slots.

    Returns:
        One row per feature, most important first: `rise_percent`, the rise of the mean
        deviance in percent.
    """
    rng = np.random.default_rng(0)

    def known(slots) -> tuple[np.ndarray, np.ndarray]:
        slot, movie = grid.known_cells(slots, LIMIT, rng)
        return data.cells(slot - 1, movie), grid.counts[slot, movie]

    model = lgb.LGBMRegressor(
        objective="poisson",
        n_estimators=80,
        num_leaves=15,
        learning_rate=0.1,
        random_state=0,
        n_jobs=2,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    )
    model.fit(*known(split.train[1:]))
    x, y = known(split.validation)
    base = _deviance(y, model.predict(x))
    rises = []
    for column in range(x.shape[1]):
        shuffled = x.copy()
        shuffled[:, column] = rng.permutation(shuffled[:, column])
        rises.append(100 * (_deviance(y, model.predict(shuffled)) / base - 1))
    table = pd.DataFrame({"rise_percent": rises}, index=list(data.names))
    return table.rename_axis("feature").sort_values("rise_percent", ascending=False)


def _deviance(y, rate):
    """Mean Poisson deviance, 2 mean(y ln(y/λ) − y + λ)."""
    rate = np.maximum(rate, 1e-9)
    ratio = np.where(y > 0, y / rate, 1.0)
    return 2 * np.mean(y * np.log(ratio) - y + rate)
