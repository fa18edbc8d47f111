"""The ranking models with their settings, and the grids these were chosen from."""

from collections.abc import Callable

import pandas as pd

from lib.recommenders.ranking.evaluate import fit_and_rank, score_table
from lib.recommenders.ranking.item_models import (
    EASE,
    DoesNotFit,
    ItemKNN,
    RP3beta,
    TopPop,
)
from lib.recommenders.ranking.matrix_factorization import IALS, PureSVD
from lib.recommenders.ranking.model import RankingModel
from lib.recommenders.ranking.neural_cf import NeuralCF
from lib.recommenders.ranking.next_movie import NextMovie
from lib.recommenders.ranking.splits import Split
from lib.recommenders.ranking.tuned_neural_cf import TunedNeuralCF

Make = Callable[..., RankingModel]

# Eight settings for every model: the same budget for linear models and networks. They
# are tried on the validation split and chosen by the ranking among *all* movies.
GRIDS: dict[str, list[dict]] = {
    "item_knn": [{"k": k, "shrink": s} for k in (20, 100, 200, 400) for s in (0, 10)],
    "rp3beta": [{"k": k, "beta": b} for k in (50, 200) for b in (0.0, 0.2, 0.4, 0.6)],
    "pure_svd": [{"factors": n} for n in (5, 10, 15, 20, 30, 40, 60, 80)],
    "ease": [{"reg": reg} for reg in (5, 10, 25, 50, 100, 200, 400, 800)],
    "ials": [
        {"embedding_size": 64, "reg": reg, "alpha": alpha, "epochs": 8}
        for reg in (0.001, 0.003, 0.01, 0.03)
        for alpha in (0.1, 0.3)
    ],
    "neural_cf_tuned": [
        {},
        {"activation": "relu"},
        {"hidden": (200, 200)},
        {"hidden": (400,)},
        {"embedding_size": 0},
        {"embedding_size": 100},
        {"dropout": 0.3},
        {"dropout": 0.7},
    ],
    "next_movie_gru": [
        {},
        {"units": 64},
        {"units": 256},
        {"dropout": 0.2},
        {"dropout": 0.5},
        {"epochs": 10},
        {"epochs": 24},
        {"embedding_size": 128},
    ],
    "sasrec": [
        {},
        {"heads": 2},
        {"blocks": 1},
        {"dropout": 0.2},
        {"dropout": 0.5},
        {"epochs": 24},
        {"epochs": 60},
        {"learning_rate": 1e-3},
    ],
}
LINEAR: dict[str, Make] = {
    kind.name: kind for kind in (ItemKNN, RP3beta, PureSVD, EASE, IALS)
}
# Networks and their settings; these come from the grids above on the validation split
# of ml-100k, and the notebook repeats the choice when asked.
NETWORKS: dict[str, tuple[Make, dict]] = {
    "neural_cf": (NeuralCF, {}),
    "neural_cf_tuned": (TunedNeuralCF, {}),
    "next_movie_gru": (NextMovie, {"cell": "gru"}),
    "next_movie_lstm": (NextMovie, {"cell": "lstm"}),
    "sasrec": (NextMovie, {"cell": "sasrec", "epochs": 40, "batch_size": 32}),
}
QUICK: dict[Make, dict] = {
    IALS: {"embedding_size": 16, "epochs": 3},
    NeuralCF: {"epochs": 2, "batch_size": 4096},
    TunedNeuralCF: {"epochs": 3, "hidden": (64,)},
    NextMovie: {"epochs": 2, "embedding_size": 32, "units": 32, "window": 50},
}


def make(name: str, quick: bool = False, seed: int = 0, **settings) -> RankingModel:
    """A model by name, not fitted.

    Args:
        name: a key of `LINEAR` or `NETWORKS`.
        quick: small and short, for tests and the synthetic sample.
        seed: of a network's weights, draws and order.
        **settings: what differs from those of `NETWORKS` and from the defaults.
    """
    if name in LINEAR:
        kind, chosen = LINEAR[name], {}
    else:
        kind, chosen = NETWORKS[name]
        chosen = {"seed": seed, **chosen}
    less = QUICK.get(kind, {}) if quick else {}
    return kind(**chosen | settings | less)


def choose(
    name: str, validation: Split, quick: bool = False
) -> tuple[RankingModel | None, pd.DataFrame]:
    """The best of a model's grid on the validation split, by NDCG@10 among all movies.

    Args:
        name: a key of `GRIDS`.
        validation: `leave_one_out(split.train)`; never the test split.
        quick: try only the first two settings, with those of `QUICK`.

    Returns:
        A model with the chosen settings, to be fitted on `split.train`, and the table
        of all settings: model, settings and the columns of `score_table`, best first.
        A model that is too large for the data is None, and its one row says why.
    """
    grid = GRIDS[name][:2] if quick else GRIDS[name]
    texts = {", ".join(f"{k} {v}" for k, v in row.items()): row for row in grid}
    try:
        ranked = {
            text: fit_and_rank({"": make(name, quick, **row)}, validation)
            for text, row in texts.items()
        }
    except DoesNotFit as error:
        return None, pd.DataFrame({"model": [name], "settings": [error.short]})
    table = score_table(ranked).rename_axis("settings").reset_index()
    table.insert(0, "model", name)
    best = make(name, quick, **texts[table["settings"][0]])
    return best, table.replace({"settings": {"": "as chosen before"}})


def linear_models(
    validation: Split, quick: bool = False
) -> tuple[dict[str, RankingModel], pd.DataFrame]:
    """TopPop and the chosen models of `LINEAR` that fit, not fitted.

    Returns:
        The models by name, and the tables of `choose` under each other.
    """
    models: dict[str, RankingModel] = {TopPop.name: TopPop()}
    tables = []
    for name in LINEAR:
        model, table = choose(name, validation, quick)
        tables.append(table)
        if model is not None:
            models[name] = model
    return models, pd.concat(tables, ignore_index=True)
