"""The split and the negatives of the NCF authors."""

import pytest

from lib.errors import UserError
from lib.paths import ROOT
from lib.recommenders.ranking.evaluate import evaluate, ranking_metrics
from lib.recommenders.ranking.item_models import TopPop
from lib.recommenders.ranking.ncf_files import read_ncf_files

REAL = ROOT.parent / "shared" / "data"


def authors_files(folder, negatives=99):
    codes = "\t".join(str(item) for item in range(3, 3 + negatives))
    (folder / "ml-1m.test.negative").write_text(f"(0,2)\t{codes}\n(1,4)\t{codes}\n")
    (folder / "ml-1m.test.rating").write_text("0\t2\t5\t30\n1\t4\t5\t30\n")
    (folder / "ml-1m.train.rating").write_text("0\t1\t5\t20\n0\t0\t5\t20\n1\t0\t4\t9\n")
    return folder


def test_authors_files(tmp_path):
    files = read_ncf_files(authors_files(tmp_path))
    assert files.split.train.of(0).tolist() == [0, 1]  # the newest row comes first
    assert files.split.held_out.tolist() == [2, 4]
    assert files.split.train.n_items == 102
    assert files.negatives.shape == (2, 1, 99)
    # User 1's negatives hold the held-out movie 4: it is taken out, and counted.
    assert files.contaminated == 1
    assert (files.negatives[1, 0] == -1).sum() == 1


def test_faulty_authors_files_are_explained(tmp_path):
    with pytest.raises(UserError, match="98 negatives"):
        read_ncf_files(authors_files(tmp_path, negatives=98))
    (tmp_path / "ml-1m.test.rating").unlink()
    with pytest.raises(UserError, match="test.rating"):
        read_ncf_files(tmp_path)


def test_authors_split_of_half_the_users():
    folder = REAL / "ncf-ml-1m"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    files = read_ncf_files(folder)
    assert len(files.split.users) == 2999
    assert files.contaminated == 77
    ranks = evaluate(TopPop().fit(files.split.train), files.split, (), files.negatives)
    assert 0.40 < ranking_metrics(ranks.sampled)["hr_at_10"] < 0.50
