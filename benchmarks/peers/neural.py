"""LSTM, GRU and NHITS of neuralforecast, one network for all movies."""

import logging
import warnings
from functools import partial

import numpy as np
import pandas as pd
import torch
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MSE
from neuralforecast.models import GRU, LSTM, NHITS

from benchmarks.peers.protocol import Peer

STEPS = 300
SEED = 1
_RECURRENT = {
    "encoder_hidden_size": 32,
    "encoder_n_layers": 1,
    "decoder_hidden_size": 32,
}
_GRID = tuple(
    {"input_size": size, "scaler_type": scaler}
    for size in (6, 12, 24)
    for scaler in ("identity", "standard")
)


def network(
    series: np.ndarray, first: int, parameters: dict, model: type, **architecture
) -> np.ndarray:
    """Train on rows before `first`, then forecast each later row one step ahead."""
    _quiet()
    n_slots, n_movies = series.shape
    # A window and its target must fit into the slots before `first`.
    window = min(parameters["input_size"], first - 2)
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(n_movies), n_slots),
            "ds": np.tile(np.arange(n_slots), n_movies),
            "y": series.T.ravel().astype(np.float32),
        }
    )
    network = model(
        h=1,
        loss=MSE(),
        max_steps=STEPS,
        learning_rate=3e-3,
        batch_size=128,
        windows_batch_size=512,
        random_seed=SEED,
        alias="peer",
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{**parameters, "input_size": window},
        **architecture,
    )
    rolled = NeuralForecast(models=[network], freq=1).cross_validation(
        frame, n_windows=n_slots - first, step_size=1, val_size=0, verbose=False
    )
    forecast = np.zeros((n_slots, n_movies))
    rows, columns = rolled["ds"].to_numpy(), rolled["unique_id"].to_numpy()
    forecast[rows, columns] = rolled["peer"].to_numpy()
    return forecast[first:]


def _quiet() -> None:
    """One core, and none of Lightning's remarks on devices and workers."""
    torch.set_num_threads(1)
    for name in ("pytorch_lightning", "lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning|neuralforecast")


PEERS = {
    "nf_lstm": Peer(partial(network, model=LSTM, **_RECURRENT), _GRID),
    "nf_gru": Peer(partial(network, model=GRU, **_RECURRENT), _GRID),
    "nf_nhits": Peer(
        partial(network, model=NHITS, mlp_units=[[64, 64]] * 3),
        _GRID,
    ),
}
