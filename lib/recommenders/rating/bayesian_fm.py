"""The Bayesian factorization machine: the strongest rating model of the series."""

import os
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import count
from threading import Event, Lock

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lib.recommenders.rating.entities import Profile
from lib.recommenders.rating.gibbs import Design, Sampler, Side, expected_rating
from lib.recommenders.rating.model import KNOWS, RatingModel
from lib.recommenders.rating.side_features import day_keys, demographic_flags, features
from lib.schema import RATING, TIMESTAMP

GAUSSIAN, ORDINAL = "gaussian", "ordinal"
DAYS = ("day", "user_day")
TICK = 0.2  # seconds

# What each step of the series adds to the one before it
STEPS = {
    "ids": dict(knows="ratings", user_noise=False, chains=1),
    "+ implicit, both ways": dict(knows="history", user_noise=False, chains=1),
    "+ demographics, genres, year": dict(user_noise=False, chains=1),
    "+ noise per user": dict(chains=1),
    "+ a second chain": {},
    "+ day of rating": dict(knows="dates"),
}


class ColdRows:
    """Vectors of users (or movies) without a single rating, and of the unknown one.

    Their implicit features are empty, and an empty row is far from every row that the
    weights were learnt on. They get the average one instead.
    """

    def __init__(self, features, known: int, active: np.ndarray):
        """Keeps what `complete` needs.

        Args:
            features: sparse (rows, columns); implicit features after the first `known`.
            known: columns that do not come from ratings.
            active: whether a row has ratings, (rows,).
        """
        self.known, self.empty = known, np.flatnonzero(~active)
        self.mean = np.asarray(features[np.flatnonzero(active)].mean(axis=0)).ravel()
        self.features = features[self.empty][:, :known]

    def complete(self, block) -> tuple[np.ndarray, np.ndarray]:
        """Vectors with the cold rows filled in and the unknown one below them.

        Returns:
            vectors (rows + 1, d), and weights (known, d) of the columns that a new
            user's form fills, average implicit features put into the intercept's row.
        """
        weights = block.prior.weights
        profile = weights[: self.known].copy()
        profile[0] += self.mean[self.known :] @ weights[self.known :]
        vectors = np.vstack([block.vectors, self.mean @ weights])
        vectors[self.empty] = self.features @ profile
        return vectors, profile


