"""Arrays in, numbers out: measures, splits and comparisons. It knows no model."""

from lib import names_of

__all__, __getattr__ = names_of(
    __name__,
    evaluate=("evaluate", "evaluate_rolling", "compare", "scores_by_split"),
    metrics=("METRICS", "per_slot_scores", "score"),
    cold_start=("cold_start",),
    splits=("time_split", "rolling_origins"),
)
