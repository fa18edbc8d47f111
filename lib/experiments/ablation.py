"""The parts of a network, to be left out one at a time.

`lib.experiments.variants.compare_variants` trains the network without each of them.
"""

from dataclasses import replace

import numpy as np

from lib.forecast.features import Features
from lib.forecast.trainer import Settings

# Part → its features; every feature belongs to one part.
FEATURE_GROUPS = {
    "window read by the recurrent layer": ("log_requests", "surprise"),
    "memories of several lengths": (
        *("memory_1", "memory_4", "memory_16", "memory_1e+09", "returning_memory"),
    ),
    "popularity, age and gaps so far": (
        *("log_popularity", "log_total_requests", "since_first", "since_last"),
    ),
    "movies never requested": ("unseen", "unseen_trend"),
    "release year": (
        *("release_trend", "future_year", "this_year", "last_year", "log_age"),
        *("unseen_future_year", "unseen_this_year", "unseen_last_year"),
        *("unseen_log_age", "unknown_year"),
    ),
    "genres": ("genre_trend",),
    "neighbours in the catalogue": ("neighbours_10", "neighbours_60"),
    "audience and traffic": (
        *("requests_per_user", "requests_per_user_trend"),
        *("new_users", "new_users_trend", "traffic"),
    ),
    "mean rating": ("mean_rating",),
}
START = "start from the tuned EWMA"
LOSS = "cross-entropy as the loss"


def parts_left_out(
    data: Features, settings: Settings
) -> dict[str, tuple[Features, Settings]]:
    """What is trained for each part: the features and settings without it.

    Returns:
        The whole network under "" first, then "without <part>" → its variant. Without
        the EWMA to start from, a network corrects the uniform share; without the
        cross-entropy, it learns from the squared error of the shares.
    """
    shape = data.log_ewma.shape
    uniform = np.broadcast_to(np.float32(-np.log(shape[1])), shape)
    changed = {
        "": (data, settings),
        f"without {START}": (replace(data, log_ewma=uniform), settings),
        f"without {LOSS}": (data, replace(settings, loss="mse")),
    }
    for part, names in FEATURE_GROUPS.items():
        changed[f"without {part}"] = (data.without(*names), settings)
    return changed
