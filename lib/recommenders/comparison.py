"""The last comparison: what lower notebooks stored, side by side."""

from collections.abc import Mapping

import pandas as pd

from lib.figures.style import label
from lib.recommenders.rating.evaluate import (
    ALL_ROWS,
    FIVE_FOLD,
    HELD_OUT,
    OVERALL,
    RANDOM,
    U1,
    UNSEEN,
    read_forecasts,
    same_rows,
    with_interval,
)
from lib.recommenders.rating.model import KNOWS
from lib.recommenders.rating.registry import knows
from lib.schema import FULL, SAMPLED

LENIENT = "hybrid_report_99"  # the hybrid report's own ranking protocol
BY_DATE = "by_date_full"  # train before a date, test after it, all unseen movies
AS_REPORTED = "as reported"  # setting of the network that a report describes

# Whose RMSE in stars, what it reads besides the ratings; the tables are those named in
# the references. Surprise draws its own five folds.
PUBLISHED = {
    ("ml-100k", FIVE_FOLD): {
        "Surprise: biases": (0.944, "ratings"),
        "Surprise: SVD": (0.934, "ratings"),
        "Surprise: KNNBaseline": (0.931, "ratings"),
        "Surprise: SVD++": (0.919, KNOWS["history"]),
    },
    ("ml-100k", U1): {
        "GC-MC": (0.905, KNOWS["features"]),
        "GLocal-K": (0.889, "ratings"),
        "GHRS": (0.887, KNOWS["features"]),
    },
}

# System: headline, what it measured, metric, and (model, setting, protocol) twice: as
# the report measured it, and the same network on held-out rows or among all movies
HEADLINES = {
    "RecommenderNet report": (
        "RMSE 0.787",
        "all rows, those it was trained on among them",
        "rmse",
        ("recommendernet", AS_REPORTED, ALL_ROWS),
        ("recommendernet", AS_REPORTED, RANDOM),
    ),
    "Wide & Deep report": (
        "MSE 1.21",
        "held-out rows, but the squared error",
        "mse",
        ("wide_deep", "", RANDOM),
        ("wide_deep", "", RANDOM),
    ),
    "Hybrid report, SVD++": (
        "RMSE 0.5113",
        "unseen pairs against the mean rating: no error of a rating",
        "rmse",
        ("svdpp", "", UNSEEN),
        ("svdpp", "", RANDOM),
    ),
    "Hybrid report, neural CF": (
        "HR@10 0.61",
        "1 held-out movie among 99 drawn ones, ties won; sound: among all",
        "hr_at_10",
        ("neural_cf", "", LENIENT),
        ("neural_cf", "", FULL),
    ),
}


def value_of(
    rows: pd.DataFrame, model: str, protocol: str, metric: str, setting: str = ""
) -> float:
    """One number of results.csv: of the seed-averaged row, else of the first; or NaN.

    Args:
        rows: columns of `lib.schema.RESULT_COLUMNS`.
        model: name in the file.
        protocol: name in the file.
        metric: name in the file.
        setting: text in the file.
    """
    names = {"model": model, "setting": setting, "protocol": protocol, "metric": metric}
    found = rows[(rows[list(names)] == pd.Series(names)).all(axis=1)]
    if found.empty:
        return float("nan")
    mean = found[found["seed"] == OVERALL]
    return float((mean if len(mean) else found)["value"].iloc[0])


def stored_forecasts(processed) -> dict[str, dict[str, pd.DataFrame]]:
    """Protocol → model → forecast, where lower notebooks kept some of the same rows."""
    found = {name: same_rows(read_forecasts(processed, name)) for name in HELD_OUT}
    return {name: models for name, models in found.items() if models}


def rating_table(
    forecasts: Mapping[str, pd.DataFrame], rows: pd.DataFrame, protocol: str
) -> pd.DataFrame:
    """The rating models under one protocol, best first.

    Returns:
        DataFrame, index: model; rmse, rmse_low, rmse_high, mae (stars), fit_seconds,
        model_mb.
    """
    table = {}
    for name, forecast in forecasts.items():
        metrics = with_interval(forecast)
        table[name] = {k: metrics[k] for k in ("rmse", "rmse_low", "rmse_high", "mae")}
        for metric in ("fit_seconds", "model_mb"):
            table[name][metric] = value_of(rows, name, protocol, metric)
    return pd.DataFrame.from_dict(table, orient="index").sort_values("rmse")


