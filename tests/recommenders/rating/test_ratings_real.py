"""Accuracy on MovieLens 100K: a change for the worse fails here."""

import pytest

from lib.paths import ROOT
from lib.recommenders.data import load, official_folds
from lib.recommenders.rating.bayesian_fm import BayesianFM
from lib.recommenders.rating.model import rmse
from lib.recommenders.rating.registry import model_class
from lib.schema import TIMESTAMP

FOLDER = ROOT.parent / "shared" / "data" / "ml-100k"
needs_data = pytest.mark.skipif(not FOLDER.exists(), reason="ml-100k is not here")


@pytest.fixture(scope="module")
def u1():
    data = load(str(FOLDER))
    return data, *official_folds(data)[0]


@needs_data
@pytest.mark.parametrize(
    "name, low, high", [("bias", 0.945, 0.960), ("svm", 0.905, 0.922)]
)
def test_simple_models_lie_in_their_band(u1, name, low, high):
    data, train, test = u1
    model = model_class(name)().fit(train, data.users, data.movies)
    assert low < rmse(model, test) < high


@needs_data
def test_factorization_machine_beats_the_published_best_in_few_sweeps(u1):
    """0.887 is the best published RMSE with demographics and without dates (GHRS)."""
    data, train, test = u1
    model = BayesianFM(sweeps=70, warmup=20).fit(train, data.users, data.movies)
    assert 0.875 < rmse(model, test) < 0.887
    assert rmse(model, test.drop(columns=TIMESTAMP)) == rmse(model, test)
