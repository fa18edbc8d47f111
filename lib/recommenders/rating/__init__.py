"""Rating models: how many stars will a user give a movie?"""

from lib import names_of

__all__, __getattr__ = names_of(
    __name__,
    entities=("Profile",),
    evaluate=("measure", "measure_all", "record", "sound_splits", "take_users"),
    registry=("model_class",),
)
