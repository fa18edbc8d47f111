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
from lib.recommenders.rating.tables import (
    gap_table,
    list_table,
    protocol_table,
    readable,
    score_table,
)

__all__ = [
    "Profile",
    "gap_table",
    "list_table",
    "measure",
    "measure_all",
    "model_class",
    "protocol_table",
    "readable",
    "record",
    "score_table",
    "sound_splits",
    "take_users",
]
