"""The evaluation files of He et al. (WWW 2017) for ml-1m: their split, their negatives.

Their published HR@10 and NDCG@10 are over all 6,040 users. Where the training rows of
only some users are at hand, only these users are evaluated, and the numbers cannot be
compared with the published ones.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib import paths
from lib.errors import UserError
from lib.recommenders.data import RatingData
from lib.recommenders.ranking.histories import Histories
from lib.recommenders.ranking.splits import Split

NCF_FOLDER = "ncf-ml-1m"  # looked for beside a MovieLens 1M set
TEST = "ml-1m.test.rating"
NEGATIVE = "ml-1m.test.negative"
TRAIN = "ml-1m.train*.rating*"
COLUMNS = ["user", "item", "rating", "time"]


@dataclass(frozen=True)
class NCFSplit:
    """The authors' split.

    Attributes:
        split: histories and held-out movies; ids are the authors' 0-based ones.
        negatives: (users, 1, 99) movie codes, for `evaluate`; -1 where the authors'
            negative is the held-out movie itself.
        contaminated: number of users for whom that is so.
    """

    split: Split
    negatives: np.ndarray
    contaminated: int


def read_ncf_files(folder: Path) -> NCFSplit:
    """Reads test, negatives and training rows.

    Raises:
        UserError: a file is missing, or a line of negatives has a wrong length.
    """
    train_files = sorted(folder.glob(TRAIN))
    missing = [name for name in (TEST, NEGATIVE) if not (folder / name).is_file()]
    if missing or not train_files:
        raise UserError(
            f"{folder}: {missing or TRAIN} not found; expected the three files of the "
            "NCF authors"
        )
    train = pd.concat([_read(path) for path in train_files])
    users = np.unique(train["user"])
    test = _read(folder / TEST)
    test = test[test["user"].isin(users)].sort_values("user")
    negatives = _read_negatives(folder / NEGATIVE, test["user"].to_numpy())
    n_items = 1 + max(train["item"].max(), test["item"].max(), negatives.max())
    split = Split(
        _histories(train, users, int(n_items)),
        np.searchsorted(users, test["user"]),
        *(test[name].to_numpy() for name in ("item", "time")),
    )
    same = negatives == split.movies[:, None]
    return NCFSplit(
        split, np.where(same, -1, negatives)[:, None], int(same.any(axis=1).sum())
    )


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", names=COLUMNS)


def _read_negatives(path: Path, users: np.ndarray) -> np.ndarray:
    """The 99 codes of each of `users`: lines of "(user,item)" and then the codes."""
    lines = path.read_text("ascii").splitlines()
    rows = {}
    for number, line in enumerate(lines, start=1):
        pair, *codes = line.split()
        if len(codes) != 99:
            raise UserError(
                f"{path}, line {number}: {len(codes)} negatives; expected 99"
            )
        rows[int(pair[1:].split(",")[0])] = codes
    return np.array([rows[user] for user in users], dtype="int64")


def _histories(train: pd.DataFrame, users: np.ndarray, n_items: int) -> Histories:
    codes = np.searchsorted(users, train["user"])
    # The files name the newest row first; equal times are put back in that order.
    order = np.lexsort((-np.arange(len(train)), train["time"], codes))
    starts = np.searchsorted(codes[order], np.arange(len(users) + 1))
    items, times = (train[name].to_numpy()[order] for name in ("item", "time"))
    return Histories(users, np.arange(n_items), starts, items, times)


def find_files(folder: str, data: RatingData) -> Path | None:
    """Folder of the NCF authors' files: as given, or beside a MovieLens 1M set."""
    if folder:
        return paths.resolve(folder)
    beside = data.folder.parent / NCF_FOLDER
    return beside if data.name.startswith("ml-1m") and beside.is_dir() else None
