"""Questions put to forecasts: which network, which of its parts, which settings."""

from lib import names_of

__all__, __getattr__ = names_of(
    __name__,
    task=(
        *("open_task", "record_baselines", "record_network", "train_seeds"),
        *("mean_forecast", "load_network", "feature_table"),
    ),
    variants=(
        *("compare_variants", "compare_networks", "compare_with_baseline"),
        "one_at_a_time",
    ),
    ablation=("parts_left_out",),
)
