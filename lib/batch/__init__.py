"""Runs of notebooks: parameters, what is up to date, progress, files of many runs."""

from lib import names_of

__all__, __getattr__ = names_of(
    __name__,
    run=("Run", "Step", "Report", "plan", "run_all"),
    sweep=("read_runs", "run_sweep"),
    series=(
        *("report_defaults", "recommender_defaults", "from_environment"),
        "experiments_name",
    ),
)
