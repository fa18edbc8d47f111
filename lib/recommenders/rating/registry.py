"""The rating models by name, and what each of them reads."""

from importlib import import_module

from lib.errors import UserError
from lib.recommenders.rating.model import KNOWS, RatingModel

# Name → module, class and key of KNOWS. Modules are imported when a model is asked for:
# Keras takes seconds to load.
MODELS = {
    "bayesian_fm": ("bayesian_fm", "BayesianFM", "features"),
    "svm": ("svm", "SVMModel", "features"),
    "svdpp": ("svdpp", "SVDpp", "history"),
    "bias": ("bias", "BiasModel", "ratings"),
    "recommendernet_plus": ("recommendernet", "RecommenderNetPlus", "features"),
    "recommendernet": ("recommendernet", "RecommenderNet", "features"),
    "wide_deep_plus": ("wide_deep", "WideDeepPlus", "features"),
    "wide_deep": ("wide_deep", "WideDeep", "features"),
}
# What else stands in tables: the Bayesian model with less and more to read, and means
VARIANTS = {
    "bayesian_fm_history": "history",
    "bayesian_fm_dates": "dates",
    "mean": "ratings",
    "movie_mean": "ratings",
}


def model_class(name: str) -> type[RatingModel]:
    """Class of a rating model.

    Raises:
        UserError: no model of that name.
    """
    if name not in MODELS:
        raise UserError(f"model {name!r}: expected one of {', '.join(MODELS)}")
    module, attribute, _ = MODELS[name]
    return getattr(import_module(f"lib.recommenders.rating.{module}"), attribute)


def knows(name: str) -> str:
    """What a model reads, in words; "–" for a name that is no rating model's."""
    key = VARIANTS.get(name) or MODELS.get(name, ("", "", ""))[2]
    return KNOWS.get(key, "–")