def with_published(table: pd.DataFrame, data: str, protocol: str) -> pd.DataFrame:
    """RMSE of ours and of others under the same protocol, best first.

    Returns:
        DataFrame, index: model; rmse (stars), whose it is, and what theirs reads. Empty
        where nothing is published for the data set and protocol.
    """
    others = PUBLISHED.get((data, protocol), {})
    if not others:
        return pd.DataFrame()
    both = {label(n): (x, "here", knows(n)) for n, x in table["rmse"].items()}
    both |= {n: (value, "published", known) for n, (value, known) in others.items()}
    columns = ["rmse", "source", "knows"]
    frame = pd.DataFrame.from_dict(both, orient="index", columns=columns)
    return frame.sort_values("rmse")


def ranking_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The ranking models, best NDCG among all movies first.

    Returns:
        DataFrame, index: model; each metric with `_low` and `_high` (95 % interval)
        against 99 movies, the same among all as `full_<metric>`, fit_cpu_seconds.
    """
    ranked = rows[(rows["protocol"] == SAMPLED) & (rows["metric"] == "hr_at_10")]
    metrics = ("hr_at_10", "ndcg_at_10", "mrr")
    names = [f"{metric}{end}" for metric in metrics for end in ("", "_low", "_high")]
    table = {
        model: {
            prefix + name: value_of(rows, model, protocol, name)
            for prefix, protocol in (("", SAMPLED), ("full_", FULL))
            for name in names
        }
        | {"fit_cpu_seconds": value_of(rows, model, SAMPLED, "fit_cpu_seconds")}
        for model in ranked["model"].unique()
    }
    if not table:
        return pd.DataFrame()
    frame = pd.DataFrame.from_dict(table, orient="index")
    return frame.sort_values("full_ndcg_at_10", ascending=False)


def by_date_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The models of the split by date, best NDCG among all movies first.

    Returns:
        DataFrame, index: model; hr_at_10, its ends, ndcg_at_10, mrr, coverage, novelty
        (bits) and popularity_bias. Empty where nothing is stored.
    """
    metrics = ["hr_at_10", "hr_at_10_low", "hr_at_10_high", "ndcg_at_10", "mrr"]
    metrics += ["coverage", "novelty", "popularity_bias"]
    models = rows.loc[rows["protocol"] == BY_DATE, "model"].unique()
    table = {n: {m: value_of(rows, n, BY_DATE, m) for m in metrics} for n in models}
    frame = pd.DataFrame.from_dict(table, orient="index", columns=metrics)
    return frame.sort_values("ndcg_at_10", ascending=False)


def interval_text(table: pd.DataFrame, metric: str) -> pd.Series:
    """Intervals as text, from the columns `<metric>_low` and `<metric>_high`."""
    low, high = (
        table[f"{metric}_{end}"].map("{:.3f}".format) for end in ("low", "high")
    )
    return low + "–" + high


def shown_ranking(table: pd.DataFrame) -> pd.DataFrame:
    """The ranking table with intervals as text, at most eight columns."""
    shown = {}
    for prefix, title in (("", "95 %"), ("full_", "95 %, all")):
        hits = f"{prefix}hr_at_10"
        shown[hits] = table[hits]
        shown[title] = interval_text(table, hits)
        shown[f"{prefix}ndcg_at_10"] = table[f"{prefix}ndcg_at_10"]
    return pd.DataFrame(shown | {"fit_cpu_seconds": table["fit_cpu_seconds"]})


def headline_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The reports' four numbers, what they measured, and ours.

    Returns:
        DataFrame, index: system; headline, what it measured, same protocol here, sound
        protocol here.
    """
    table = {}
    for system, (headline, meaning, metric, own, sound) in HEADLINES.items():
        values = [
            value_of(rows, model, protocol, metric, setting)
            for model, setting, protocol in (own, sound)
        ]
        table[system] = [headline, meaning, *values]
    columns = ["headline", "what it measured"]
    columns += ["same protocol here", "sound protocol here"]
    return pd.DataFrame.from_dict(table, orient="index", columns=columns)
