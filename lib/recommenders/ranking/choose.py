"""The ranking models with their settings, and the grids these were chosen from."""

import pandas as pd

from lib.recommenders.ranking.evaluate import compare
from lib.recommenders.ranking.histories import LeaveOneOut
from lib.recommenders.ranking.item_models import EASE, ItemKNN, TopPop
from lib.recommenders.ranking.matrix_factorization import IALS, PureSVD
from lib.recommenders.ranking.model import RankingModel
from lib.recommenders.ranking.neural_cf import NeuralCF
from lib.recommenders.ranking.next_movie import NextMovie
from lib.recommenders.ranking.tuned_neural_cf import TunedNeuralCF

# Settings that are tried on the validation split of every data set: seconds each.
GRIDS: dict[type[RankingModel], list[dict]] = {
    ItemKNN: [{"k": k, "shrink": s} for k in (20, 50, 100, 200) for s in (0, 10)],
    PureSVD: [{"factors": factors} for factors in (10, 15, 20, 30, 40)],
    EASE: [{"reg": reg} for reg in (100, 200, 350, 500, 1000)],
    IALS: [
        {"embedding_size": 64, "reg": reg, "alpha": alpha, "epochs": 8}
        for reg in (0.003, 0.01, 0.03)
        for alpha in (0.1, 0.3)
    ],
}
# Settings of the tuned neural CF; a run takes about a minute, so the choice was made
# once, on the validation split of ml-100k, and the notebook repeats it when asked.
NEURAL_GRID = [
    {},
    {"activation": "relu"},
    {"hidden": (200, 200)},
    {"embedding_size": 0},
    {"embedding_size": 100},
    {"dropout": 0.3},
]
QUICK: dict[type[RankingModel], dict] = {
    IALS: {"embedding_size": 16, "epochs": 3},
    NeuralCF: {"epochs": 2, "batch_size": 4096},
    TunedNeuralCF: {"epochs": 3, "hidden": (64,)},
    NextMovie: {"epochs": 2, "embedding_size": 32, "units": 32, "window": 50},
}


def choose(
    kind: type[RankingModel], validation: LeaveOneOut, quick: bool = False
) -> tuple[RankingModel, pd.DataFrame]:
    """The best of a model's grid on the validation split.

    Args:
        kind: a class of `GRIDS`.
        validation: `leave_one_out(split.train)`; never the test split.
        quick: try only the first two settings, with those of `QUICK`.

    Returns:
        A model with the chosen settings, to be fitted on `split.train`, and the table
        of all settings, see `ranking.compare`.
    """
    grid = GRIDS[kind]
    if quick:
        grid = [{**row, **QUICK.get(kind, {})} for row in grid[:2]]
    labels = {", ".join(f"{k} {v}" for k, v in row.items()): row for row in grid}
    models = {label: kind(**row) for label, row in labels.items()}
    table = compare(models, validation)
    return kind(**labels[table["model"][0]]), table


def neural_models(quick: bool = False, seed: int = 0) -> dict[str, RankingModel]:
    """The networks by name, not fitted.

    Args:
        quick: small and short, for tests and the synthetic sample.
        seed: of all of them.
    """

    def settings(kind):
        return {"seed": seed, **(QUICK[kind] if quick else {})}

    return {
        "neural_cf": NeuralCF(**settings(NeuralCF)),
        "neural_cf_tuned": TunedNeuralCF(**settings(TunedNeuralCF)),
        "next_movie_gru": NextMovie("gru", **settings(NextMovie)),
        "next_movie_lstm": NextMovie("lstm", **settings(NextMovie)),
    }


def linear_models(
    validation: LeaveOneOut, quick: bool = False
) -> tuple[dict[str, RankingModel], pd.DataFrame]:
    """TopPop and the chosen ItemKNN, PureSVD, EASE and iALS, not fitted.

    Returns:
        The models by name, and the tables of `choose` under each other.
    """
    models: dict[str, RankingModel] = {TopPop.name: TopPop()}
    tables = []
    for kind in GRIDS:
        models[kind.name], table = choose(kind, validation, quick)
        tables.append(table.rename(columns={"model": "settings"}))
        tables[-1].insert(0, "model", kind.name)
    return models, pd.concat(tables, ignore_index=True)
