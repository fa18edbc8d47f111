"""What will be popular next: the slots after the last complete one, forecast.

The next slot is forecast by `best` (`lib.experiments.best`), later slots by a pool of
their own for each horizon: what `best` says of the next slot, beside simple forecasts
of longer memory, with the weights that did best that far ahead. The backtest does the
same on the test slots of the usual split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.grid import Grid, load_grid
from lib.errors import UserError
from lib.evaluation.calibration import coverage, fit_dispersion, predictive_interval
from lib.evaluation.metrics import per_slot_scores, summarise
from lib.evaluation.splits import Split, time_split
from lib.experiments.best import following, read_back, train, train_members
from lib.files import replacing, write_text
from lib.forecast import baselines
from lib.forecast.combination import combine
from lib.forecast.features import build_features
from lib.forecast.trainer import Settings
from lib.progress import announce
from lib.schema import MOVIE, TITLE
from lib.text import without_middle

LONGEST = 12  # slots ahead
LEVELS = {50: 0.5, 95: 0.95}
SLOW = 0.05  # of the long memory: a slot counts half after 14
ALPHAS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)  # of the traffic's smoothing
BACKTEST = ("cross_entropy", "rmse", "ndcg_at_10", "hit_ratio_at_50")


def ahead(
    best: np.ndarray, counts: np.ndarray, split: Split, horizon: int
) -> np.ndarray:
    """Forecasts of the slot `horizon` − 1 after the one that each row was made for.

    Args:
        best: (T, M) shares forecast for the next slot.
        counts: (T, M) requests.
        split: its validation slots choose the weights.
        horizon: 1 for the next slot.

    Returns:
        (T, M) shares: row t, made from slots before t, forecasts slot t + horizon − 1;
        of rows before the validation slots nothing is said.
    """
    rows = split.validation[: len(split.validation) - horizon + 1]
    if horizon == 1 or not rows:
        return best
    parts = {
        "best": best,
        "slow": baselines.forecast(
            "ewma_count_weighted", counts, alpha=SLOW, pseudo_count=0.1
        ),
        "all": baselines.forecast("cumulative_share", counts, pseudo_count=0.1),
    }
    truth = counts.copy()
    truth[rows.start : rows.stop] = counts[
        rows.start + horizon - 1 : split.validation.stop
    ]
    nearer = Split(split.train, rows, range(rows.stop, split.test.stop))
    return combine(parts, truth, nearer, rows.start).forecast


@dataclass(frozen=True)
class Traffic:
    """A forecast of the number of requests in a slot.

    Attributes:
        alpha: smoothing of the logarithm, chosen on validation slots.
        expected: (T,) requests expected in the slot `horizon` − 1 after each.
        spread: standard deviation of the logarithm's error.
    """

    alpha: float
    expected: np.ndarray
    spread: float


def traffic(counts: np.ndarray, split: Split, horizon: int = 1) -> Traffic:
    """Forecast a slot's requests by an exponential average of the logarithms.

    Args:
        counts: (T, M) requests.
        split: its validation slots choose the smoothing and tell the error.
        horizon: 1 for the next slot.
    """
    log = np.log1p(counts.sum(axis=1, dtype=float))
    rows = np.asarray(split.validation[: len(split.validation) - horizon + 1])
    rows = rows if len(rows) else np.asarray(split.validation[:1])
    target = np.minimum(rows + horizon - 1, split.validation.stop - 1)
    tried = []
    for alpha in ALPHAS:
        level = np.empty_like(log)  # row t knows slots before t
        level[0] = log[0]
        for t in range(1, len(log)):
            level[t] = (1 - alpha) * level[t - 1] + alpha * log[t - 1]
        error = float(np.sqrt(np.mean((log[target] - level[rows]) ** 2)))
        tried.append(Traffic(alpha, np.expm1(level), error))
    return min(tried, key=lambda one: one.spread)


def table_of(
    grid: Grid,
    shares: np.ndarray,
    slot: pd.Timestamp,
    expected: float,
    dispersion: float,
) -> pd.DataFrame:
    """One slot's forecast as a table, the most popular movie first.

    Args:
        grid: the complete slots.
        shares: (M,) forecast shares.
        slot: start of the slot.
        expected: requests expected in it.
        dispersion: of the negative binomial around the expected requests; that of the
            traffic is in it.

    Returns:
        Columns slot, rank, movieId, title, share, expected, low50, high50, low95,
        high95 (requests), change (requests expected minus those of the last complete
        slot) and new (whether the movie was never requested before).
    """
    columns = {
        "slot": slot,
        MOVIE: grid.movies[MOVIE],
        TITLE: grid.movies[TITLE],
        "share": shares,
        "expected": expected * shares,
    }
    for level, inside in LEVELS.items():
        ends = predictive_interval(shares[None], expected, inside, dispersion)
        columns[f"low{level}"], columns[f"high{level}"] = (end[0] for end in ends)
    columns["change"] = expected * shares - grid.counts[-1]
    columns["new"] = ~grid.counts.any(axis=0)
    table = pd.DataFrame(columns).sort_values("share", ascending=False, kind="stable")
    table.insert(1, "rank", range(1, len(table) + 1))
    return table.reset_index(drop=True)


def scatter(
    counts: np.ndarray, shares: np.ndarray, rows: range, spread: float
) -> float:
    """Dispersion of a movie's requests: that of the shares and of the traffic.

    A product of independent factors with relative variances φ and v has the relative
    variance (1 + φ)(1 + v) − 1.
    """
    slots = slice(rows.start, rows.stop)
    of_shares = fit_dispersion(counts[slots], shares[slots])
    return (1 + of_shares) * float(np.exp(spread**2)) - 1


def forecast_slots(
    grid: Grid, split: Split, best: np.ndarray, horizon: int
) -> pd.DataFrame:
    """Tables of all slots from the next one on, under each other.

    Args:
        grid: the complete slots.
        split: of `with_next_slot`.
        best: (T + 1, M) shares, the last row for the next slot.
        horizon: number of slots.
    """
    counts = np.vstack([grid.counts, np.zeros_like(grid.counts[:1])])
    tables = []
    for step, start in enumerate(following(grid, horizon), start=1):
        shares = ahead(best, counts, split, step)
        flow = traffic(counts, split, step)
        spread = scatter(counts, shares, split.validation, flow.spread)
        row = (shares[-1] / shares[-1].sum(), start, flow.expected[-1], spread)
        tables.append(table_of(grid, *row))
    return pd.concat(tables, ignore_index=True)


def backtest(
    counts: np.ndarray, split: Split, best: np.ndarray, horizon: int
) -> pd.DataFrame:
    """How well the same recipe did on the test slots, one row per horizon.

    Args:
        counts: (T, M) requests.
        split: the usual split; weights and smoothing come from its validation slots.
        best: (T, M) shares for the next slot, those of test slots made without them.
        horizon: greatest number of slots ahead.

    Returns:
        Columns horizon, slots, cross_entropy (nats per request), rmse, ndcg_at_10,
        hit_ratio_at_50, traffic_error (mean of |expected − true| / true) and the share
        of movies with a request or one expected that lie inside of the 50 % and the
        95 % interval (inside_50, inside_95).
    """
    rows = []
    known = counts.copy()
    for step in range(1, horizon + 1):
        tested = np.arange(split.test.start, split.test.stop - step + 1)
        target = tested + step - 1
        busy = counts[target].any(axis=1)
        tested, target = tested[busy], target[busy]
        if not len(tested):
            break
        shares = ahead(best, known, split, step)
        moved = np.full(best.shape, 1 / best.shape[1])
        moved[target] = shares[tested]
        scores = summarise(per_slot_scores(counts, moved, target))
        flow = traffic(counts, split, step)
        spread = scatter(counts, shares, split.validation, flow.spread)
        truth, expected = counts[target], flow.expected[tested]
        looked_at = (truth > 0) | (expected[:, None] * moved[target] >= 1)
        row = {"horizon": step, "slots": len(tested)} | {m: scores[m] for m in BACKTEST}
        total = truth.sum(axis=1)
        row["traffic_error"] = float(np.mean(np.abs(expected - total) / total))
        for level, inside in LEVELS.items():
            ends = predictive_interval(moved[target], expected, inside, spread)
            row[f"inside_{level}"] = coverage(truth, *ends, looked_at)
        rows.append(row)
    return pd.DataFrame(rows)


def run_backtest(
    grid: Grid, folder: Path, settings: Settings, seeds: Sequence[int], horizon: int
) -> pd.DataFrame:
    """`backtest` of models that know nothing of the test slots of the usual split."""
    split = time_split(len(grid.slots))
    data = build_features(grid, split, folder)
    place = folder / "training"
    members = train_members(grid, data, split, place, settings, seeds)
    return backtest(grid.counts, split, members.best.forecast, horizon)


def write_forecast(
    run: Path,
    report: Path,
    horizon: int,
    settings: Settings,
    seeds: Sequence[int],
    last: bool = False,
) -> list[str]:
    """Forecast the next slots of a run and write them to its report.

    `forecast.csv` and `forecast.parquet` hold the forecast, `forecast_backtest.csv` how
    well it did before; the latter is left as it is where the last model is used again,
    or where the slots are too few for it.

    Args:
        run: data/processed/<run>.
        report: report/<run>.
        horizon: number of slots.
        settings: of the networks, but for the cell.
        seeds: seeds of each network.
        last: use the model that was trained last, train nothing.

    Returns:
        What a reader should know, in lines.
    """
    grid = load_grid(run)
    lines = [grid.meta["left_out"]] if "left_out" in grid.meta else []
    if last:
        made = read_back(grid, run)
        lines.append(
            f"The model learnt from slots until {made.trained_until:%Y-%m-%d %H:%M}: "
            f"it is {made.age} slot(s) old."
        )
    else:
        announce("training on all complete slots …")
        made = train(grid, run, settings, seeds)
    table = forecast_slots(grid, made.split, made.best, horizon)
    past = None
    if not last:
        announce("backtest: training without the test slots …")
        try:
            past = run_backtest(grid, run, settings, seeds, horizon)
        except UserError as error:  # enough slots to forecast, too few to test it
            lines.append(f"No backtest: {error}")
        announce("")
    write_tables(report, table, past)
    return lines + _headlines(table)


def write_tables(report: Path, table: pd.DataFrame, past: pd.DataFrame | None) -> None:
    """Write a forecast and its backtest to report/<run>, each file whole or not."""
    text = table.to_csv(index=False, float_format="%.8g")
    write_text(report / "forecast.csv", text)
    with replacing(report / "forecast.parquet") as part:
        table.to_parquet(part, index=False)
    if past is not None:
        text = past.to_csv(index=False, float_format="%.6g")
        write_text(report / "forecast_backtest.csv", text)


def _headlines(table: pd.DataFrame) -> list[str]:
    """The first ten movies of the next slot, a line each."""
    first = table[table["slot"] == table["slot"].min()]
    start = first["slot"].iloc[0]
    lines = [
        f"Next slot, from {start:%Y-%m-%d %H:%M}: about {first['expected'].sum():,.0f} "
        "requests; most popular, with the 95 % interval of their requests:"
    ]
    for row in first.head(10).itertuples():
        lines.append(
            f"{row.rank:4d}  {without_middle(row.title, 50):<50}  {row.expected:8.1f}  "
            f"{row.low95:.0f} to {row.high95:.0f}"
        )
    return lines
