"""The rating models by name."""

from pathlib import Path

from lib.errors import UserError
from lib.recommenders.rating.model import RatingModel

# Modules are imported when a model is asked for: Keras takes seconds to load.
PLACES = {
    "bias": ("bias", "BiasModel"),
    "svdpp": ("svdpp", "SVDpp"),
    "svm": ("svm", "SVMModel"),
    "bayesian_fm": ("bayesian_fm", "BayesianFM"),
    "recommendernet": ("recommendernet", "RecommenderNet"),
    "recommendernet_plus": ("recommendernet", "RecommenderNetPlus"),
    "wide_deep": ("wide_deep", "WideDeep"),
    "wide_deep_plus": ("wide_deep", "WideDeepPlus"),
}


def model_class(name: str) -> type[RatingModel]:
    """Class of a rating model.

    Raises:
        UserError: no model of that name.
    """
    from importlib import import_module

    if name not in PLACES:
        raise UserError(f"model {name!r}: expected one of {', '.join(PLACES)}")
    module, attribute = PLACES[name]
    return getattr(import_module(f"lib.recommenders.rating.{module}"), attribute)


def load_model(name: str, folder: Path) -> RatingModel:
    """A model of a known kind from the folder it was saved in."""
    return model_class(name).load(folder)
