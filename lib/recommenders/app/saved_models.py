"""Trained models of the console: made once, kept in data/processed, checked on use."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib import paths
from lib.files import locked, new_folder, read_record
from lib.progress import say, with_progress
from lib.recommenders.data import RatingData, random_split
from lib.recommenders.rating.model import RatingModel
from lib.recommenders.rating.registry import load_model, model_class
from lib.schema import MOVIE, RATING, TIMESTAMP, USER

DEFAULT_MODEL, DEFAULT_WITHOUT_USERS = "recommendernet", "bayesian_fm"
VERSION = 1  # of the saved form; a change makes every kept model train again


@dataclass(frozen=True)
class Trained:
    """A model and the rows that it saw and did not see."""

    data: RatingData
    model: RatingModel
    train: pd.DataFrame
    test: pd.DataFrame


def run_folder(name: str) -> Path:
    """Where the models of a data set are kept."""
    return paths.PROCESSED / f"recommenders-{name}"


def choose_model(name: str | None, data: RatingData) -> str:
    """The model asked for, or the default one for a data set."""
    if name:
        return name
    return DEFAULT_WITHOUT_USERS if data.users is None else DEFAULT_MODEL


def trained_model(
    data: RatingData, name: str | None = None, settings: dict | None = None
) -> Trained:
    """Loads the kept model, or trains it on a random 80 % of the rows and keeps it.

    Args:
        data: a data set.
        name: a model, None for the default of the data set.
        settings: arguments of the model other than its defaults.

    Returns:
        The model with its training rows and the other fifth.

    Raises:
        UserError: the model is unknown, or needs what the data set does not have.
    """
    name = choose_model(name, data)
    train, test = random_split(data.ratings)
    model = model_class(name)(**(settings or {}))
    record = {
        "model": name,
        "settings": json.loads(json.dumps(model.settings)),
        "rows": _fingerprint(data.ratings),
        "version": VERSION,
    }
    folder = run_folder(data.name) / name
    with locked(run_folder(data.name) / ".lock"):
        if read_record(folder) != record:
            with_progress(model)
            model.fit(train, data.users, data.movies)
            with new_folder(folder, record) as part:
                model.save(part)
            say("")
    return Trained(data, load_model(name, folder), train, test)


def _fingerprint(ratings: pd.DataFrame) -> str:
    columns = [
        ratings[c].to_numpy(np.float64) for c in (USER, MOVIE, RATING, TIMESTAMP)
    ]
    return hashlib.sha256(np.concatenate(columns).tobytes()).hexdigest()
