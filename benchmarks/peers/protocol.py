"""From raw one-step-ahead forecasts to tuned shares, the same way for every peer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.evaluation.evaluate import judged_on_both
from lib.evaluation.metrics import per_slot_scores, single
from lib.evaluation.splits import Split
from lib.forecast.baselines import NAIVE, credit, mix

METRICS = ("cross_entropy", "rmse")

# (series (T, M), first forecast row, parameters) → raw forecasts (T − first, M): rows
# from `first` on, one step ahead, fitted on rows before `first`
Predict = Callable[[np.ndarray, int, dict], np.ndarray]


@dataclass(frozen=True)
class Peer:
    """A forecaster and the parameter sets among which it is tuned."""

    predict: Predict
    grid: tuple[dict, ...] = ({},)

    def limited(self, parameters: Iterable[dict]) -> "Peer":
        """The same peer with those sets of its grid only."""
        chosen = list(parameters)
        return Peer(self.predict, tuple(p for p in self.grid if p in chosen))


@dataclass(frozen=True)
class Result:
    """Scores of one peer.

    Attributes:
        per_slot: rows of validation and test slots, column `split` first.
        parameters: metric → what was chosen for it.
        chosen: the sets of the peer's grid among these.
    """

    per_slot: pd.DataFrame
    parameters: dict[str, dict]
    chosen: list[dict]


def run_peer(peer: Peer, series: np.ndarray, counts: np.ndarray, split: Split):
    """Tune a peer on the validation slots and score it there and on the test slots.

    Args:
        peer: the peer.
        series: (T, M) what it forecasts, on any scale; only relative sizes matter.
        counts: (T, M) requests, to score with.
        split: the cut-offs.
    """
    known = split.before_test(series)
    truth = split.before_test(counts)[split.validation.start :]
    raw = [peer.predict(known, split.validation.start, p) for p in peer.grid]
    tables, parameters, late = {}, {}, {}
    for metric in METRICS:
        chosen, epsilon = _choose(raw, truth, metric)
        if chosen not in late:
            late[chosen] = peer.predict(
                split.seen(series), split.test.start, peer.grid[chosen]
            )
        both = np.vstack([raw[chosen], late[chosen]])
        tables[metric] = _score(mix(_shares(both), epsilon), counts, split)
        parameters[metric] = {**peer.grid[chosen], "epsilon": epsilon}
    return Result(
        judged_on_both(*tables.values()), parameters, [peer.grid[i] for i in late]
    )


def _shares(raw: np.ndarray) -> np.ndarray:
    """Raw forecasts as shares: negative and missing ones are 0, rows sum to 1."""
    return credit(np.maximum(np.nan_to_num(raw), 0), 0.0)


def _choose(raw: Iterable[np.ndarray], truth: np.ndarray, metric: str):
    """Number of the parameter set and ε of the least metric."""
    slots, best = range(len(truth)), None
    for number, forecast in enumerate(raw):
        q = _shares(forecast)
        for epsilon in NAIVE["ewma"].amounts:
            if epsilon == 0 and metric == "cross_entropy":
                continue
            value = single(metric, truth, mix(q, epsilon), slots)
            if best is None or value < best[0]:
                best = (value, number, epsilon)
    return best[1:]


def _score(q: np.ndarray, counts: np.ndarray, split: Split) -> pd.DataFrame:
    """Per-slot scores of the validation and test slots, which are the rows of q."""
    counts = split.seen(counts)
    forecast = np.full(counts.shape, 1 / counts.shape[1])
    forecast[split.validation.start :] = q
    parts = []
    for part in ("validation", "test"):
        table = per_slot_scores(counts, forecast, split.parts[part])
        table.insert(0, "split", part)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)
