"""Mutated files of every kind: the data are read, or one line says why not."""

import pytest

from benchmarks.fuzz import KINDS, survives


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_user_error_comes_out(kind, tmp_path):
    for seed in range(2_000 // len(KINDS)):
        assert survives(kind, seed, tmp_path) == ""


# Found by a hundred thousand of them: panics of Polars, a member without a name, a year
# in other digits
@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        ("log.parquet", 368),
        ("log.parquet", 1037),
        ("log.parquet", 1057),
        ("log.parquet", 5005),
        ("ratings.csv", 2533),
        ("set.zip", 3960),
        ("movies.csv", 4196),
    ],
)
def test_what_was_found_once_stays_mended(kind, seed, tmp_path, capfd):
    assert survives(kind, seed, tmp_path) == ""
    assert capfd.readouterr().err == ""
