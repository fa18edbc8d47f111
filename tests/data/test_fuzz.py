"""Mutated files of every kind: the data are read, or one line says why not."""

import pytest

from benchmarks.fuzz import KINDS, survives


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_user_error_comes_out(kind, tmp_path):
    for seed in range(2_000 // len(KINDS)):
        assert survives(kind, seed, tmp_path) == ""
