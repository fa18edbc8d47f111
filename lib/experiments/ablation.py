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
    "place in the list of movies": ("not_listed_yet",),
    "audience and traffic": (
        *("requests_per_user", "requests_per_user_trend"),
        *("new_users", "new_users_trend", "traffic"),
    ),
    "mean rating": ("mean_rating",),
}
# Parts that need something which a log may lack, see meta["knows"]
NEEDS = {
    "release year": "years",
    "place in the list of movies": "years",
    "genres": "genres",
    "mean rating": "ratings",
}
START = "start from the tuned EWMA"
LOSS = "cross-entropy as the loss"


def silent_features(meta: dict) -> set[str]:
    """Features that never change, since the data lack what they are made from.

    Args:
        meta: what preprocessing recorded; without `knows` everything is known.
    """
    known = meta.get("knows", NEEDS.values())
    lacking = [part for part, kind in NEEDS.items() if kind not in known]
    return {name for part in lacking for name in FEATURE_GROUPS[part]}


def parts_left_out(
    data: Features, settings: Settings, meta: dict | None = None
) -> dict[str, tuple[Features, Settings]]:
    """What is trained for each part: the features and settings without it.

    Args:
        data: features of the network.
        settings: of the network.
        meta: what preprocessing recorded; parts that the data lack are not tried.

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
    silent = silent_features(meta or {})
    for part, names in FEATURE_GROUPS.items():
        if silent.issuperset(names):
            continue
        changed[f"without {part}"] = (data.without(*names), settings)
    return changed
