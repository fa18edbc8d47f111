"""All forecasters of a run side by side: what notebook 06 shows."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd
import polars as pl

from lib.data.arrays import scratch
from lib.data.slots import end_of_slots
from lib.errors import UserError
from lib.evaluation.caches import REACTIVE, best_half_life, reactive_hit_ratio
from lib.evaluation.calibration import coverage_curve, fit_dispersion, pit
from lib.evaluation.cold_start import split_entropy
from lib.evaluation.evaluate import (
    best_simple,
    compare,
    judged_on_both,
    over_seeds,
    scores_by_split,
)
from lib.evaluation.forecast_caches import (
    best_correction,
    hybrid_hit_ratio,
    oracle_hit_ratio,
)
from lib.evaluation.metrics import (
    floor_gap_closed,
    hit_ratio_at_k_per_slot,
    mse_basket_floor,
)
from lib.experiments.task import Task, load_forecasts, mean_shares
from lib.figures.style import NETWORKS
from lib.forecast.baselines import NAIVE
from lib.forecast.combination import (
    COMPANIONS,
    Combination,
    combine,
    companions,
    pooled,
)
from lib.forecast.features import Features
from lib.progress import every
from lib.schema import MOVIE, TIMESTAMP, USER

MEASURES = ("cross_entropy", "rmse", "ndcg_at_10", "hit_ratio_at_50")
POOLED = (*NETWORKS, *COMPANIONS)
FOR_RMSE = "lightgbm_rmse"  # the trees on lags that are tuned for the RMSE
TUNED_FOR = ("cross_entropy", "rmse")
LEVELS = np.linspace(0.05, 0.95, 19)
CACHE_WORK = 2.5e9  # requests × movies that caches are run through; of more, a part
ENOUGH_CELLS = 500  # to judge intervals by


def other_forecasts(task: Task) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The opponents that learn, with the networks' information or their own.

    Returns:
        Model → forecast: `linear`, `lightgbm_residual` and `lightgbm` (tuned for
        cross-entropy), and `start`, the networks' starting point: the tuned EWMA with a
        share for new movies by release age. Then LightGBM tuned for the RMSE.
    """
    found = companions(task.grid, task.features, task.split, TUNED_FOR)
    forecasts = {name: fitted.forecast for name, fitted in found.items()}
    for_rmse = forecasts.pop(FOR_RMSE)
    return forecasts | {"start": start_shares(task.features)}, for_rmse


def start_shares(data: Features, since: int = 0) -> np.ndarray:
    """Shares (T, M) that the networks start from; rows before `since` are zero."""
    start = scratch(data.log_ewma.shape)
    for t in range(since, len(start)):
        row = np.exp(data.log_ewma[t], dtype=float)
        start[t] = row / row.sum()
    return start


def pool(task: Task, forecasts: Mapping[str, np.ndarray]) -> Combination:
    """The default forecast, `best`: networks, linear softmax and trees pooled."""
    return combine(
        {name: forecasts[name] for name in POOLED}, task.grid.counts, task.split
    )


def all_tables(
    task: Task, forecasts: Mapping[str, np.ndarray], boosted_rmse: np.ndarray
) -> dict[str, pd.DataFrame]:
    """Per-slot table of every model; simple forecasts and LightGBM at their best.

    Baselines and LightGBM on lags are tuned twice on the validation slots, for
    cross-entropy and for the RMSE, and meet each measure with the fitting choice.
    """
    tables = task.naive | {
        name: task.table(forecasts[name])
        for name in every(list(forecasts), "measures", "models")
    }
    tables["lightgbm"] = judged_on_both(tables["lightgbm"], task.table(boosted_rmse))
    return tables


def seed_tables(
    task: Task, forecasts: Mapping[str, np.ndarray], best: Combination
) -> dict[str, list[pd.DataFrame]]:
    """Per-slot tables of single seeds, of every model that has a seed.

    A seed's `ensemble` and `best` are made of that seed's networks. Where networks were
    trained with one seed only, the three networks stand for three seeds of each.
    """
    kept: dict[str, dict[str, np.ndarray]] = {}
    for (model, kind, seed), forecast in load_forecasts(task.folder).items():
        if kind == 3 and seed != "mean":
            kept.setdefault(model, {})[seed] = forecast
    seeds = set.intersection(*(set(kept[model]) for model in NETWORKS))
    if len(seeds) < 2:
        draws = [dict.fromkeys(NETWORKS, forecasts[one]) for one in NETWORKS]
        alone = dict.fromkeys(kept, [forecasts[one] for one in NETWORKS])
    else:
        draws = [{model: kept[model][seed] for model in NETWORKS} for seed in seeds]
        alone = {model: list(found.values()) for model, found in kept.items()}
    tables = {
        model: [
            task.table(forecast)
            for forecast in every(found, f"measures of {model}", "seeds")
        ]
        for model, found in alone.items()
        if len(found) > 1
    }
    tables["ensemble"] = [
        task.table(mean_shares(list(draw.values()), dtype=np.float32)) for draw in draws
    ]
    tables["best"] = [
        task.table(pooled(best.pool, best.weights, {**forecasts, **draw}))
        for draw in draws
    ]
    return tables


