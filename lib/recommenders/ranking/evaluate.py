"""How well a model ranks the movie that a user watched next.

Every model offers `scores(users)`: one number per movie, higher is better. The held-out
movie is ranked against 99 unseen movies drawn at random (the custom of the literature)
and against all unseen movies (the honest measure: sampled ranks flatter, and can even
reverse the order of models; Krichene and Rendle, KDD 2020). A tie counts against us.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.evaluation.bootstrap import bootstrap_interval
from lib.progress import epoch_lines
from lib.recommenders.ranking.histories import LeaveOneOut, batches
from lib.recommenders.ranking.model import RankingModel, Scorer
from lib.schema import FULL, SAMPLED

NEGATIVES = 99
BATCH = 256  # users scored at once: bounds memory to BATCH × movies floats


@dataclass(frozen=True)
class Ranks:
    """Ranks of the held-out movies, 0 is the best.

    Attributes:
        users: (users,) codes.
        sampled: (users, seeds) ranks among 99 unseen movies, one column per draw.
        full: (users,) rank among all unseen movies.
    """

    users: np.ndarray
    sampled: np.ndarray
    full: np.ndarray


def sample_negatives(
    split: LeaveOneOut, seed: int, n: int = NEGATIVES, replace: bool = False
) -> np.ndarray:
    """Draws unseen movies for each user of the split, the held-out one never.

    Args:
        split: the split that is evaluated.
        seed: one seed, one fixed draw.
        n: movies per user.
        replace: draw with replacement, as seed 4's code does.

    Returns:
        (len(split.users), n) int64 movie codes; -1 where a user has fewer unseen ones.
    """
    rng = np.random.default_rng(seed)
    drawn = np.full((len(split.users), n), -1)
    for row, user in enumerate(split.users):
        unseen = np.ones(split.train.n_items, dtype=bool)
        unseen[split.train.of(user)] = False
        unseen[split.held_out[user]] = False
        codes = np.flatnonzero(unseen)
        size = n if replace and len(codes) else min(n, len(codes))
        drawn[row, :size] = rng.choice(codes, size, replace=replace)
    return drawn


def evaluate(
    model: Scorer,
    split: LeaveOneOut,
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    negatives: np.ndarray | None = None,
) -> Ranks:
    """Ranks each held-out movie among sampled and among all unseen movies.

    Args:
        model: fitted on `split.train` (or on less).
        split: the held-out movies.
        seeds: one draw of 99 movies per seed, the same for every model.
        negatives: (len(split.users), draws, n) movie codes instead of drawn ones, -1
            for none.
    """
    if negatives is None:
        negatives = np.stack([sample_negatives(split, seed) for seed in seeds], axis=1)
    sampled, full = [], []
    for rows in batches(np.arange(len(split.users)), BATCH):
        users = split.users[rows]
        scores = np.array(model.scores(users), dtype="float64")
        truth = scores[np.arange(len(users)), split.held_out[users]]
        sampled.append(_sampled_ranks(scores, truth, negatives[rows]))
        for place, user in enumerate(users):
            scores[place, split.train.of(user)] = -np.inf
        # The held-out movie ties with itself, hence the 1.
        full.append((scores >= truth[:, None]).sum(axis=1) - 1)
    return Ranks(split.users, np.concatenate(sampled), np.concatenate(full))


def _sampled_ranks(scores, truth, negatives):
    """(users, movies), (users,), (users, seeds, n) → ranks (users, seeds)."""
    place = np.arange(len(scores))[:, None, None]
    against = np.where(negatives >= 0, scores[place, negatives], -np.inf)
    return (against >= truth[:, None, None]).sum(axis=2)


def rank_lenient(model: Scorer, split: LeaveOneOut, seed: int = 0) -> np.ndarray:
    """Seed 4's protocol: 99 draws *with* replacement, and ties counted *for* us.

    Its code sorts in rising order with the held-out movie in the last place and reads
    the result backwards, so that the held-out movie wins every tie.
    """
    negatives = sample_negatives(split, seed, replace=True)
    ranks = []
    for rows in batches(np.arange(len(split.users)), BATCH):
        users = split.users[rows]
        scores = np.asarray(model.scores(users))
        truth = scores[np.arange(len(users)), split.held_out[users]]
        against = scores[np.arange(len(users))[:, None], negatives[rows]]
        ranks.append((against > truth[:, None]).sum(axis=1))
    return np.concatenate(ranks)


def compare(
    models: Mapping[str, RankingModel],
    split: LeaveOneOut,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> pd.DataFrame:
    """Fits models on `split.train` and scores them, to choose on a validation split.

    Args:
        models: label → model, not fitted.
        split: for a choice the *validation* split, never the test split.
        seeds: draws of 99 movies.

    Returns:
        One row per label with hr_at_10 and ndcg_at_10 against 99 movies, the same
        against all (`full_…`) and fit_seconds; the best NDCG against 99 first.
    """
    rows = []
    for label, model in models.items():
        start = time.perf_counter()
        model.fit(split.train)
        seconds = time.perf_counter() - start
        ranks = evaluate(model, split, seeds)
        full = ranking_metrics(ranks.full)
        row = {"model": label, **ranking_metrics(ranks.sampled)}
        row |= {f"full_{name}": value for name, value in full.items()}
        rows.append(row | {"fit_seconds": seconds})
    table = pd.DataFrame(rows)
    return table.sort_values("ndcg_at_10", ascending=False, ignore_index=True)


def hits(ranks: np.ndarray, k: int = 10) -> np.ndarray:
    """1 where the held-out movie is among the first k, else 0; mean = HR@k."""
    return (ranks < k).astype("float64")


def gains(ranks: np.ndarray, k: int = 10) -> np.ndarray:
    """NDCG@k with one relevant movie: 1 / log2(rank + 2) within the first k, else 0."""
    return np.where(ranks < k, 1 / np.log2(ranks + 2.0), 0.0)


def ranking_metrics(ranks: np.ndarray, k: int = 10) -> dict[str, float]:
    """Hit ratio and NDCG at k, means over users (and draws), higher is better."""
    return {
        f"hr_at_{k}": float(hits(ranks, k).mean()),
        f"ndcg_at_{k}": float(gains(ranks, k).mean()),
    }


@dataclass(frozen=True)
class Ranked:
    """What is kept of one fitted model.

    Attributes:
        ranks: of the held-out movies; draws of all seeds side by side.
        by_seed: seed → ranks, for a network; {"": ranks} for the others.
        seconds: to fit one model.
    """

    ranks: Ranks
    by_seed: dict[int | str, Ranks]
    seconds: float

    def of(self, protocol: str) -> np.ndarray:
        """Ranks under a protocol: (users, draws) or (users, seeds)."""
        if protocol == SAMPLED:
            return self.ranks.sampled
        return np.stack([ranks.full for ranks in self.by_seed.values()], axis=1)


def fit_and_rank(
    models: Mapping[int | str, RankingModel],
    split: LeaveOneOut,
    negatives: np.ndarray | None = None,
) -> Ranked:
    """Fits one model, or one per seed, and ranks the held-out movies.

    Args:
        models: seed → model, {"": model} for one without a seed.
        split: the test split.
        negatives: see `ranking.evaluate`.
    """
    by_seed, start = {}, time.perf_counter()
    for model in models.values():
        fit(model, split)
    seconds = (time.perf_counter() - start) / len(models)
    for seed, model in models.items():
        by_seed[seed] = evaluate(model, split, negatives=negatives)
    sampled = np.concatenate([r.sampled for r in by_seed.values()], axis=1)
    first = next(iter(by_seed.values()))
    ranks = Ranks(first.users, sampled, first.full)
    return Ranked(ranks, by_seed, seconds)


def fit(model: RankingModel, split: LeaveOneOut, **more) -> RankingModel:
    """Fits a model; one with epochs of its own says how far it is."""
    if hasattr(model, "architecture"):
        more["callbacks"] = [epoch_lines(model.name, model.epochs)]
    return model.fit(split.train, **more)


def score_table(ranked: Mapping[str, Ranked]) -> pd.DataFrame:
    """One row per model, best NDCG against 99 first.

    Returns:
        DataFrame, index: model; hr_at_10, ndcg_at_10 (against 99), full_hr_at_10,
        full_ndcg_at_10 (against all), fit_seconds.
    """
    rows = {}
    for name, one in ranked.items():
        full = ranking_metrics(one.of(FULL))
        rows[name] = ranking_metrics(one.of(SAMPLED))
        rows[name] |= {f"full_{metric}": value for metric, value in full.items()}
        rows[name]["fit_seconds"] = one.seconds
    table = pd.DataFrame(rows).T.rename_axis("model")
    return table.sort_values("ndcg_at_10", ascending=False)


def intervals(ranked: Mapping[str, Ranked], protocol: str) -> pd.DataFrame:
    """Means with 95 % bootstrap intervals over users.

    Returns:
        DataFrame with model, metric, value, low, high.
    """
    rows = []
    for name, one in ranked.items():
        for metric, measure in MEASURES.items():
            values = measure(one.of(protocol))
            rows.append((name, metric, values.mean(), *bootstrap_interval(values)))
    return pd.DataFrame(rows, columns=["model", "metric", "value", "low", "high"])


MEASURES = {"hr_at_10": hits, "ndcg_at_10": gains}
