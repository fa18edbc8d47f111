"""Counts in, shares out: simple forecasts, boosted trees, networks and their training.

Keras is loaded with the first name that needs it.
"""

from lib import names_of

__all__, __getattr__ = names_of(
    __name__,
    sequences=("windows", "targets"),
    baselines=("NAIVE", "tune"),
    features=("build_features",),
    networks=("build_model", "MovieWise"),
    losses=("LOSSES",),
    batches=("SampledSlots",),
    trainer=("Settings", "arrays"),
    device=("show_device",),
)
