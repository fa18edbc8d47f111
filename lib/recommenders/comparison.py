"""The last comparison: what lower notebooks stored, side by side."""

from collections.abc import Mapping

import pandas as pd

from lib.figures.style import label
from lib.recommenders.notebook import bullets
from lib.recommenders.ranking.evaluate import FULL, SAMPLED
from lib.recommenders.ranking.tables import leaders
from lib.recommenders.rating.evaluate import (
    ALL_ROWS,
    FIVE_FOLD,
    HELD_OUT,
    RANDOM,
    TRAIN_ROWS,
    U1,
    UNSEEN,
    read_forecasts,
    same_rows,
    with_interval,
)

SEED4_RANKING = "seed4_99"
OVERALL = "mean"  # seed column of a seed-averaged row

# RMSE in stars by others: the tables named in the references
PUBLISHED = {
    ("ml-100k", FIVE_FOLD): {
        "Surprise: biases": 0.944,
        "Surprise: SVD": 0.934,
        "Surprise: KNNBaseline": 0.931,
        "Surprise: SVD++": 0.919,
    },
    ("ml-100k", U1): {
        "GC-MC": 0.905,
        "GLocal-K": 0.889,
        "GHRS (demographics)": 0.887,
    },
}

# system, headline, metric, model and protocol that repeat it, what it measured
HEADLINES = [
    (
        "RecommenderNet (seed 2)",
        "RMSE 0.787",
        "rmse",
        ("recommendernet_as_reported", ALL_ROWS),
        ("recommendernet", RANDOM),
        "all rows, those it was trained on among them",
    ),
    (
        "Wide & Deep (seed 3)",
        "MSE 1.21",
        "mse",
        ("wide_deep", RANDOM),
        ("wide_deep", RANDOM),
        "held-out rows, but the squared error",
    ),
    (
        "SVD++ (seed 4)",
        "RMSE 0.5113",
        "rmse",
        ("svdpp", UNSEEN),
        ("svdpp", RANDOM),
        "unseen pairs against the mean rating: no error of a rating",
    ),
    (
        "Neural CF (seed 4)",
        "HR@10 0.61",
        "hr_at_10",
        ("neural_cf", SEED4_RANKING),
        ("neural_cf", FULL),
        "1 held-out movie among 99 drawn ones, ties won; sound: among all",
    ),
]


def value_of(rows: pd.DataFrame, model: str, protocol: str, metric: str) -> float:
    """One number of results.csv: of the seed-averaged row, else of the first; or NaN.

    Args:
        rows: columns of `lib.schema.RECOMMENDER_COLUMNS`.
        model: name in the file.
        protocol: name in the file.
        metric: name in the file.
    """
    found = rows[
        (rows["model"] == model)
        & (rows["protocol"] == protocol)
        & (rows["metric"] == metric)
    ]
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
        DataFrame, index: model; rmse (stars) and whose it is. Empty where nothing is
        published for the data set and protocol.
    """
    others = PUBLISHED.get((data, protocol), {})
    if not others:
        return pd.DataFrame()
    ours = {label(name): (value, "here") for name, value in table["rmse"].items()}
    both = ours | {name: (value, "published") for name, value in others.items()}
    frame = pd.DataFrame.from_dict(both, orient="index", columns=["rmse", "source"])
    return frame.sort_values("rmse")


def ranking_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The ranking models, best NDCG against 99 first.

    Returns:
        DataFrame, index: model; hr_at_10, ndcg_at_10, low, high (95 % interval of HR@10
        against 99), full_hr_at_10, full_ndcg_at_10, full_low, full_high, fit_seconds.
    """
    ranked = rows[(rows["protocol"] == SAMPLED) & (rows["metric"] == "hr_at_10")]
    table = {}
    for model in ranked["model"].unique():
        row = {}
        for prefix, protocol in (("", SAMPLED), ("full_", FULL)):
            for name, metric in (
                ("hr_at_10", "hr_at_10"),
                ("ndcg_at_10", "ndcg_at_10"),
                ("low", "hr_at_10_low"),
                ("high", "hr_at_10_high"),
            ):
                row[prefix + name] = value_of(rows, model, protocol, metric)
        row["fit_seconds"] = value_of(rows, model, SAMPLED, "fit_seconds")
        table[model] = row
    if not table:
        return pd.DataFrame()
    frame = pd.DataFrame.from_dict(table, orient="index")
    return frame.sort_values("ndcg_at_10", ascending=False)