def every_pair(
    tables: Mapping[str, pd.DataFrame],
    seeds: Mapping[str, list[pd.DataFrame]],
    part: str | None = "test",
) -> pd.DataFrame:
    """Every model against every other in four measures, see `evaluate.compare`.

    Returns:
        Index model, opponent, metric; columns difference, low, high, slots, verdict.
    """

    def of(table):
        return table if part is None else table[table["split"] == part]

    test = {model: of(table) for model, table in tables.items()}
    single = {model: [of(t) for t in found] for model, found in seeds.items()}
    rows: dict[Hashable, pd.DataFrame] = {}
    for one in test:
        for two in test:
            if one != two:
                more = (single.get(one, ()), single.get(two, ()))
                rows[one, two] = compare(test[one], test[two], MEASURES, *more)
    return pd.concat(rows, names=["model", "opponent", "metric"])


def tally(pairs: pd.DataFrame) -> pd.DataFrame:
    """How many opponents each model is better than, even with, worse than, as text."""
    counted = pairs.groupby(["model", "metric"])["verdict"].value_counts()
    counted = pd.DataFrame(counted.unstack(fill_value=0)).reindex(
        columns=["better", "even", "worse"], fill_value=0
    )
    text = counted.astype(str).agg(" / ".join, axis=1).unstack()
    first = counted["better"] - counted["worse"]
    return text[list(MEASURES)].loc[
        first.groupby("model").sum().sort_values().index[::-1]
    ]


def gains(
    task: Task, forecasts: Mapping[str, np.ndarray], reference: str
) -> pd.DataFrame:
    """Nats per request saved on a reference over the test slots, in three parts.

    Returns:
        One row per model, columns of `cold_start.split_entropy` and their sum, `total`.
    """
    counts, slots = task.grid.counts, task.split.test
    base = split_entropy(counts, forecasts[reference], slots)
    rows = {
        model: (base - split_entropy(counts, q, slots)).mean()
        for model, q in forecasts.items()
        if model != reference
    }
    table = pd.DataFrame(rows).T
    return table.assign(total=table.sum(axis=1)).sort_values("total", ascending=False)


def network_forecasts(task: Task) -> dict[str, np.ndarray]:
    """Seed-averaged forecasts by model, type 3, and their common mean, `ensemble`.

    Raises:
        UserError: notebooks 03 to 05 have not run.
    """
    kept = load_forecasts(task.folder)
    means = {
        model: forecast
        for (model, kind, seed), forecast in kept.items()
        if kind == 3 and seed == "mean"
    }
    if missing := [model for model in NETWORKS if model not in means]:
        raise UserError(
            f"data/processed/{task.folder.name}: no forecast of {', '.join(missing)}: "
            "first run 03_lstm, 04_gru and 05_conv1d_lstm with this DATASET and SLOT."
        )
    parts = [means[model] for model in NETWORKS]
    return means | {"ensemble": mean_shares(parts, dtype=np.float32)}


def seed_spread(task: Task) -> pd.DataFrame:
    """Mean and standard deviation over seeds of every network's test scores."""
    seeds: dict[str, list] = {}
    for (model, kind, seed), forecast in load_forecasts(task.folder).items():
        if kind == 3 and seed != "mean":
            seeds.setdefault(model, []).append(task.scores(forecast, "test"))
    return pd.concat({model: over_seeds(rows) for model, rows in seeds.items()})


