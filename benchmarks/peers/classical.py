"""AutoETS, TSB and Croston of statsforecast, one series at a time."""

from itertools import product

import numpy as np
from statsforecast.models import TSB, AutoETS, CrostonSBA

from benchmarks.peers.protocol import Peer

_SMOOTHING = (0.02, 0.05, 0.1, 0.2, 0.3)


def auto_ets(series: np.ndarray, first: int, _parameters: dict) -> np.ndarray:
    """Fit AutoETS("ZZN") before `first`; run it over later rows as it is.

    The fitted parameters and initial states are kept and the recursion runs over the
    whole series; its one-step forecasts from `first` on use earlier rows only.
    """
    forecast = np.zeros((len(series) - first, series.shape[1]))
    levels, cold = [], []
    for movie, y in enumerate(series.T.astype(np.float64)):
        if not y[:first].any():
            cold.append(movie)
            continue
        model = AutoETS(season_length=1, model="ZZN").fit(y[:first])
        levels.append(model.model_["par"][0])
        fitted = model.forward(y, h=1, fitted=True)["fitted"]
        forecast[:, movie] = fitted[first:]
    if cold and levels:
        alpha = float(np.nanmedian(levels))
        forecast[:, cold] = _exponential_smoothing(series[:, cold], alpha)[first:]
    return forecast


def _exponential_smoothing(y: np.ndarray, alpha: float) -> np.ndarray:
    """One-step forecasts of simple exponential smoothing from a level of 0."""
    forecast = np.zeros(y.shape)
    for t in range(1, len(y)):
        forecast[t] = (1 - alpha) * forecast[t - 1] + alpha * y[t - 1]
    return forecast


def tsb(series: np.ndarray, first: int, parameters: dict) -> np.ndarray:
    """TSB with given smoothing constants; there is nothing else to fit."""
    return _in_sample(TSB(**parameters), series)[first:]


def croston(series: np.ndarray, first: int, _parameters: dict) -> np.ndarray:
    """Croston's method in the Syntetos–Boylan form, smoothing 0.1."""
    return _in_sample(CrostonSBA(), series)[first:]


def _in_sample(model, series: np.ndarray) -> np.ndarray:
    """One-step forecasts of a model without fitted parameters, series by series.

    The `fitted` value of row t is made from the rows before t.
    """
    columns = [
        model.forecast(y, h=1, fitted=True)["fitted"] if y.any() else np.zeros(len(y))
        for y in series.T.astype(np.float64)
    ]
    return np.array(columns).T


PEERS = {
    "auto_ets": Peer(auto_ets),
    "tsb": Peer(
        tsb,
        tuple({"alpha_d": d, "alpha_p": p} for d, p in product(_SMOOTHING, _SMOOTHING)),
    ),
    "croston": Peer(croston),
}