def shown_ranking(table: pd.DataFrame) -> pd.DataFrame:
    """The ranking table with intervals as text, at most eight columns."""
    shown = table[["hr_at_10", "ndcg_at_10"]].copy()
    shown.insert(1, "95 %", _brackets(table["low"], table["high"]))
    shown[["full_hr_at_10"]] = table[["full_hr_at_10"]]
    shown["95 %, all"] = _brackets(table["full_low"], table["full_high"])
    shown[["full_ndcg_at_10", "fit_seconds"]] = table[
        ["full_ndcg_at_10", "fit_seconds"]
    ]
    return shown


def _brackets(low: pd.Series, high: pd.Series) -> list[str]:
    return [f"{a:.3f}–{b:.3f}" for a, b in zip(low, high, strict=True)]


def headline_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The seeds' four numbers, what they measured, and ours.

    Returns:
        DataFrame, index: system; headline, measured on, same protocol, sound protocol.
    """
    table = {}
    for system, headline, metric, own, sound, meaning in HEADLINES:
        table[system] = {
            "headline": headline,
            "what it measured": meaning,
            "same protocol here": value_of(rows, *own, metric),
            "sound protocol here": value_of(rows, *sound, metric),
        }
    return pd.DataFrame.from_dict(table, orient="index")


def reading(rows: pd.DataFrame) -> str:
    """The headline table in sentences, for the systems that were measured."""
    lines = []
    inside = value_of(rows, "recommendernet_as_reported", TRAIN_ROWS, "rmse")
    outside = value_of(rows, "recommendernet_as_reported", RANDOM, "rmse")
    if inside == inside:
        lines.append(
            f"0.787: four fifths of the rows were trained on (RMSE {inside:.3f} here) "
            f"and one fifth was not ({outside:.3f}); their mixture is the headline."
        )
    squared = value_of(rows, "wide_deep", RANDOM, "mse")
    mean = value_of(rows, "mean", RANDOM, "mse")
    if squared == squared:
        lines.append(
            f"1.21: a squared error. Its root is comparable with the others: "
            f"{squared**0.5:.3f} stars here, where the mean alone has {mean**0.5:.3f}."
        )
    unseen = value_of(rows, "svdpp", UNSEEN, "rmse")
    truth = value_of(rows, "svdpp", RANDOM, "rmse")
    if unseen == unseen:
        lines.append(
            f"0.5113: how far forecasts lie from the mean rating, {unseen:.4f} here; "
            f"true ratings are missed by {truth:.3f} stars."
        )
    lenient = value_of(rows, "neural_cf", SEED4_RANKING, "hr_at_10")
    full = value_of(rows, "neural_cf", FULL, "hr_at_10")
    if lenient == lenient:
        lines.append(
            f"0.61: a hit among 100 candidates, {lenient:.3f} here; among all unseen "
            f"movies the same network hits {full:.3f}."
        )
    return bullets(lines)


def conclusions(
    tables: Mapping[str, pd.DataFrame], ranking: pd.DataFrame, data: str
) -> str:
    """What notebook 07 found.

    Args:
        tables: protocol → from `rating_table`.
        ranking: from `ranking_table`; may be empty.
        data: name of the data set.
    """
    lines = []
    for protocol, table in tables.items():
        best, row = table.index[0], table.iloc[0]
        text = (
            f"Ratings, `{protocol}`: **{label(best)}** is best with RMSE "
            f"{row['rmse']:.4f} ({row['rmse_low']:.3f} to {row['rmse_high']:.3f})"
        )
        others = PUBLISHED.get((data, protocol))
        if others:
            name = min(others, key=others.get)
            text += f"; the best published number here is {others[name]:.3f} ({name})"
        lines.append(text + ".")
    if len(ranking):
        top = ranking["full_ndcg_at_10"].idxmax()
        lines.append(
            f"Ranking: against 99 movies {leaders(ranking)}; among all movies "
            f"**{label(top)}** leads with HR@10 "
            f"{ranking.loc[top, 'full_hr_at_10']:.3f} and NDCG@10 "
            f"{ranking.loc[top, 'full_ndcg_at_10']:.3f}."
        )
    lines.append(
        "None of the four headlines can be compared with another or with the tables "
        "above: each has rows, candidates or a metric of its own."
    )
    return bullets(lines)
