"""Popularity inside a recommender: of the last days, damped, and blended in.

What everybody watches of late is known before anybody's taste: it can take the place of
all-time counts, and can be multiplied into a network's own probabilities.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from lib.recommenders.ranking.evaluate import fit, rank_fitted
from lib.recommenders.ranking.histories import Histories
from lib.recommenders.ranking.item_models import RecentPop
from lib.recommenders.ranking.model import NetworkModel, RankingModel
from lib.recommenders.ranking.splits import Split
from lib.schema import FULL

HALF_LIVES = (7, 14, 30, 60, 120, 365)  # days
WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0)


class Blend(RankingModel):
    """A network's probabilities times popularity: a product of experts.

        score(u, i) = ln p(i | history of u) + w · ln share(i)

    Args:
        network: a fitted network with logits as scores.
        popularity: a fitted model with `shares`.
        weight: w, 0 for the network alone.
    """

    name = "blend"

    def __init__(self, network: NetworkModel, popularity: RecentPop, weight: float):
        self.network, self.popularity, self.weight = network, popularity, weight

    def fit(self, train: Histories) -> "Blend":
        """Nothing is left to learn: both parts come fitted."""
        self.train = train
        return self

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Sums of logarithms, up to a constant per user: (len(users), movies)."""
        return self.network.scores(users) + self.weight * np.log(self.popularity.shares)


def best_of(models: Mapping[float, RankingModel], validation: Split) -> pd.Series:
    """NDCG@10 among all movies of fitted models on the validation split, best first.

    Args:
        models: setting → model, fitted on `validation.train`.
        validation: a split of the training rows alone.
    """
    scores = {
        setting: rank_fitted({"": model}, validation, seeds=())
        .measure("ndcg_at_10", FULL)
        .mean()
        for setting, model in models.items()
    }
    return pd.Series(scores).sort_values(ascending=False, kind="stable")


def choose_half_life(validation: Split) -> float:
    """The half-life of `HALF_LIVES` that serves best on the validation split, days."""
    models: dict[float, RankingModel] = {
        days: RecentPop(half_life=days) for days in HALF_LIVES
    }
    for model in models.values():
        model.fit(validation.train)
    return best_of(models, validation).index[0]


def choose_blends(
    make: Callable[[int], NetworkModel],
    seeds: Iterable[int],
    half_life: float,
    validation: Split,
    split: Split,
) -> tuple[dict[int, Blend], float]:
    """Fits a network per seed and damped popularity, and blends them.

    The weight is chosen on the validation split, by a network fitted on its part alone.

    Args:
        make: seed → a network that is not fitted.
        seeds: of the networks.
        half_life: of the popularity, days.
        validation: a split of `split.train`.
        split: the blends are fitted on its training part.

    Returns:
        Seed → blend, and the CPU seconds of one network's fit on `split.train`.
    """
    damped = [
        RecentPop(half_life=half_life).fit(part.train) for part in (validation, split)
    ]
    blends, seconds = {}, []
    for seed in seeds:
        trial, network = make(seed), make(seed)
        fit(trial, validation.train)
        tried = {w: Blend(trial, damped[0], w) for w in WEIGHTS}
        seconds.append(fit(network, split.train))
        blends[seed] = Blend(network, damped[1], best_of(tried, validation).index[0])
        blends[seed].fit(split.train)
    return blends, float(np.mean(seconds))
