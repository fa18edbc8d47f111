"""Sentences on a network that notebooks 03 to 05 say alike."""

from collections.abc import Mapping

import pandas as pd

from lib.forecast.trainer import Trained
from lib.text import number

VERDICTS = {
    "better": "better beyond chance",
    "even": "neither better nor worse beyond chance",
    "worse": "worse beyond chance",
}


def compared(
    name: str, trained: Mapping[int, Trained], gap: pd.Series, baseline: str
) -> str:
    """A sentence on a network against a simple forecast, test slots.

    Args:
        name: of the network, for readers.
        trained: seed → trained network.
        gap: of `compare_with_baseline`.
        baseline: name of the simple forecast, for readers.
    """
    many = (
        f"Averaged over {len(trained)} seeds" if len(trained) > 1 else "With one seed"
    )
    return (
        f"{many}, the {name} is **{VERDICTS[gap['verdict']]}** than {baseline}: "
        f"{number(gap['difference'], sign='+')} nats per request (95 % interval "
        f"{number(gap['low'], sign='+')} to {number(gap['high'], sign='+')}, "
        f"{gap['slots']} test slots)."
    )


def learned(
    name: str, scores: pd.DataFrame, gap: pd.Series, simple: pd.Series, *more: str
) -> list[str]:
    """What a notebook on one network ends with, as sentences.

    Args:
        name: of the network, for readers.
        scores: of `lib.experiments.task.record_network`.
        gap: of `compare_with_baseline`, against the best simple forecast.
        simple: least cross_entropy and rmse of the simple forecasts.
        more: sentences of the notebook itself.
    """
    mean, seeds = scores.loc["mean"], scores.drop("mean")["cross_entropy"]
    lines = [
        f"Cross-entropy of the {name}: {number(mean['cross_entropy'])} nats per "
        "request on the test slots; the best simple forecast has "
        f"{number(simple['cross_entropy'])}. "
        f"The network is {VERDICTS[gap['verdict']]}.",
        f"RMSE of the share: {number(1e3 * mean['rmse'])}·10⁻³, of the best simple "
        f"forecast {number(1e3 * simple['rmse'])}·10⁻³.",
        *more,
    ]
    if len(seeds) > 1:
        ends = f"{number(seeds.min())} to {number(seeds.max())} nats per request"
        lines.append(f"The {len(seeds)} seeds, one by one, have {ends}.")
    return lines
