"""One evaluation for every forecaster: naive, network or peer.

A forecaster is either a finished array of forecasts or a function that makes one:
counts (T, M), split → predicted shares (T, M), row t from rows before t. What it fits
or chooses must come from slots before `split.test`; `check_no_leak` finds out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.evaluation.bootstrap import paired_difference
from lib.evaluation.cold_start import cold_start
from lib.evaluation.metrics import (
    HIGHER_IS_BETTER,
    METRICS,
    mse_per_slot,
    per_slot_scores,
    summarise,
)
from lib.evaluation.splits import Split

Forecaster = np.ndarray | Callable[[np.ndarray, Split], np.ndarray]
SHARE_ERRORS = ["mse", "rmse", "mae"]  # columns judged on the RMSE-tuned variant


@dataclass(frozen=True)
class Evaluation:
    """Everything measured of one forecaster on one split.

    Attributes:
        per_slot: one row per slot with requests: `split`, then the columns of
            `lib.evaluation.metrics.per_slot_scores`.
        scores: split name → metric → value.
        cold_start: see `lib.evaluation.cold_start.cold_start`, over the test slots.
    """

    per_slot: pd.DataFrame
    scores: dict[str, dict[str, float]]
    cold_start: pd.DataFrame


def run_forecaster(
    forecaster: Forecaster, counts: np.ndarray, split: Split
) -> np.ndarray:
    """The forecasts for all slots up to the last test slot.

    A function is handed those slots and no later one.

    Returns:
        (split.test.stop, M) predicted shares.
    """
    if isinstance(forecaster, np.ndarray):
        return split.seen(forecaster)
    return split.seen(np.asarray(forecaster(split.seen(counts), split)))


def evaluate(forecaster: Forecaster, counts: np.ndarray, split: Split) -> Evaluation:
    """Score a forecaster on the training, validation and test slots.

    The first slot is left out of the training scores: nothing is known before it.

    Args:
        forecaster: array or function, see the module.
        counts: (T, M) requests.
        split: the cut-offs.

    Raises:
        ValueError: the forecast is not (T, M) or a row is not shares.
    """
    forecast, counts = run_forecaster(forecaster, counts, split), split.seen(counts)
    tables = {
        part: per_slot_scores(counts, forecast, range(max(slots.start, 1), slots.stop))
        for part, slots in split.parts.items()
    }
    return Evaluation(
        stack(tables, "split"),
        {part: summarise(table) for part, table in tables.items()},
        cold_start(counts, forecast, split.train.stop, split.test),
    )


def judged_on_both(
    by_cross_entropy: pd.DataFrame, by_rmse: pd.DataFrame
) -> pd.DataFrame:
    """One per-slot table of an opponent that was tuned twice.

    Smoothing that is best for cross-entropy is seldom best for the RMSE. The errors of
    the share come from the variant tuned for the RMSE, everything else from the one
    tuned for cross-entropy, so that the opponent meets every measure at its best.
    """
    table = by_cross_entropy.copy()
    table[SHARE_ERRORS] = by_rmse[SHARE_ERRORS].to_numpy()
    return table


def best_simple(tables: Mapping[str, pd.DataFrame]) -> dict[str, tuple[str, float]]:
    """The baseline of least RMSE in each part: the reference of `floor_gap_closed`.

    Args:
        tables: name → per-slot table with a `split` column (`evaluate_naive`).

    Returns:
        Split name → (baseline, its RMSE). It is picked by the very slots it is
        measured on, which favours the baselines, not what is compared with them.
    """
    rmse = pd.DataFrame(
        {name: t.groupby("split")["mse"].mean() ** 0.5 for name, t in tables.items()}
    )
    best = zip(rmse.index, rmse.idxmin(axis=1), rmse.min(axis=1), strict=True)
    return {part: (name, float(value)) for part, name, value in best}


def scores_by_split(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Split name → metric → value of a per-slot table with a `split` column."""
    return {str(part): summarise(rows) for part, rows in table.groupby("split")}


