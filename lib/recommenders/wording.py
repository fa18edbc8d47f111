"""Sentences of the notebooks on rating models, made from their numbers."""

from collections.abc import Mapping

import pandas as pd

from lib.figures.style import label
from lib.recommenders.data import RatingData
from lib.recommenders.notebook import bullets
from lib.recommenders.rating.evaluate import ALL_ROWS, RANDOM, TRAIN_ROWS, Measured
from lib.recommenders.rating.tables import MOVIE_MEAN, WORDS

SEED4_DATA = "ml-latest-small-2016"  # MovieLens' small edition of 2016
RECIPE, FITTED, HELD_OUT_FIFTH = (
    "unseen pairs against the mean rating (seed 4)",
    "rows it was fitted on",
    "held-out fifth, random",
)


def no_demographics(data: RatingData, what: str) -> str:
    """Why a part of a notebook is left out."""
    return (
        f"**{data.name} says nothing of its users' age, gender, occupation and zip "
        f"code, which {what} reads. What needs them is left out; ml-100k, ml-1m and "
        "the sample have them.**"
    )


def fitted_and_held_out(table: pd.DataFrame, name: str) -> str:
    """How far the error on fitted rows is from that on held-out ones."""
    rows = table[name]
    inside, outside = rows[WORDS[TRAIN_ROWS]], rows[WORDS[RANDOM]]
    return (
        f"{label(name)}: RMSE {inside:.3f} stars on the rows it was fitted on, "
        f"{rows[WORDS[ALL_ROWS]]:.3f} on all rows and {outside:.3f} on the held-out "
        "fifth."
        + (
            " Mixing the rows hides "
            f"{outside - rows[WORDS[ALL_ROWS]]:.3f} stars of the error."
            if outside > rows[WORDS[ALL_ROWS]]
            else " Trained so briefly it has not yet learnt rows by heart."
        )
    )


def net_conclusions(
    own: pd.DataFrame,
    measured: Mapping[str, Measured],
    cold: pd.DataFrame,
    headline: float,
) -> str:
    """What notebook 02 found.

    Args:
        own: from `protocol_table`, the network as reported.
        measured: bias, recommendernet and recommendernet_plus.
        cold: from `cold_start_table`.
        headline: RMSE in seed 2's report, stars.
    """
    rmse = {name: one.metrics(RANDOM)["rmse"] for name, one in measured.items()}
    reported = own["recommendernet"]
    better = "below" if rmse["recommendernet"] < rmse["bias"] else "above"
    return bullets(
        [
            f"Seed 2's {headline} is an RMSE over **all rows**: that protocol gives "
            f"{reported[WORDS[ALL_ROWS]]:.3f} here, while the same network has "
            f"{reported[WORDS[RANDOM]]:.3f} on held-out rows.",
            f"Stopped early, RecommenderNet reaches {rmse['recommendernet']:.3f}, "
            f"{better} the {rmse['bias']:.3f} of plain biases.",
            "With ids and histories it reaches "
            f"{rmse['recommendernet_plus']:.3f}: a rating depends most on *this* movie "
            "and *this* user, not on their properties."
            if rmse["recommendernet_plus"] < rmse["recommendernet"]
            else "Ids and histories do not help it here: "
            f"{rmse['recommendernet_plus']:.3f}.",
            _new_users(cold),
        ]
    )


def _new_users(cold: pd.DataFrame) -> str:
    best, mean = cold.index[0], cold.loc[MOVIE_MEAN, "rmse"]
    if best == MOVIE_MEAN:
        return (
            f"For users never met, saying each movie's mean leaves {mean:.3f}, and no "
            "network does better from age, gender, occupation and zip code."
        )
    found = cold.loc[best, "rmse"]
    return (
        f"For users never met, {label(best)} is best with {found:.3f}; saying each "
        f"movie's mean leaves {mean:.3f}: demographics are worth {mean - found:.3f} "
        "stars."
    )


