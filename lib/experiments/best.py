"""The default forecast `best` trained for the slot after the last, kept and read back.

It pools three networks, the linear softmax and trees of two kinds
(`lib.forecast.combination`). All of them learn from every complete slot; the last fifth
of the slots chooses parameters and weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import lightgbm as lgb
import numpy as np
import pandas as pd

from lib.data.grid import Grid
from lib.data.slots import end_of_slots, slot_range
from lib.errors import UserError
from lib.evaluation.splits import Split
from lib.experiments.task import mean_forecast
from lib.files import (
    checksum,
    first_damaged,
    new_folder,
    read_network,
    read_sealed,
    write_sealed,
)
from lib.forecast import boosted_trees, linear
from lib.forecast.batches import SlotBatches
from lib.forecast.combination import (
    COMPANIONS,
    Combination,
    combine,
    companions,
    pooled,
)
from lib.forecast.features import Features, build_features
from lib.forecast.linear import Fitted
from lib.forecast.trainer import Settings, Trained, arrays, run
from lib.progress import announce
from lib.schema import MOVIE
from lib.text import shown_text

CELLS = ("lstm", "gru", "conv1d_lstm")


@dataclass(frozen=True)
class Members:
    """Everything that `best` is made of, for one grid and split.

    Attributes:
        networks: cell → seed → trained network.
        others: the linear softmax and the trees.
        forecasts: name → (T, M) shares of each network, averaged over its seeds, and of
            each of the others; rows before the validation slots are zero.
        best: the pool of the networks and of `combination.COMPANIONS`.
    """

    networks: dict[str, dict[int, Trained]]
    others: dict[str, Fitted]
    forecasts: dict[str, np.ndarray]
    best: Combination


def train_members(
    grid: Grid,
    data: Features,
    split: Split,
    folder: Path,
    settings: Settings,
    seeds: Sequence[int],
    metrics: Sequence[str] = ("cross_entropy",),
) -> Members:
    """Train all parts of `best` and pool them from the validation slots on.

    Args:
        grid: the grid.
        data: its features.
        split: which slots are learnt from, which choose, which are forecast.
        folder: keeps trainings, which are read back where nothing has changed.
        settings: of the networks, but for the cell.
        seeds: seeds of each network.
        metrics: what the trees on lags are tuned for, see `combination.companions`.
    """
    networks: dict[str, dict[int, Trained]] = {}
    for cell in CELLS:
        arguments = data, grid.counts, replace(settings, cell=cell), split
        name = f"{cell} until slot {split.test.start} seed"
        networks[cell] = {
            seed: run(*arguments, seed=seed, folder=folder, name=f"{name} {seed}")
            for seed in seeds
        }
    announce("linear softmax and trees …")
    since = split.validation.start
    others = companions(grid, data, split, metrics, since)
    forecasts = {
        cell: mean_forecast(trained, since) for cell, trained in networks.items()
    }
    forecasts |= {name: fitted.forecast for name, fitted in others.items()}
    parts = {name: forecasts[name] for name in (*CELLS, *COMPANIONS)}
    best = combine(parts, grid.counts, split, since)
    return Members(networks, others, forecasts, best)


def with_next_slot(grid: Grid) -> tuple[Grid, Split]:
    """The grid with one empty slot more, to be forecast, and the split to do so.

    Every slot that is there is learnt from; the last fifth chooses. The added slot
    holds no request, so that nothing can be read from it.
    """
    number = len(grid.slots)
    zeros = np.zeros_like(grid.counts[:1])
    longer = replace(
        grid,
        counts=np.vstack([grid.counts, zeros]),
        mean_rating=np.vstack([grid.mean_rating, np.full_like(zeros, np.nan)]),
        returning=np.vstack([grid.returning, zeros]),
        users=np.append(grid.users, np.float32(0)),
        slots=grid.slots.append(following(grid, 1)),
    )
    first = number - max(1, number // 5)
    if first < 2:
        raise UserError(
            f"the data has {number} complete slot(s); expected 3 or more to forecast "
            "the next one: choose a shorter SLOT or a longer log."
        )
    return longer, Split(range(first), range(first, number), range(number, number + 1))


def following(grid: Grid, number: int) -> pd.DatetimeIndex:
    """Starts of the slots after the last one."""
    start, slot = grid.slots[-1], grid.meta["slot"]
    return slot_range(start, end_of_slots(start, slot, number), slot)[1:]


@dataclass(frozen=True)
class Forecaster:
    """`best` for all slots and the one after them, from a training or read back.

    Attributes:
        split: whose validation slots tell how far the forecast errs.
        best: (T + 1, M) shares; rows of validation slots and the last one are made by
            models that had not seen them, those before are zero.
        age: complete slots since the models were trained.
        trained_until: start of the last slot that they learnt from.
    """

    split: Split
    best: np.ndarray
    age: int
    trained_until: pd.Timestamp


def train(
    grid: Grid, folder: Path, settings: Settings, seeds: Sequence[int]
) -> Forecaster:
    """Train `best` on every complete slot and keep it for `read_back`.

    Args:
        grid: the complete slots.
        folder: data/processed/<run>; the model goes to its `next_slot`.
        settings: of the networks, but for the cell.
        seeds: seeds of each network.
    """
    longer, split = with_next_slot(grid)
    data = build_features(longer, split, folder)
    place = folder / "training"
    members = train_members(longer, data, split, place, settings, seeds)
    _save(folder / "next_slot", members, grid, split, settings)
    return Forecaster(split, members.best.forecast, 0, grid.slots[-1])


def _save(place: Path, members: Members, grid: Grid, split, settings) -> None:
    """Write the model: networks as .keras, trees as text, numbers as JSON and npz."""
    about = {
        "first_slot": str(grid.slots[0]),
        "slots": len(grid.slots),
        "chosen_from": split.validation.start,
        "pool": members.best.pool,
        "weights": members.best.weights,
        "t_slot": settings.t_slot,
        "epsilon": members.others["lightgbm"].parameters["epsilon"],
        "features": members.others["linear"].model.size,
    }
    with new_folder(place, about) as part:
        for cell, trained in members.networks.items():
            for seed, one in trained.items():
                (part / f"{cell}-{seed}.keras").write_bytes(one.path.read_bytes())
        for name in ("lightgbm", "lightgbm_residual"):
            (part / f"{name}.txt").write_text(
                members.others[name].model.model_to_string()
            )
        np.savez(
            part / "numbers.npz",
            linear=members.others["linear"].model,
            best=members.best.forecast.astype(np.float32),
            movies=grid.movies[MOVIE].to_numpy(),
        )
        # A library may crash on a damaged file: each is known by its checksum.
        sums = {path.name: checksum(path) for path in sorted(part.iterdir())}
        write_sealed(part / "model.json", about | {"sums": sums})
        (part / "README.md").write_text(model_card(grid.meta, about, members), "utf-8")


def model_card(meta: dict, about: dict, members: Members) -> str:
    """What a saved model is, knows and is not for (Mitchell et al. 2019), as Markdown.

    Args:
        meta: what preprocessing recorded of the data.
        about: what is saved of the model.
        members: its parts.
    """
    weights = about["weights"].items()
    words = {"users": ", those of returning users", "ratings": ", the mean rating"}
    more = [word for kind, word in words.items() if kind in meta.get("knows", words)]
    lines = [
        f"# Model card: `best` for {shown_text(str(meta['dataset']))}, {meta['slot']}",
        "",
        f"Forecasts the share of the next slot's requests that each "
        f"{meta.get('item_name', 'movie')} gets, from the counts of the slots before.",
        "",
        f"- **Parts and weights** ({about['pool']} pool): "
        + ", ".join(f"{name} {weight:.3f}" for name, weight in weights),
        f"- **Networks**: {', '.join(members.networks)}; windows of {about['t_slot']} "
        "slots; one `.keras` file for each seed. Trees are `.txt`.",
        f"- **Learnt from**: {about['slots']} complete slots from "
        f"{about['first_slot']}{', synthetic' if meta.get('synthetic') else ''}; those "
        f"from number {about['chosen_from']} on chose parameters and weights.",
        f"- **Cross-entropy** on those slots: {members.best.validation_score:.4f} nats "
        "per request. They chose the weights, so new slots are forecast less well.",
        f"- **Reads** for each slot the requests{''.join(more)}, and what the "
        "catalogue says; it holds nothing of a single user.",
        "- **Not for** other logs or slots of other length, nor for what was never "
        "requested: newcomers share one small part of the requests.",
    ]
    return "\n".join(lines) + "\n"


def _predict(model: keras.Model, views, rows: np.ndarray) -> np.ndarray:
    """Shares forecast for the slots after some windows, (rows, movies)."""
    batches = SlotBatches(views, views[-1], rows)
    return np.exp([model.predict_on_batch(window)[0] for window, _ in batches])


def _read(place: Path) -> dict:
    """What `_save` says of the model, once every file is as it was written.

    Raises:
        UserError: there is no model, or a file of it has changed.
    """
    again = "run make forecast without MODEL=last."
    try:
        about = read_sealed(place / "model.json")
        changed = first_damaged(place, about["sums"])
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        raise UserError(
            f"{place}: no saved model ({missing} is missing); expected one: {again}"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{place / 'model.json'}: damaged; expected what "
            f"make forecast wrote: {again}"
        ) from error
    if changed:
        raise UserError(
            f"{place / changed}: damaged, its checksum is another than when it was "
            f"written; expected that of make forecast: {again}"
        )
    return about


def read_back(grid: Grid, folder: Path) -> Forecaster:
    """Forecast with the model that `train` kept, whatever rows have come since.

    Slots after its training are forecast one by one from what lay before each.

    Args:
        grid: the complete slots, those of the training among them.
        folder: data/processed/<run>.

    Raises:
        UserError: there is no model, it is damaged, or it is of another log.
    """
    place = folder / "next_slot"
    about = _read(place)
    with np.load(place / "numbers.npz") as numbers:
        weights, old, movies = (numbers[n] for n in ("linear", "best", "movies"))
    networks: dict[str, list] = {}
    for name in (name for name in about["sums"] if name.endswith(".keras")):
        cell = name.rsplit("-", 1)[0]
        networks.setdefault(cell, []).append(read_network(place / name))
    lags, residual = (
        lgb.Booster(model_str=(place / f"{name}.txt").read_text("utf-8"))
        for name in ("lightgbm", "lightgbm_residual")
    )
    number = about["slots"]
    ids = grid.movies[MOVIE].to_numpy()
    if str(grid.slots[0]) != about["first_slot"] or number > len(grid.slots):
        raise UserError(
            f"{place}: the saved model starts at {about['first_slot']}; expected "
            f"a start at {grid.slots[0]}: run make forecast without MODEL=last."
        )
    longer, _ = with_next_slot(grid)
    first = about["chosen_from"]
    split = Split(
        range(first),
        range(first, len(grid.slots)),
        range(len(grid.slots), len(longer.slots)),
    )
    data = build_features(longer, split)
    rows = range(number, len(longer.slots))
    views = arrays(data, Settings(t_slot=about["t_slot"]))
    index = np.arange(rows.start, rows.stop) - about["t_slot"]
    parts = {
        cell: np.mean([_predict(model, views, index) for model in models], axis=0)
        for cell, models in networks.items()
    }
    parts["linear"] = linear.apply(weights, data, rows)
    parts["lightgbm_residual"] = boosted_trees.apply(residual, data, rows)
    parts["lightgbm"] = boosted_trees.apply_to_lags(
        lags, longer, rows, about["epsilon"]
    )
    best = np.zeros(longer.counts.shape)
    known = np.isin(movies, ids)
    best[:number, np.searchsorted(ids, movies[known])] = old[:number, known]
    best[rows.start :] = pooled(about["pool"], about["weights"], parts)
    best[first:] /= best[first:].sum(axis=1, keepdims=True)
    return Forecaster(split, best, len(grid.slots) - number, grid.slots[number - 1])
