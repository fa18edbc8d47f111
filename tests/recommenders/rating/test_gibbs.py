"""The random draws of the sampler against what theory says."""

import os
import signal
from itertools import count
from time import sleep

import numpy as np
import pytest
from scipy import sparse

from lib.recommenders.rating.bayesian_fm import STEPS, BayesianFM
from lib.recommenders.rating.gibbs import Sampler, Side, SidePrior, draw_normals
from lib.recommenders.rating.model import KNOWS, rmse
from lib.schema import RATING
from tests.recommenders.small import small_data


def test_normals_have_the_mean_and_covariance_asked_for():
    precision = np.array([[2.0, 0.6], [0.6, 1.0]])
    linear = np.array([1.0, -2.0])
    many = 40_000
    draws = draw_normals(
        np.tile(precision, (many, 1, 1)),
        np.tile(linear, (many, 1)),
        np.random.default_rng(0),
    )
    covariance = np.linalg.inv(precision)
    assert draws.mean(axis=0) == pytest.approx(covariance @ linear, abs=0.03)
    assert np.cov(draws.T) == pytest.approx(covariance, abs=0.03)


@pytest.mark.parametrize("rows, columns", [(30, 8), (8, 30)])
def test_side_weights_follow_their_posterior(rows, columns):
    """With Λ = 1 and λ fixed the posterior is ridge regression."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((rows, columns))
    vectors = rng.standard_normal((rows, 1))
    prior = SidePrior(Side(sparse.csr_array(x)), 1)
    draws = []
    for _ in range(4000):
        prior.strength = 3.0
        draws.append(prior.draw(vectors, np.eye(1), rng)[:, 0])
    system = x.T @ x + 3 * np.eye(columns)
    expected = x @ np.linalg.solve(system, x.T @ vectors[:, 0])
    variance = np.einsum("ij,jk,ik->i", x, np.linalg.inv(system), x)
    assert np.mean(draws, axis=0) == pytest.approx(expected, abs=0.07)
    assert np.var(draws, axis=0) == pytest.approx(variance, rel=0.15)


def test_every_step_runs_and_side_features_pay(tmp_path):
    data = small_data(tmp_path, share=0.25)
    known = data.ratings["userId"] <= 60
    train, new = data.ratings[known], data.ratings[~known]
    scores = {}
    for name, options in STEPS.items():
        model = BayesianFM(rank=3, sweeps=30, warmup=10, draws=15, **options)
        scores[name] = rmse(model.fit(train, data.users, data.movies), new)
    first, *_, last = scores.values()
    assert last < first - 0.05  # new users are known by their gender alone


def test_a_day_with_high_ratings_lifts_its_predictions(tmp_path):
    data = small_data(tmp_path)
    ratings = data.ratings.copy()
    day = ratings["timestamp"] // 86_400 % 2 == 0
    ratings[RATING] = np.clip(ratings[RATING] + np.where(day, 1, -1), 1, 5)
    model = BayesianFM(rank=2, sweeps=40, warmup=10, knows="dates")
    model.fit(ratings, data.users, data.movies)
    pairs = ratings[day].drop(columns=RATING)
    without = model.predict(pairs.drop(columns="timestamp"))
    assert (model.predict(pairs) - without).mean() > 0.2


def test_progress_counts_every_sweep_of_every_chain(tmp_path):
    data = small_data(tmp_path, users=30)
    model = BayesianFM(rank=2, sweeps=4, warmup=1, **STEPS[list(STEPS)[-1]])
    seen = []
    model.tell = seen.append
    model.fit(data.ratings, data.users, data.movies)
    assert seen == [f"  bayesian_fm: sweep {k} of 8" for k in range(1, 9)]


def test_chains_differ_and_are_averaged(tmp_path):
    data = small_data(tmp_path)

    def forecast(**options):
        options |= dict(rank=2, sweeps=20, warmup=5, draws=5)
        model = BayesianFM(**options)
        return model.fit(data.ratings, data.users, data.movies)

    one, two = forecast(chains=1), forecast(chains=2)
    assert two.arrays["user"].shape[0] == 10
    halves = []
    for k in range(2):
        half = BayesianFM(**one.settings)
        half.catalogue = two.catalogue
        half.arrays = {n: a[5 * k : 5 * k + 5] for n, a in two.arrays.items()}
        halves.append(half.predict(data.ratings))
    np.testing.assert_array_equal(halves[0], one.predict(data.ratings))
    assert np.abs(halves[1] - halves[0]).max() > 0.01
    np.testing.assert_allclose(two.predict(data.ratings), np.mean(halves, axis=0))


def test_an_interrupt_ends_every_chain(tmp_path, monkeypatch):
    data, calls = small_data(tmp_path, users=30), count()

    def sweep(self):
        if next(calls) == 10:
            os.kill(os.getpid(), signal.SIGINT)
        sleep(0.001)

    monkeypatch.setattr(Sampler, "sweep", sweep)
    model = BayesianFM(rank=2, sweeps=20_000, draws=1, chains=3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(data.ratings, data.users, data.movies)
    assert next(calls) < 10_000


def test_a_model_reads_no_more_than_it_says(tmp_path):
    data = small_data(tmp_path)
    made = {}
    for knows in KNOWS:
        model = BayesianFM(rank=2, sweeps=12, warmup=4, draws=4, knows=knows)
        made[knows] = model.fit(data.ratings, data.users, data.movies)
    pairs = data.ratings[:50]
    anonymous = data.users.assign(age=30, gender="F", occupation="artist", zip="1")
    for knows, model in made.items():
        other_day = pairs.assign(timestamp=pairs["timestamp"] + 86_400)
        assert (knows == "dates") != np.array_equal(
            model.predict(pairs), model.predict(other_day)
        )
        again = BayesianFM(**model.settings)
        again.fit(data.ratings, anonymous, data.movies.assign(genres="Drama"))
        reads = knows in ("features", "dates")
        assert reads != np.array_equal(model.predict(pairs), again.predict(pairs))
