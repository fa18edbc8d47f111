"""Tables of the notebook on ranking models, and its rows of results.csv."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.figures.style import label
from lib.recommenders.ranking.evaluate import (
    MEASURES,
    Ranked,
    fit_and_rank,
    intervals,
    score_table,
)
from lib.recommenders.ranking.histories import Histories, build_histories
from lib.recommenders.ranking.model import RankingModel
from lib.recommenders.ranking.splits import Split, leave_one_out
from lib.schema import FULL, MOVIE, SAMPLED, TITLE

LAST_MOVIE = {SAMPLED: SAMPLED, FULL: FULL}


def split_table(histories: Histories, split: Split) -> pd.DataFrame:
    """Sizes of the histories and of the test, and what the split leaves open."""
    same = np.diff(histories.times) == 0
    same &= np.diff(histories.users) == 0
    shared = np.append(same, False) | np.append(False, same)
    rows = {
        "users": f"{histories.n_users:,}",
        "movies": f"{histories.n_items:,}",
        "watched pairs": f"{len(histories.items):,}",
        "movies per user, median": f"{np.median(histories.lengths):,.0f}",
        "users with a held-out movie": f"{len(np.unique(split.users)):,}",
        "held-out movies": f"{len(split.users):,}",
        "share of pairs that share their second": f"{shared.mean():.1%}",
        "training rows later than a held-out one": f"{split.later_share:.1%}",
    }
    return pd.DataFrame({"value": rows})


def lists_for(
    user: int, models: Mapping[str, RankingModel], split: Split, movies: pd.DataFrame
) -> pd.DataFrame:
    """The last five movies that the models saw of a user, and five from each of them.

    A star marks the held-out movie.
    """
    train = split.train
    code = train.user_code(user)
    titles = movies.set_index(MOVIE)[TITLE]
    held_out = train.movie_ids[split.held_out[code]]

    def named(ids) -> list[str]:
        names = [titles.get(i, f"movie {i}") + " *" * int(i == held_out) for i in ids]
        return names + [""] * (5 - len(names))

    columns = {"watched": named(train.movie_ids[train.of(code)[-5:]])}
    for name, model in models.items():
        columns[label(name)] = named(model.recommend(user, 5)[MOVIE])
    table = pd.DataFrame(columns)
    table.index += 1
    return table


def orders_table(
    ratings: pd.DataFrame, models: Mapping[str, RankingModel], orders: Sequence[str]
) -> pd.DataFrame:
    """HR@10 against 99 under each rule for ratings of the same second.

    Returns:
        One row per model, one column per rule.
    """
    columns = {}
    for order in orders:
        split = leave_one_out(build_histories(ratings, order))
        ranked = {n: fit_and_rank({"": m}, split) for n, m in models.items()}
        columns[order] = score_table(ranked)["hr_at_10"]
    return pd.DataFrame(columns).loc[list(models)]


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table with names for readers."""
    return table.rename(index=label, columns=label)


def record(
    nb, ranked: Mapping[str, Ranked], protocols: Mapping[str, str] = LAST_MOVIE
) -> None:
    """Keeps all numbers of the models for results.csv.

    Args:
        nb: the notebook.
        ranked: model → its ranks.
        protocols: name in the file → `SAMPLED` or `FULL`.
    """
    for protocol, kind in protocols.items():
        table = intervals(ranked, kind)
        for name, one in ranked.items():
            row = table.loc[name]
            seeds = list(one.by_seed)
            seed = seeds[0] if len(seeds) == 1 else "mean"
            nb.record(name, protocol, row, seed=seed)
            seconds = {"fit_cpu_seconds": one.seconds}
            nb.record(name, protocol, seconds, seed=seed)
            for seed in seeds if len(seeds) > 1 else ():
                alone = Ranked({seed: one.by_seed[seed]}, one.seconds)
                values = {m: alone.measure(m, kind).mean() for m in MEASURES}
                nb.record(name, protocol, values, seed=seed)