def compare(
    ours: pd.DataFrame,
    theirs: pd.DataFrame,
    metrics: Sequence[str] = METRICS,
    our_seeds: Sequence[pd.DataFrame] = (),
    their_seeds: Sequence[pd.DataFrame] = (),
) -> pd.DataFrame:
    """Paired comparison of two forecasters over the slots that both tables hold.

    Args:
        ours, theirs: per-slot tables; only slots in both are compared.
        metrics: columns to compare; `rmse` is compared as its square, `mse`, whose
            mean over slots the RMSE is the root of.
        our_seeds, their_seeds: per-slot tables of the single networks, one for each
            seed, whose mean forecast is compared; see
            `lib.evaluation.bootstrap.paired_difference`.

    Returns:
        One row per metric: `difference` (ours − theirs), `low`, `high` (95 %), `slots`,
        and `verdict`: better, worse, or even when the interval holds zero.
    """
    slots = np.intersect1d(ours["slot"], theirs["slot"])
    rows = {}
    for metric in metrics:
        column = "mse" if metric == "rmse" else metric

        def values(table, column=column):
            return table.set_index("slot")[column].loc[slots].to_numpy()

        seeds = [
            np.array([values(table) for table in tables]) if len(tables) > 1 else None
            for tables in (our_seeds, their_seeds)
        ]
        pair = values(ours), values(theirs)
        result = paired_difference(*pair, a_seeds=seeds[0], b_seeds=seeds[1])
        up, down = (
            ("better", "worse") if metric in HIGHER_IS_BETTER else ("worse", "better")
        )
        verdict = up if result.low > 0 else down if result.high < 0 else "even"
        rows[metric] = [result.mean, result.low, result.high, result.n_slots, verdict]
    columns = ["difference", "low", "high", "slots", "verdict"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def over_seeds(scores: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """Mean and standard deviation of each metric over seeds.

    Returns:
        Index metric; columns `mean`, `sd` (n − 1 in the denominator, NaN for one
        seed) and `seeds`.
    """
    table = pd.DataFrame(scores)
    return pd.DataFrame(
        {"mean": table.mean(), "sd": table.std(ddof=1), "seeds": len(table)}
    )


def check_no_leak(
    forecaster: Callable[[np.ndarray, Split], np.ndarray],
    counts: np.ndarray,
    split: Split,
    rng: int | np.random.Generator = 0,
    catalogue: bool = True,
) -> None:
    """Raise if a forecast knows something that only later slots tell.

    The forecaster is run again on other counts:

    - all slots from the first test slot on replaced by noise, then the second half of
      the test slots: forecasts up to and including the first replaced slot must not
      change, and those after it must, or the forecaster ignores what it is given;
    - movies in another order: what is forecast from these must not be closer to the
      counts that it was *not* given, as that of an oracle kept from elsewhere is;
    - movies left out that only the test slots request: the shares of the others must
      not change before, but for a part spread evenly over all movies.

    Args:
        forecaster: counts, split → forecasts.
        counts: (T, M) requests.
        split: the cut-offs.
        rng: seed or generator of the noise.
        catalogue: False leaves the last one out, for trees that draw rows of the
            table at random: they change with any change of its size.

    Raises:
        ValueError: names the first forecast row that knew the future, or what else
            the forecast was made from.
    """
    generator = np.random.default_rng(rng)
    truth = run_forecaster(forecaster, counts, split)
    for first in (split.test.start, (split.test.start + split.test.stop) // 2):
        changed = counts.copy()
        noise = generator.poisson(3.0, size=changed[first:].shape)
        changed[first:] = noise.astype(counts.dtype)
        other = run_forecaster(forecaster, changed, split)
        _check_same(truth, other, first, f"slots from {first} on")
        after = slice(first + 1, split.test.stop)
        if truth[after].size and np.allclose(truth[after], other[after], atol=1e-12):
            raise ValueError(
                f"the forecasts after slot {first} do not change with its counts: the "
                "forecaster ignores the counts it is given"
            )
    _check_order(forecaster, counts, split, generator)
    known = np.asarray(split.before_test(counts).any(axis=0))
    if catalogue and 2 < known.sum() < len(known):
        other = run_forecaster(forecaster, counts[:, known], split)
        among = np.array(
            [_spread(*rows) for rows in zip(truth[:, known], other, strict=True)]
        )
        what = "movies that only later slots request"
        _check_same(among, other, split.test.start, what)


def _check_order(forecaster, counts, split, generator) -> None:
    """Raise if a forecast from mixed-up movies is closer to the true ones."""
    order = generator.permutation(counts.shape[1])
    forecast = run_forecaster(forecaster, counts[:, order], split)[split.test]
    busy = counts[split.test].any(axis=1)
    given, true = (
        mse_per_slot(c[split.test][busy], forecast[busy])
        for c in (counts[:, order], counts)
    )
    if busy.sum() > 1 and paired_difference(given, true, level=0.99).low > 0:
        raise ValueError(
            "the forecast is closer to the true counts than to those it was given: it "
            "is made from something else, which knows the future"
        )


def _spread(whole: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The multiple of `whole`, plus a constant, that is closest to `part`."""
    columns = np.column_stack([whole, np.ones_like(whole)])
    return columns @ np.linalg.lstsq(columns, part, rcond=None)[0]


def _check_same(one: np.ndarray, two: np.ndarray, last: int, what: str) -> None:
    """Raise unless two forecasts agree up to and including slot `last`."""
    differs = np.abs(one - two)[: last + 1].max(axis=1) > 1e-9
    if differs.any():
        raise ValueError(
            f"the forecast of slot {int(differs.argmax())} depends on {what}: it knows "
            "the future"
        )


def stack(tables: Mapping, key: str) -> pd.DataFrame:
    """Tables under each other with their keys in a first column."""
    parts = [table.assign(**{key: value}) for value, table in tables.items()]
    stacked = pd.concat(parts, ignore_index=True)
    return stacked[[key, *(c for c in stacked.columns if c != key)]]
