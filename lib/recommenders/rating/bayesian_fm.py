"""The Bayesian factorization machine: the strongest rating model of the series."""

import os
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import count
from threading import Event, Lock

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lib.recommenders.rating.entities import Profile
from lib.recommenders.rating.gibbs import Design, Sampler, Side
from lib.recommenders.rating.model import KNOWS, RatingModel
from lib.recommenders.rating.side_features import day_keys, demographic_flags, features
from lib.schema import RATING, TIMESTAMP

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
        "chains": 2,  # each with random numbers of its own; predictions are averaged
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
        place = list(KNOWS).index(s["knows"])
        self.reads_history, self.reads_side, self.reads_days = (
            place >= k for k in (1, 2, 3)
        )

    def _memory(self) -> float:
        s, shape = self.settings, self.catalogue.seen.shape
        d, total = s["rank"] + 1, 0.0
        for rows in shape:
            # per chain a precision matrix of each entity in several copies, and draws
            total += 8 * rows * d * (4 * d + 1.5 * s["draws"]) * s["chains"]
        if self.reads_history:  # eigenvectors of the features, in `gibbs.SidePrior`
            total += 2 * 8 * (3 * min(shape) ** 2 + min(shape) * max(shape))
        return total + 250 * self.catalogue.seen.nnz

    def _fit(self, ratings: pd.DataFrame) -> None:
        u, i = self.catalogue.locate(ratings)
        values = ratings[RATING].to_numpy()
        self.arrays, groups = {}, []
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
        states = [state for chain in chains for state in chain]
        for name in states[0]:
            stacked = np.stack([state[name] for state in states])
            self.arrays[name] = stacked.astype("float32")

    def _chains(self, design: Design) -> list[list[dict[str, np.ndarray]]]:
        """The kept states of all chains, which run in threads, one per core.

        The matrices are small: threads of a single product only wait for each other.
        """
        stop, lock, done = Event(), Lock(), count(1)
        number, cores = self.settings["chains"], os.cpu_count() or 1
        with threadpool_limits(1), ThreadPoolExecutor(min(number, cores)) as pool:
            chains = [
                pool.submit(self._run, design, chain, stop, lock, done)
                for chain in range(number)
            ]
            try:
                while wait(chains, TICK).not_done:  # an interrupt is heard in between
                    pass
            finally:
                stop.set()
        return [chain.result() for chain in chains]

    def _run(self, design, chain, stop, lock, done) -> list[dict[str, np.ndarray]]:
        s = self.settings
        sampler = Sampler(design, s["rank"], s["user_noise"], [s["seed"], chain])
        kept = np.linspace(s["warmup"], s["sweeps"] - 1, s["draws"]).round()
        total, states = s["sweeps"] * s["chains"], []
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
        }
        for number, effect in enumerate(sampler.days):
            state[f"days_{number}"] = np.append(effect.values, 0.0)
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
        total, draws = np.zeros(len(i)), len(self.arrays["mean"])
        for k in range(draws):

            def draw(name, k=k):
                return self.arrays[name][k]

            user, movie = user_rows(draw, "user"), draw("movie")[i]
            fitted = np.einsum("nk,nk->n", user[:, 1:], movie[:, 1:])
            fitted += user[:, 0] + movie[:, 0]
            for number, group in enumerate(groups):
                fitted += draw(f"days_{number}")[group]
            total += self._clip(draw("mean") + fitted)
        return total / draws
