"""What each series of notebooks trains with unless it is told otherwise.

The notebooks themselves default to less, to open quickly. The synthetic sample is there
to show that everything works: less will do for it, too.
"""

import os
from collections.abc import Iterable
from typing import Any

from lib import paths
from lib.schema import SAMPLE

# Parameters that a series takes from the environment, where `make` leaves them
REPORT = ("EPOCHS", "SEEDS", "T_SLOT", "ORIGINS", "SWEEP")
REPORT += ("SWEEP_EPOCHS", "ABLATION_EPOCHS")
RECOMMENDERS = ("SEEDS", "QUICK")


def report_defaults(dataset: str) -> dict[str, Any]:
    """Parameters of `make report`, notebooks 01–06."""
    small = dataset == SAMPLE
    return {
        "EPOCHS": 8 if small else 15,
        "SEEDS": [0, 1, 2],
        "ORIGINS": 2 if small else 4,
        "SWEEP_EPOCHS": 3,
        "ABLATION_EPOCHS": 4 if small else 8,
    }


READERS = ["next_movie_gru", "next_movie_lstm", "sasrec"]


def recommender_defaults(dataset: str, quick: object = None) -> dict[str, object]:
    """Parameters of `make recommenders`.

    Args:
        dataset: name or path.
        quick: what was asked for, None for small networks on the sample alone.
    """
    if quick is None:
        quick = dataset == SAMPLE
    if str(quick).lower() in ("true", "yes", "1"):
        return {"QUICK": True}
    return {"QUICK": False, "LEAK": True, "READERS": READERS}


def from_environment(names: Iterable[str]) -> dict[str, Any]:
    """Those of the names that the environment sets; an empty value sets nothing."""
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def experiments_name(dataset: str, slot: str) -> str:
    """Name of the run that puts all experiments of a data set together."""
    return f"experiments-{paths.run_name(dataset, slot)}"