class BayesianFM(RatingModel):
    """Average prediction over draws of a Gibbs sampler (see `rating.gibbs`).

    Without a day, or on a day without a training row, day effects count zero. A user
    without ratings is described by demographics alone, a movie by genres and year.
    """

    name = "bayesian_fm"
    knows_profiles = True
    defaults = {
        "rank": 16,  # length of the taste vectors
        "sweeps": 150,  # of each chain
        "warmup": 20,  # first sweeps that are thrown away
        "draws": 65,  # states kept of each chain, spread evenly over the rest
        "knows": "features",
        "user_noise": True,  # let every user have a noise level
        "likelihoods": (GAUSSIAN,),  # that, ORDINAL or both; predictions are averaged
        "chains": 2,  # of each likelihood, with random numbers of their own
        "seed": 0,
    }

    def __init__(self, **settings):
        """Sets the model up.

        The setting `knows` says what it reads: "ratings": ids and ratings alone;
        "history": also who rated what in the training rows, as features both ways;
        "features": also demographics, genres and release year; "dates": also the day of
        each rating, and the day of the row to be predicted, which nobody knows when a
        list is made.
        """
        super().__init__(**settings)
        s = self.settings
        s["warmup"] = min(s["warmup"], s["sweeps"] - 1)
        s["draws"] = min(s["draws"], s["sweeps"] - s["warmup"])
        s["likelihoods"] = list(s["likelihoods"])
        self.kinds = [kind for kind in s["likelihoods"] for _ in range(s["chains"])]
        place = list(KNOWS).index(s["knows"])
        self.reads_history, self.reads_side, self.reads_days = (
            place >= k for k in (1, 2, 3)
        )

    def _memory(self) -> float:
        s, shape = self.settings, self.catalogue.seen.shape
        d, total = s["rank"] + 1, 0.0
        for rows in shape:
            # per chain a precision matrix of each entity in several copies, and draws
            total += 8 * rows * d * (4 * d + 1.5 * s["draws"]) * len(self.kinds)
        if self.reads_history:  # eigenvectors of the features, in `gibbs.SidePrior`
            total += 2 * 8 * (3 * min(shape) ** 2 + min(shape) * max(shape))
        return total + 250 * self.catalogue.seen.nnz

    def _fit(self, ratings: pd.DataFrame) -> None:
        s = self.settings
        u, i = self.catalogue.locate(ratings)
        values = ratings[RATING].to_numpy()
        self.arrays = {"levels": np.unique(values)}
        groups = []
        if self.reads_days:
            keys = day_keys(u, ratings[TIMESTAMP].to_numpy())
            for name, key in zip(DAYS, keys, strict=True):
                self.arrays[name], group = np.unique(key, return_inverse=True)
                groups.append(group)
        both = features(self.catalogue, self.reads_history, self.reads_side)
        self._cold = [
            ColdRows(table, own, np.bincount(rows, minlength=table.shape[0]) > 0)
            for (table, own), rows in zip(both, (u, i), strict=True)
        ]
        sides = Side(both[0][0]), Side(both[1][0])
        chains = self._chains(Design((u, i), values, sides, groups))
        for kind in s["likelihoods"]:
            own = [c for k, c in zip(self.kinds, chains, strict=True) if k == kind]
            states = [state for chain in own for state in chain]
            for name in states[0]:
                stacked = np.stack([state[name] for state in states])
                self.arrays[f"{kind}_{name}"] = stacked.astype("float32")

    def _chains(self, design: Design) -> list[list[dict[str, np.ndarray]]]:
        """The kept states of all chains, which run in threads, one per core.

        The matrices are small: threads of a single product only wait for each other.
        """
        stop, lock, done = Event(), Lock(), count(1)
        threads = min(len(self.kinds), os.cpu_count() or 1)
        with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
            chains = [
                pool.submit(self._run, design, number, stop, lock, done)
                for number in range(len(self.kinds))
            ]
            try:
                while wait(chains, TICK).not_done:  # an interrupt is heard in between
                    pass
            finally:
                stop.set()
        return [chain.result() for chain in chains]

    def _run(self, design, number, stop, lock, done) -> list[dict[str, np.ndarray]]:
        s, ordinal = self.settings, self.kinds[number] == ORDINAL
        seed = [s["seed"], number]
        sampler = Sampler(design, s["rank"], ordinal, s["user_noise"], seed)
        kept = np.linspace(s["warmup"], s["sweeps"] - 1, s["draws"]).round()
        total, states = s["sweeps"] * len(self.kinds), []
        for sweep in range(s["sweeps"]):
            if stop.is_set():
                break
            sampler.sweep()
            if sweep in kept:
                states.append(self._state(sampler))
            with lock:
                swept = next(done)
                if self.tell and swept % max(total // 10, 1) == 0:
                    self.tell(f"  {self.name}: sweep {swept} of {total}")
        return states

    def _state(self, sampler: Sampler) -> dict[str, np.ndarray]:
        """One draw as arrays whose last row stands for the unknown."""
        user, profile = self._cold[0].complete(sampler.user)
        movie, _ = self._cold[1].complete(sampler.movie)
        state = {
            "user": user,
            "movie": movie,
            "profile": profile,
            "mean": np.array(sampler.mean),
            "deviation": np.append(sampler.deviations(), sampler.alpha**-0.5),
        }
        for number, effect in enumerate(sampler.days):
            state[f"days_{number}"] = np.append(effect.values, 0.0)
        if sampler.cutpoints:
            state["cuts"] = sampler.cutpoints.cuts.copy()
        return state

    def _predict(self, u, i, times):
        groups = []
        if self.reads_days and times is not None:
            groups = [
                pd.Index(self.arrays[name]).get_indexer(key)  # -1: a day without rows
                for name, key in zip(DAYS, day_keys(u, times), strict=True)
            ]
        return self._average(i, groups, lambda draw, name: draw(name)[u])

    def _predict_profile(self, profile: Profile, i: np.ndarray) -> np.ndarray:
        users = self.catalogue.users
        if users is None or not self.reads_side:
            return self._predict(np.full(len(i), -1), i, None)
        flags = demographic_flags(profile.frame(), users).toarray()[0]
        inputs = np.append(1.0, flags)

        def rows(draw, name):
            row = inputs @ draw("profile") if name == "user" else draw(name)[-1]
            return np.broadcast_to(row, (len(i), *np.shape(row)))

        return self._average(i, [], rows)

    def _average(self, i, groups, user_rows) -> np.ndarray:
        """Mean prediction over all draws of all chains.

        Args:
            i: positions of movies, (n,).
            groups: positions of day effects, arrays (n,).
            user_rows: (draw, name) → the array `name` for the user of each row.
        """
        total, count = np.zeros(len(i)), 0
        for likelihood in self.settings["likelihoods"]:
            for k in range(len(self.arrays[f"{likelihood}_mean"])):

                def draw(name, k=k, chain=likelihood):
                    return self.arrays[f"{chain}_{name}"][k]

                user, movie = user_rows(draw, "user"), draw("movie")[i]
                fitted = np.einsum("nk,nk->n", user[:, 1:], movie[:, 1:])
                fitted += user[:, 0] + movie[:, 0]
                for number, group in enumerate(groups):
                    fitted += draw(f"days_{number}")[group]
                if likelihood == ORDINAL:
                    noise = user_rows(draw, "deviation")
                    levels = self.arrays["levels"]
                    total += expected_rating(levels, draw("cuts"), fitted, noise)
                else:
                    total += self._clip(draw("mean") + fitted)
                count += 1
        return total / count
