"""How well a model ranks the movies that a user watched next.

Every model offers `scores(users)`: one number per movie, higher is better. A held-out
movie is ranked against 99 unseen movies drawn at random (the custom of the literature)
and against all unseen movies (the honest measure: sampled ranks flatter, and can even
reverse the order of models; Krichene and Rendle, KDD 2020). A tie counts against us.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from lib.evaluation.bootstrap import bootstrap_interval, verdict
from lib.progress import epoch_lines
from lib.recommenders.ranking.histories import Histories, batches
from lib.recommenders.ranking.model import (
    NetworkModel,
    RankingModel,
    best_first,
    hide_watched,
)
from lib.recommenders.ranking.splits import Split
from lib.schema import FULL, SAMPLED

NEGATIVES = 99
DRAWS = (0, 1, 2, 3, 4)  # seeds of the draws of 99 movies, the same for every model
BATCH = 256  # users scored at once: bounds memory to BATCH × movies floats


def hits(ranks: np.ndarray, k: int = 10) -> np.ndarray:
    """1 where the held-out movie is among the first k, else 0; mean = HR@k."""
    return (ranks < k).astype("float64")


def gains(ranks: np.ndarray, k: int = 10) -> np.ndarray:
    """NDCG@k with one relevant movie: 1 / log2(rank + 2) within the first k, else 0."""
    return np.where(ranks < k, 1 / np.log2(ranks + 2.0), 0.0)


def reciprocal(ranks: np.ndarray) -> np.ndarray:
    """1 / (rank + 1); the mean is the MRR, the mean reciprocal rank."""
    return 1 / (ranks + 1.0)


MEASURES = {"hr_at_10": hits, "ndcg_at_10": gains, "mrr": reciprocal}


@dataclass(frozen=True)
class Ranks:
    """Ranks of the held-out movies, 0 is the best.

    Attributes:
        users: (held out,) codes, as in the split.
        sampled: (held out, seeds) ranks among 99 unseen movies, one column per draw.
        full: (held out,) or (held out, seeds) ranks among all unseen movies.
    """

    users: np.ndarray
    sampled: np.ndarray
    full: np.ndarray


@lru_cache(maxsize=2 * len(DRAWS))
def sample_negatives(split: Split, seed: int, n: int = NEGATIVES) -> np.ndarray:
    """Draws n different unseen movies for each held-out one, never held-out ones.

    A draw is kept, since every model meets the same.

    Returns:
        (len(split.users), n) int64 movie codes; -1 where a user has fewer unseen ones.
    """
    return split.unseen.draw_distinct(split.users, n, np.random.default_rng(seed))


def evaluate(
    model: RankingModel,
    split: Split,
    seeds: tuple[int, ...] = DRAWS,
    negatives: np.ndarray | None = None,
) -> Ranks:
    """Ranks each held-out movie among sampled and among all unseen movies.

    Other held-out movies of the same user are no candidates.

    Args:
        model: fitted on `split.train` (or on less).
        split: the held-out movies.
        seeds: one draw of 99 movies per seed, the same for every model.
        negatives: (len(split.users), draws, n) movie codes instead of drawn ones, -1
            for none.
    """
    if negatives is None:
        drawn = [sample_negatives(split, seed) for seed in seeds]
        negatives = (
            np.stack(drawn, axis=1)
            if drawn
            else np.empty((len(split.users), 0, 0), int)
        )
    users, place = np.unique(split.users, return_inverse=True)
    sampled, full = [], []
    for part in batches(np.arange(len(users)), BATCH):
        scores = np.array(model.scores(users[part]), dtype="float64")
        rows = slice(*np.searchsorted(place, [part[0], part[-1] + 1]))
        own, movies = place[rows] - part[0], split.movies[rows]
        truth = scores[own, movies]
        sampled.append(_sampled_ranks(scores[own], truth, negatives[rows]))
        hide_watched(scores, split.train, users[part])
        scores[own, movies] = -np.inf
        full.append((scores[own] >= truth[:, None]).sum(axis=1))
    return Ranks(split.users, np.concatenate(sampled), np.concatenate(full))


def _sampled_ranks(scores, truth, negatives):
    """(held out, movies), (held out,), (held out, seeds, n) → (held out, seeds)."""
    place = np.arange(len(scores))[:, None, None]
    against = np.where(negatives >= 0, scores[place, negatives], -np.inf)
    return (against >= truth[:, None, None]).sum(axis=2)


def rank_lenient(model: RankingModel, split: Split) -> np.ndarray:
    """The hybrid report's protocol: 99 draws *with* replacement, ties counted *for* us.

    Its code sorts in rising order with the held-out movie in the last place and reads
    the result backwards, so that the held-out movie wins every tie.
    """
    many, rng = np.repeat(split.users, NEGATIVES), np.random.default_rng(0)
    drawn = split.unseen.draw(many, rng).reshape(-1, NEGATIVES)
    ranks = []
    for rows in batches(np.arange(len(split.users)), BATCH):
        scores = np.asarray(model.scores(split.users[rows]))
        place = np.arange(len(rows))
        truth = scores[place, split.movies[rows]]
        against = scores[place[:, None], drawn[rows]]
        ranks.append((against > truth[:, None]).sum(axis=1))
    return np.concatenate(ranks)


def ranking_metrics(ranks: np.ndarray) -> dict[str, float]:
    """Hit ratio and NDCG at 10, means over users (and draws), higher is better."""
    return {m: float(MEASURES[m](ranks).mean()) for m in ("hr_at_10", "ndcg_at_10")}


@dataclass(frozen=True)
class Ranked:
    """What is kept of one kind of model.

    Attributes:
        by_seed: seed → ranks, for a network; {"": ranks} for the others.
        seconds: CPU time of one fit alone, the mean over the seeds.
    """

    by_seed: dict[int | str, Ranks]
    seconds: float

    def of(self, protocol: str) -> np.ndarray:
        """Ranks under a protocol: (held out, draws of all seeds or seeds)."""
        name = "sampled" if protocol == SAMPLED else "full"
        columns = [getattr(ranks, name) for ranks in self.by_seed.values()]
        return np.column_stack(columns)

    def measure(self, metric: str, protocol: str) -> np.ndarray:
        """A measure of `MEASURES`, the mean over each user's held-out movies.

        Returns:
            (users, columns of `of`) float64.
        """
        values = MEASURES[metric](self.of(protocol))
        users, place = np.unique(
            next(iter(self.by_seed.values())).users, return_inverse=True
        )
        sums = np.zeros((len(users), values.shape[1]))
        np.add.at(sums, place, values)
        return sums / np.bincount(place)[:, None]


def fit_and_rank(
    models: Mapping[int | str, RankingModel],
    split: Split,
    negatives: np.ndarray | None = None,
) -> Ranked:
    """Fits one model, or one per seed, and ranks the held-out movies.

    Args:
        models: seed → model, {"": model} for one without a seed.
        split: the test split; the validation split for a choice.
        negatives: see `evaluate`.
    """
    seconds = np.mean([fit(model, split.train) for model in models.values()])
    return rank_fitted(models, split, float(seconds), negatives)


def rank_fitted(
    models: Mapping[int | str, RankingModel],
    split: Split,
    seconds: float = float("nan"),
    negatives: np.ndarray | None = None,
    seeds: tuple[int, ...] = DRAWS,
) -> Ranked:
    """`fit_and_rank` without the fit; no seeds of draws leave the 99 movies out."""
    ranks = {
        seed: evaluate(model, split, seeds, negatives) for seed, model in models.items()
    }
    return Ranked(ranks, seconds)


def fit(model: RankingModel, train: Histories) -> float:
    """Fits a model and returns the CPU seconds; a network says how far it is."""
    more = {}
    if isinstance(model, NetworkModel):
        more["callbacks"] = [epoch_lines(model.name, model.epochs)]
    start = time.process_time()
    model.fit(train, **more)
    return time.process_time() - start


def score_table(ranked: Mapping[str, Ranked]) -> pd.DataFrame:
    """One row per model, best NDCG against all movies first.

    Returns:
        DataFrame, index: model; hr_at_10, ndcg_at_10 (against 99), full_hr_at_10,
        full_ndcg_at_10 (against all), fit_cpu_seconds.
    """
    rows = {
        name: {
            prefix + metric: one.measure(metric, protocol).mean()
            for prefix, protocol in (("", SAMPLED), ("full_", FULL))
            for metric in ("hr_at_10", "ndcg_at_10")
        }
        | {"fit_cpu_seconds": one.seconds}
        for name, one in ranked.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return table.sort_values("full_ndcg_at_10", ascending=False, kind="stable")


def intervals(ranked: Mapping[str, Ranked], protocol: str) -> pd.DataFrame:
    """Means with 95 % bootstrap intervals over users, and over seeds.

    Returns:
        DataFrame, index: model; of each metric of `MEASURES` the mean, `<metric>_low`
        and `<metric>_high`.
    """
    rows = {}
    for name, one in ranked.items():
        rows[name] = {}
        for metric in MEASURES:
            values = one.measure(metric, protocol)
            low, high = bootstrap_interval(values)
            ends = {f"{metric}_low": low, f"{metric}_high": high}
            rows[name] |= {metric: values.mean()} | ends
    return pd.DataFrame.from_dict(rows, orient="index")


def differences(
    ranked: Mapping[str, Ranked], first: str, others: Iterable[str], protocol: str
) -> pd.DataFrame:
    """One model less each of the others, the same users and seeds drawn for both.

    Returns:
        DataFrame with against (the other model), metric, difference, low, high (95 %)
        and verdict: "better", "worse" or "no clear difference".
    """
    rows = []
    for other in others:
        for metric in ("hr_at_10", "ndcg_at_10"):
            pair = [ranked[name].measure(metric, protocol) for name in (first, other)]
            columns = max(values.shape[1] for values in pair)
            # A model without a seed meets each seed of the other.
            a, b = (np.tile(values, columns // values.shape[1]) for values in pair)
            low, high = bootstrap_interval(a - b)
            rows.append((other, metric, (a - b).mean(), low, high, verdict(low, high)))
    columns = ["against", "metric", "difference", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def list_metrics(model: RankingModel, split: Split) -> dict[str, float]:
    """What the lists of ten unseen movies are like that the tested users would get.

    Returns:
        coverage: share of the watched movies that are on anybody's list, 0 to 1;
        novelty: mean of −log2 of the share of users who watched a listed movie, in
        bits, higher is rarer; popularity_bias: how many watched a listed movie over how
        many watched a movie of the user's own history, above 1 the lists are more
        popular than the users' taste.
    """
    train, users = split.train, np.unique(split.users)
    lists = []
    for part in batches(users, BATCH):
        scores = np.array(model.scores(part), dtype="float64")
        hide_watched(scores, train, part)
        lists.append(best_first(scores, 10))
    listed = np.concatenate(lists)
    counts = np.bincount(train.items, minlength=train.n_items)
    place, rows = train.places(users)
    own = np.bincount(place, counts[train.items[rows]]) / train.lengths[users]
    watched = np.maximum(counts[listed], 1) / np.count_nonzero(train.lengths)
    return {
        "coverage": len(np.unique(listed)) / np.count_nonzero(counts),
        "novelty": float(-np.log2(watched).mean()),
        "popularity_bias": float((counts[listed].mean(axis=1) / own).mean()),
    }
