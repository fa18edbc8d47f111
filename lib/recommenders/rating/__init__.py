"""Rating models: how many stars will a user give a movie?"""

from lib.recommenders.rating.entities import Profile
from lib.recommenders.rating.evaluate import (
    measure,
    measure_all,
    record,
    sound_splits,
    take_users,
)
from lib.recommenders.rating.registry import model_class

__all__ = [
    "Profile",
    "measure",
    "measure_all",
    "model_class",
    "record",
    "sound_splits",
    "take_users",
]
