"""Tables in, pictures out: charts and readable tables in one style."""

from lib import names_of

__all__, __getattr__ = names_of(
    __name__,
    forecasts=(
        *("training_curves", "predicted_against_true", "error_per_slot", "dots"),
        *("sweep_chart", "ablation_chart", "cache_chart", "calibration_chart"),
    ),
    network=("draw_model",),
    tables=("readable", "difference_table"),
    style=("label",),
)
