"""Which movie does a user watch next? Histories, splits, models and their ranks."""

from lib.recommenders.ranking.choose import choose, linear_models, make
from lib.recommenders.ranking.evaluate import (
    differences,
    fit_and_rank,
    intervals,
    list_metrics,
    rank_fitted,
    score_table,
)
from lib.recommenders.ranking.histories import build_histories
from lib.recommenders.ranking.splits import leave_one_out, time_split

__all__ = [
    "build_histories",
    "choose",
    "differences",
    "fit_and_rank",
    "intervals",
    "leave_one_out",
    "linear_models",
    "list_metrics",
    "make",
    "rank_fitted",
    "score_table",
    "time_split",
]