def all_scores(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Scores of every model, with the fraction of the gap to the floor it closes.

    Args:
        tables: model → per-slot table with a `split` column.

    Returns:
        part of the split → one row per model, best cross-entropy first.
    """
    reference = best_simple({m: tables[m] for m in NAIVE})
    parts: dict[str, dict] = {}
    for model, table in tables.items():
        for part, scores in scores_by_split(table).items():
            scores["floor_gap_closed"] = floor_gap_closed(
                scores["rmse"], reference[part][1], scores["rmse_floor"]
            )
            parts.setdefault(part, {})[model] = scores
    return {
        part: pd.DataFrame.from_dict(rows, orient="index").sort_values("cross_entropy")
        for part, rows in parts.items()
    }


def caches(
    task: Task, forecasts: Mapping[str, np.ndarray], capacities: Sequence[int]
) -> pd.DataFrame:
    """Cache hit ratio over the test slots by capacity, beside caches that react.

    Half-life and correction are chosen on the validation slots. Of a long log, caches
    that react see the requests around the ends of slots, see `_around_slot_ends`.

    Args:
        task: the run.
        forecasts: model → forecast, `best` among them; the cache holds the K movies of
            largest share.
        capacities: numbers of movies K.

    Returns:
        Index capacity, one column per model and policy; `hybrid` is `best` corrected
        within the slot by what is requested.
    """
    grid, slots = task.grid, np.asarray(task.split.test)
    slots = slots[grid.counts[slots].sum(axis=1) > 0]
    log, early = _around_slot_ends(task, *_requests(task)), task.split.validation
    rows = {}
    for k in every(capacities, "caches", "capacities"):
        rows[k] = {
            model: hit_ratio_at_k_per_slot(grid.counts[slots], q[slots], k).mean()
            for model, q in forecasts.items()
        }
        chosen = best_correction(forecasts["best"], *log, early, k)
        hits = hybrid_hit_ratio(forecasts["best"], *log, slots, k, chosen)
        rows[k]["hybrid"] = np.nanmean(hits)
        for policy in REACTIVE:
            more = {}
            if policy == "lfu_decayed":
                more = {"half_life": best_half_life(*log, early, k)}
            hits = reactive_hit_ratio(policy, *log, slots, k, **more)
            rows[k][policy] = np.nanmean(hits)
        rows[k]["oracle"] = np.nanmean(oracle_hit_ratio(grid.counts, slots, k))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("capacity")


def _around_slot_ends(
    task: Task, movies: np.ndarray, slots: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of a long log, as many requests at the beginning of a slot as at its end.

    Caches are run through them one by one, and the hybrid is filled anew every 20. What
    is left out lies inside of slots, so a cache comes to the beginning of a slot from
    the requests right before it. Slots before validation only warm a cache: of a long
    log they are left out, but for the last one.
    """
    most = int(CACHE_WORK / len(task.grid.movies))
    if len(movies) <= most:
        return movies, slots
    first = task.split.validation.start - 1
    share = max(most // (2 * (len(task.grid.slots) - first)), 1)
    begin = np.searchsorted(slots, slots)
    end = np.searchsorted(slots, slots, side="right")
    place = np.arange(len(slots))
    kept = (slots >= first) & ((place - begin < share) | (end - place <= share))
    return movies[kept], slots[kept]


def basket_floor(task: Task) -> float:
    """RMSE that other users of the same kind would leave, over the test slots.

    See `lib.evaluation.metrics.mse_basket_floor`.
    """
    since = task.split.test.start
    log = _log(task, USER, since)
    users = log.sort(TIMESTAMP, maintain_order=True)[USER].to_numpy()
    movies, slots = _requests(task, since)
    values = []
    for slot in every(task.split.test, "other users of the same kind"):
        first, last = np.searchsorted(slots, [slot, slot + 1])
        part = slice(first, last)
        number = task.grid.counts.shape[1]
        values.append(mse_basket_floor(users[part], movies[part], number))
    return float(np.sqrt(np.nanmean(values)))


def _log(task: Task, column: str, since: int) -> pl.DataFrame:
    """A column of the log and its times, in the log's order, from a slot on.

    What comes after the last complete slot is left out, as it is in the grid.
    """
    log = pl.scan_parquet(task.folder / "requests.parquet").select(column, TIMESTAMP)
    slots = task.grid.slots
    end = end_of_slots(slots[0], task.grid.meta["slot"], len(slots))
    inside = pl.col(TIMESTAMP).is_between(
        int(slots[since].timestamp()), int(end.timestamp()), closed="left"
    )
    return log.filter(inside).collect(engine="streaming")


def _requests(task: Task, since: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Movie and slot index of every request from a slot on, in the order of time."""
    log = _log(task, MOVIE, since).sort(TIMESTAMP, maintain_order=True)
    movies = np.searchsorted(task.grid.movies[MOVIE].to_numpy(), log[MOVIE].to_numpy())
    times = log[TIMESTAMP].to_numpy().astype("datetime64[s]")
    starts = task.grid.slots.to_numpy()
    return movies, np.searchsorted(starts, times, side="right") - 1


def calibration(
    task: Task, forecast: np.ndarray
) -> tuple[float, pd.DataFrame, np.ndarray]:
    """How often the intervals around a forecast hold the true number of requests.

    The dispersion of the negative binomial is fitted on the validation slots; cells
    with at least one request expected are looked at, or the 500 with most where traffic
    is so low that these are fewer.

    Returns:
        The dispersion, a table (level, multinomial, negative_binomial) and the PIT
        values of the negative binomial, which should be uniform.
    """
    counts, split = task.grid.counts, task.split
    rows = np.asarray(split.validation)
    dispersion = fit_dispersion(counts[rows], forecast[rows])
    rows = np.asarray(split.test)
    truth, q = counts[rows], forecast[rows]
    expected = truth.sum(axis=1, keepdims=True) * q
    few = min(ENOUGH_CELLS, expected.size)
    looked_at = expected >= min(1.0, np.partition(expected, -few, axis=None)[-few])
    curves = {"level": LEVELS}
    values = {}
    for name, phi in (("multinomial", None), ("negative_binomial", dispersion)):
        values[name] = pit(truth, q, phi)[looked_at]
        curves[name] = coverage_curve(values[name], LEVELS)
    return dispersion, pd.DataFrame(curves), values["negative_binomial"]