def wide_verdict(wide: Measured, mean: float, headline: float) -> str:
    """Seed 3's number beside ours.

    Args:
        wide: its network, measured.
        mean: MSE of always saying the mean, stars².
        headline: MSE in seed 3's report, stars².
    """
    found = wide.metrics(RANDOM)["mse"]
    return (
        f"On held-out rows the network has an MSE of {found:.3f} stars² (seed 3: "
        f"{headline}), an RMSE of {found**0.5:.3f} stars. It explains "
        f"{100 * (1 - found / mean):.1f} % of the variance of the ratings; on the rows "
        f"it was fitted on the MSE is {wide.metrics(TRAIN_ROWS)['mse']:.3f}. More "
        "training cannot mend that: its inputs hardly tell one movie from another."
    )


def wide_conclusions(
    measured: Mapping[str, Measured], mean: float, headline: float
) -> str:
    """What notebook 03 found; arguments as in `wide_verdict`."""
    mse = {name: one.metrics(RANDOM)["mse"] for name, one in measured.items()}
    return bullets(
        [
            f"Seed 3's {headline} is honest: a mean **squared** error on held-out "
            f"rows. Here it is {mse['wide_deep']:.3f}, and {mean:.3f} for always "
            "saying the mean.",
            f"Plain biases have {mse['bias']:.3f}: two numbers per user and movie beat "
            "a network that sees neither."
            if mse["bias"] < mse["wide_deep"]
            else f"Plain biases have {mse['bias']:.3f}, no better than the network.",
            f"With all genres, ids and histories the same idea reaches "
            f"{mse['wide_deep_plus']:.3f} (RMSE {mse['wide_deep_plus'] ** 0.5:.3f} "
            "stars).",
        ]
    )


def three_protocols(
    unseen: float, fitted: float, held_out: float, headline: float
) -> pd.DataFrame:
    """SVD++ under seed 4's protocol, on fitted rows and on held-out ones.

    Args:
        unseen: from `svdpp.unseen_against_mean`.
        fitted: RMSE on the rows it was fitted on.
        held_out: RMSE on the held-out fifth.
        headline: RMSE in seed 4's report.
    """
    rows = {RECIPE: unseen, FITTED: fitted, HELD_OUT_FIFTH: held_out}
    table = pd.DataFrame({"RMSE here": rows}).rename_axis("measured on")
    table["seed 4"] = [headline, float("nan"), float("nan")]
    return table


def recipe(name: str, three: pd.DataFrame, headline: float) -> str:
    """Whether seed 4's number is met, on its data."""
    found = three.loc[RECIPE, "RMSE here"]
    if name == SEED4_DATA:
        return (
            f"This is seed 4's data set: the recipe gives {found:.4f} where the report "
            f"has {headline}, a difference of {found - headline:+.4f}."
        )
    return (
        f"On {name} the recipe gives {found:.4f}; it measures how far forecasts stray "
        f"from the mean, which depends on the data. Seed 4's {headline} belongs to "
        f"{SEED4_DATA}."
    )


def svd_conclusions(
    three: pd.DataFrame, scores: pd.DataFrame, ladder: pd.DataFrame
) -> str:
    """What notebook 04 found.

    Args:
        three: from `three_protocols`.
        scores: from `score_table`.
        ladder: from `step_table`.
    """
    rmse = three["RMSE here"]
    best, gains = scores.index[0], ladder["gain"].dropna()
    total = ladder["rmse"].iloc[0] - ladder["rmse"].iloc[-1]
    return bullets(
        [
            f"Seed 4's protocol gives {rmse[RECIPE]:.4f} here: it compares forecasts "
            "with the mean and says nothing of ratings. Held-out ratings are missed by "
            f"{rmse[HELD_OUT_FIFTH]:.3f} stars, fitted ones by {rmse[FITTED]:.3f}.",
            f"**{label(best)}** is best with {scores.loc[best, 'rmse']:.4f} "
            f"({scores.loc[best, 'rmse_low']:.3f} to "
            f"{scores.loc[best, 'rmse_high']:.3f}), fitted in "
            f"{scores.loc[best, 'fit_seconds']:.1f} s; SVD++ has "
            f"{scores.loc['svdpp', 'rmse']:.4f}, the support vector machine "
            f"{scores.loc['svm', 'rmse']:.4f}, biases "
            f"{scores.loc['bias', 'rmse']:.4f}.",
            f"From ids alone to all ideas the Bayesian model gains {total:.4f} stars; "
            f"the step that brings most is *{gains.idxmax().removeprefix('+ ')}* with "
            f"{gains.max():.4f}.",
        ]
    )
