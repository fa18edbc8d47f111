"""Measures of a popularity forecast, each with formula, range and direction.

Notation: c(i,t) requests of movie i in slot t, N_t = Σ_i c(i,t), shares
s(i,t) = c(i,t) / N_t, forecast q(i,t) ≥ 0 with Σ_i q(i,t) = 1, M movies.

Every measure exists per slot, which a paired bootstrap needs, and as one number. Slots
without a request have no shares and are left out of both. Rankings are stable: of two
movies with the same value the one with the lower index comes first.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

# Names in results.csv, in the order of the tables
METRICS = ("cross_entropy", "rmse", "mae", "accuracy", "accuracy_top_decile")
METRICS += ("precision_at_10", "ndcg_at_10", "hit_ratio_at_50")
HIGHER_IS_BETTER = frozenset(METRICS[3:]) | {"floor_gap_closed"}
# What a measure is multiplied by where it is told, and its unit then
SCALES = {"cross_entropy": (1, "nats"), "rmse": (1e3, "·10⁻³")}
RANK_K = 10
CACHE_K = 50
BLOCK = 4_000_000  # cells that are scored at once


def shares(counts: np.ndarray) -> np.ndarray:
    """Share of its slot's requests for every cell; zero in a slot without requests.

    Args:
        counts: (slots, movies) numbers of requests.

    Returns:
        (slots, movies) float64, rows summing to 1 (or 0).
    """
    totals = counts.sum(axis=1, keepdims=True, dtype=float)
    return counts / np.maximum(totals, 1)


def top_k(values: np.ndarray, k: int) -> np.ndarray:
    """Indices of the k largest values of each row, largest first, ties by index.

    Returns:
        (rows, min(k, columns)) integers.
    """
    k = min(k, values.shape[1])
    if not k:
        return np.empty((len(values), 0), int)
    least = np.partition(values, -k, axis=1)[:, -k]  # sorting all takes far longer
    best = np.empty((len(values), k), int)
    for row, (of, bound) in enumerate(zip(values, least, strict=True)):
        among = np.flatnonzero(of >= bound)
        best[row] = among[np.argsort(-of[among], kind="stable")[:k]]
    return best


def cross_entropy_per_slot(counts: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Cross-entropy per request: −Σ_i s(i,t) ln q(i,t), in nats, ≥ 0, lower is better.

    It is the mean negative log-likelihood of the slot's requests and a strictly proper
    score: its expectation is least at the true shares (Gneiting and Raftery 2007).
    Infinite when a movie was requested that the forecast gave no chance.

    Args:
        counts: (slots, movies) requests.
        forecast: (slots, movies) predicted shares.

    Returns:
        (slots,) float64.
    """
    slot, movie = np.nonzero(counts)
    with np.errstate(divide="ignore"):
        nats = -shares(counts)[slot, movie] * np.log(forecast[slot, movie])
    return np.bincount(slot, weights=nats, minlength=len(counts))


