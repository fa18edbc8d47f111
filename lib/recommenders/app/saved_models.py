"""Trained models of the menu: made once, kept in data/processed, checked on use."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib import paths
from lib.files import locked, new_folder, read_facts, write_facts
from lib.progress import say
from lib.recommenders.data import RATING_COLUMNS, RatingData, random_split, run_name
from lib.recommenders.rating.model import RatingModel
from lib.recommenders.rating.registry import model_class

DEFAULT_MODEL = "bayesian_fm"  # the most accurate one of those that need no date
VERSION = 2  # of the saved form; a change makes every kept model train again


@dataclass(frozen=True)
class Trained:
    """A model and the rows that it saw and did not see."""

    data: RatingData
    model: RatingModel
    train: pd.DataFrame
    test: pd.DataFrame


def trained_model(data: RatingData, name: str | None = None) -> Trained:
    """Loads the kept model, or trains it on a random 80 % of the rows and keeps it.

    Args:
        data: a data set.
        name: a model, None for the default.

    Returns:
        The model with its training rows and the other fifth.

    Raises:
        UserError: the model is unknown, or does not fit in memory.
    """
    name = name or DEFAULT_MODEL
    train, test = random_split(data.ratings)
    model = model_class(name)()
    rows = data.ratings[RATING_COLUMNS].to_numpy(np.float64)
    record = {
        "model": name,
        "settings": json.loads(json.dumps(model.settings)),
        "rows": hashlib.sha256(rows.tobytes()).hexdigest(),
        "version": VERSION,
    }
    home = paths.PROCESSED / run_name(data.name)
    folder = home / name
    with locked(home, "training"):
        if read_facts(folder) != record:
            say(f"training {name} …")
            model.tell = say
            model.fit(train, data.users, data.movies)
            with new_folder(folder, record) as part:
                model.save(part)
                write_facts(part, record, sorted(p.name for p in part.iterdir()))
            say("")
    return Trained(data, type(model).load(folder), train, test)
