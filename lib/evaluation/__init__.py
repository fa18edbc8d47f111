"""Arrays in, numbers out: measures, splits and comparisons. It knows no model."""

from lib import names_of

__all__, __getattr__ = names_of(
    __name__,
    evaluate=("compare", "scores_by_split", "check_no_leak"),
    metrics=("METRICS", "per_slot_scores", "score"),
    bootstrap=("rmse_interval",),
    splits=("time_split", "rolling_origins"),
)
