"""Which movie does a user watch next? Histories, splits, models and their ranks."""

from lib import names_of

__all__, __getattr__ = names_of(
    __name__,
    grids=("choose", "linear_models", "make"),
    evaluate=(
        *("differences", "fit_and_rank", "intervals", "list_metrics", "rank_fitted"),
        "score_table",
    ),
    histories=("build_histories",),
    splits=("leave_one_out", "time_split"),
)