def mse_per_slot(counts: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Mean squared error of the share: mean over i of (s − q)², ≥ 0, lower is better.

    The RMSE of several slots is the root of the mean of these: sqrt(mean (s − q)²)
    over all their cells.
    """
    return ((shares(counts) - forecast) ** 2).mean(axis=1)


def mae_per_slot(counts: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Mean absolute error of the share: mean over i of |s − q|, ≥ 0, lower is better.

    The conditional median minimises it, which is 0 for most movies in a short slot:
    read it beside the RMSE, not instead.
    """
    return np.abs(shares(counts) - forecast).mean(axis=1)


def expected_traffic(
    counts: np.ndarray, slots: Sequence[int] | np.ndarray | None = None
) -> np.ndarray:
    """N̂_t: the requests in the latest slot before t that had any, 0 where none had.

    Args:
        counts: (T, movies) requests of all slots from the first on.
        slots: the slots t to answer for, None for all.

    Returns:
        (slots,) float64.
    """
    found = []
    for t in range(len(counts)) if slots is None else slots:
        before = t - 1
        while before >= 0 and not counts[before].any():
            before -= 1
        found.append(counts[before].sum(dtype=float) if before >= 0 else 0.0)
    return np.array(found)


def accuracy_per_slot(
    counts: np.ndarray, forecast: np.ndarray, traffic: np.ndarray
) -> np.ndarray:
    """Accuracy of "requested or not": fraction of movies called rightly, in [0, 1].

    With N̂_t requests that go to movie i with probability q each, i is requested at
    least once with probability 1 − (1 − q)^N̂_t. The forecast says "requested" when
    that is above one half. Higher is better.

    Args:
        counts: (slots, movies) requests.
        forecast: (slots, movies) predicted shares.
        traffic: (slots,) N̂_t, known before the slot: see `expected_traffic`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        log_none = np.where(traffic[:, None] > 0, np.log1p(-forecast), 0.0)
        predicted = traffic[:, None] * log_none < np.log(0.5)
    return (predicted == (counts > 0)).mean(axis=1)


def _among_top(counts: np.ndarray, k: int) -> np.ndarray:
    """Whether each movie was requested at least as often as the k-th and at all.

    All movies tied with the k-th count as among the top: no order is invented between
    movies that were requested equally often.
    """
    k = min(k, counts.shape[1])
    kth = -np.partition(-counts, k - 1, axis=1)[:, k - 1 : k]
    return (counts > 0) & (counts >= kth)


def accuracy_top_decile_per_slot(
    counts: np.ndarray, forecast: np.ndarray
) -> np.ndarray:
    """Accuracy of "in the slot's top decile": fraction called rightly, in [0, 1].

    The decile has k = ceil(M / 10) places. A movie is in it when it was requested at
    least as often as the k-th movie and at least once (ties with the k-th included);
    the forecast names exactly the k movies of highest q. Higher is better.
    """
    k = -(-counts.shape[1] // 10)
    predicted = np.zeros(counts.shape, dtype=bool)
    np.put_along_axis(predicted, top_k(forecast, k), True, axis=1)
    return (predicted == _among_top(counts, k)).mean(axis=1)


def precision_at_k_per_slot(
    counts: np.ndarray, forecast: np.ndarray, k: int = RANK_K
) -> np.ndarray:
    """Precision@K: fraction of the predicted top K that is truly there, in [0, 1].

    Truly there are the movies requested at least as often as the K-th and at least
    once, ties included. Higher is better; a slot with fewer than K requested movies
    cannot reach 1. (Manning, Raghavan and Schütze 2008, section 8.4.)
    """
    best = top_k(forecast, k)
    return np.take_along_axis(_among_top(counts, k), best, axis=1).mean(axis=1)


def ndcg_at_k_per_slot(
    counts: np.ndarray, forecast: np.ndarray, k: int = RANK_K
) -> np.ndarray:
    """NDCG@K with the share as gain: DCG / ideal DCG, in [0, 1], higher is better.

    DCG = Σ_{r=1..K} s(movie at predicted rank r) / log2(r + 1); the ideal sorts by s.
    Ties in s leave the ideal as it is; ties in q go by movie index. (Järvelin and
    Kekäläinen 2002.) NaN in a slot without requests.
    """
    gains = np.take_along_axis(counts, top_k(forecast, k), axis=1)
    ideal = np.take_along_axis(counts, top_k(counts, k), axis=1)
    discount = 1 / np.log2(np.arange(2, gains.shape[1] + 2))
    with np.errstate(invalid="ignore"):
        return (gains @ discount) / (ideal @ discount)


def hit_ratio_at_k_per_slot(
    counts: np.ndarray, forecast: np.ndarray, k: int = CACHE_K
) -> np.ndarray:
    """Cache hit ratio: share of the slot's requests for the predicted top K.

    Σ of s(i,t) over the K movies of highest q: the hits of a cache of K movies that is
    filled before the slot and left alone in it. In [0, 1], higher is better.
    """
    return np.take_along_axis(shares(counts), top_k(forecast, k), axis=1).sum(axis=1)


def mse_floor_per_slot(counts: np.ndarray) -> np.ndarray:
    """Squared error that even the true probabilities leave: mean of s(1−s)/(N_t−1).

    With c ~ Multinomial(N_t, p), s(1 − s) / (N_t − 1) is an unbiased estimate of the
    variance of s around p. NaN in slots with fewer than two requests. The root of its
    mean is the noise floor of the RMSE; a lucky forecast can lie slightly below it.
    """
    totals = counts.sum(axis=1, dtype=float)
    s = shares(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = (s * (1 - s)).mean(axis=1) / (totals - 1)
    return np.where(totals > 1, floor, np.nan)


def mse_basket_floor(users: np.ndarray, movies: np.ndarray, n_movies: int) -> float:
    """Squared error of a slot's shares if other users of the same kind had come.

    Whole users are resampled with all they requested. With b(u,i) ∈ {0, 1} the requests
    of user u, n_u = Σ_i b(u,i) and N = Σ_u n_u, the share s_i = Σ_u b(u,i) / N has in
    first order the variance U / (U − 1) · Σ_u (b(u,i) − s_i n_u)² / N². Users who never
    repeat a movie make counts vary less than independent requests do, large baskets
    make them vary more.

    Args:
        users, movies: (requests,) who requested what in one slot.
        n_movies: movies are numbered below it.

    Returns:
        Mean over all movies, NaN with fewer than two users.
    """
    number, user = np.unique(users, return_inverse=True)
    total, size = len(movies), np.bincount(user)
    if len(number) < 2:
        return float("nan")
    counts = np.bincount(movies, minlength=n_movies)
    with_size = np.bincount(movies, weights=size[user], minlength=n_movies)
    s = counts / total
    squares = counts - 2 * s * with_size + s**2 * np.square(size, dtype=float).sum()
    scale = len(number) / (len(number) - 1) / total**2
    return float(squares.mean() * scale)


def floor_gap_closed(rmse: float, best_simple_rmse: float, floor: float) -> float:
    """Fraction of the gap from the best simple baseline down to the floor.

    (best − rmse) / (best − floor): 0 is the best simple baseline, 1 the noise floor,
    negative is worse than the baseline. NaN where the baseline is already at or below
    the floor, since there is no gap.
    """
    gap = best_simple_rmse - floor
    return (best_simple_rmse - rmse) / gap if gap > 0 else float("nan")


def check_forecast(counts: np.ndarray, forecast: np.ndarray) -> None:
    """Raise unless a forecast has the shape of the counts and rows that are shares.

    Raises:
        ValueError: wrong shape, negative or non-finite values, or rows that do not
            sum to 1 (within 1e-6); names the first such row.
    """
    if forecast.shape != counts.shape:
        raise ValueError(
            f"the forecast has shape {forecast.shape}, the counts {counts.shape}"
        )
    bad = ~(
        np.isclose(forecast.sum(axis=1), 1, rtol=0, atol=1e-6)
        & (forecast >= 0).all(axis=1)
    )
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"row {row} of the forecast sums to {forecast[row].sum():.6g} with minimum "
            f"{forecast[row].min():.3g}; shares must be ≥ 0 and sum to 1"
        )


def per_slot_scores(
    counts: np.ndarray, forecast: np.ndarray, slots: Sequence[int] | np.ndarray
) -> pd.DataFrame:
    """All measures of each given slot that has requests.

    Args:
        counts: (T, M) requests of all slots from the first on.
        forecast: (T, M) predicted shares, row t made from rows before t.
        slots: indices of the slots to score.

    Returns:
        One row per slot with the columns `slot` (index), `requests`, `mse`,
        `mse_floor` and those of METRICS (`rmse` is the root of the slot's own `mse`).

    Raises:
        ValueError: see `check_forecast`.
    """
    parts = 1 + len(slots) * counts.shape[1] // BLOCK
    blocks = np.array_split(np.asarray(slots, dtype=int), parts)
    tables = [score_rows(counts, forecast[block], block) for block in blocks]
    return pd.concat(tables, ignore_index=True)


def score_rows(
    counts: np.ndarray, rows: np.ndarray, slots: Sequence[int] | np.ndarray
) -> pd.DataFrame:
    """As `per_slot_scores`, with the forecasts of the given slots only.

    Args:
        counts: (T, M) requests of all slots from the first on.
        rows: (slots, M) predicted shares.
        slots: indices of the slots to score.
    """
    chosen = np.asarray(slots, dtype=int)
    busy = counts[chosen].any(axis=1)
    chosen, q = chosen[busy], np.asarray(rows)[busy]
    c = np.asarray(counts[chosen])
    check_forecast(c, q)
    mse = mse_per_slot(c, q)
    columns = {
        "slot": chosen,
        "requests": c.sum(axis=1),
        "cross_entropy": cross_entropy_per_slot(c, q),
        "mse": mse,
        "mse_floor": mse_floor_per_slot(c),
        "rmse": np.sqrt(mse),
        "mae": mae_per_slot(c, q),
        "accuracy": accuracy_per_slot(c, q, expected_traffic(counts, chosen)),
        "accuracy_top_decile": accuracy_top_decile_per_slot(c, q),
        f"precision_at_{RANK_K}": precision_at_k_per_slot(c, q),
        f"ndcg_at_{RANK_K}": ndcg_at_k_per_slot(c, q),
        f"hit_ratio_at_{CACHE_K}": hit_ratio_at_k_per_slot(c, q),
    }
    return pd.DataFrame(columns)


def share_errors(counts, rows, slots) -> pd.DataFrame:
    """Only `mse`, `rmse` and `mae` of `score_rows`, in a fraction of its time."""
    chosen = np.asarray(slots, dtype=int)
    busy = counts[chosen].any(axis=1)
    c, q = np.asarray(counts[chosen[busy]]), np.asarray(rows)[busy]
    mse = mse_per_slot(c, q)
    return pd.DataFrame({"mse": mse, "rmse": np.sqrt(mse), "mae": mae_per_slot(c, q)})


def summarise(table: pd.DataFrame) -> dict[str, float]:
    """Scores over all slots of a per-slot table: METRICS and `rmse_floor`.

    Means over slots, except `rmse` and `rmse_floor`: roots of the mean of squares.
    NaN throughout for an empty table.
    """
    means = table.mean(numeric_only=True)
    result = {name: float(means[name]) for name in METRICS}
    result["rmse"] = float(np.sqrt(means["mse"]))
    result["rmse_floor"] = float(np.sqrt(means["mse_floor"]))
    return result


def score(
    counts: np.ndarray, forecast: np.ndarray, slots: Sequence[int]
) -> dict[str, float]:
    """All measures over the given slots, by their names in results.csv.

    Args:
        counts: (T, M) requests of all slots from the first on.
        forecast: (T, M) predicted shares, row t made from rows before t.
        slots: indices of the slots to score.

    Returns:
        METRICS and `rmse_floor`.
    """
    return summarise(per_slot_scores(counts, forecast, slots))


def single(
    metric: str, counts: np.ndarray, forecast: np.ndarray, slots: Sequence[int]
) -> float:
    """One of `cross_entropy`, `rmse`, `mae` over the given slots: fast, for tuning.

    Raises:
        ValueError: another metric is asked for.
    """
    per_slot = {
        "cross_entropy": cross_entropy_per_slot,
        "rmse": mse_per_slot,
        "mae": mae_per_slot,
    }
    if metric not in per_slot:
        raise ValueError(f"metric is {metric!r}, expected one of {sorted(per_slot)}")
    chosen = np.asarray(slots, dtype=int)
    chosen = chosen[counts[chosen].sum(axis=1) > 0]
    value = per_slot[metric](counts[chosen], forecast[chosen]).mean()
    return float(np.sqrt(value)) if metric == "rmse" else float(value)
