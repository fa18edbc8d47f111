"""Many runs from one file: names, grids, failures, a cluster."""

import pytest

from lib import paths
from lib.batch import sweep
from lib.errors import UserError
from tests.batch.small_series import run, times

SWEEP = """
defaults: {epochs: 1}
runs:
  a: {meet: [b]}
  b: {meet: [a]}
  broken: {grid: {mode: [bad]}}
"""


def test_sweep_runs_in_parallel_and_survives_a_failure(place):
    file = place / "runs.yaml"
    file.write_text(SWEEP)
    status, out, err = run(place, "sweep", str(file), "--jobs", "2")
    assert (status, err) == (1, "")
    assert "broken-MODE=bad: 02_train failed in cell 4: ValueError" in out
    assert out.endswith("failed: broken-MODE=bad\n")
    for name in ("a", "b"):
        assert "lstm" in (place / "report" / name / "results.csv").read_text()
    first = times(place, "a")
    file.write_text(SWEEP.replace("bad", "good"))
    status, out, _ = run(place, "sweep", str(file), "--jobs", "2")
    assert status == 0
    assert "a: up to date" in out and "b: up to date" in out
    assert times(place, "a") == first


def test_sweep_on_a_dask_cluster(place):
    from distributed import LocalCluster

    file = place / "runs.yaml"
    file.write_text(
        "runs:\n  g: {notebooks: [02_train], grid: {EPOCHS: [1, 2], LR: [0.5]}}"
    )
    runs = sweep.read_runs(file, place / "nb")
    lines = []
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        address = cluster.scheduler_address
        assert sweep.run_sweep(runs, cluster=address, echo=lines.append) == []
    assert sum("done in" in line for line in lines) == 2
    rows = (place / "report" / "g-EPOCHS=2-LR=0.5" / "results.csv").read_text()
    assert f"{2 / 7}" in rows


def test_grid_is_a_product_over_the_defaults(place):
    file = place / "runs.yaml"
    file.write_text(
        "defaults: {slot: month, epochs: 9}\n"
        "runs:\n  g:\n    dataset: ml-100k\n"
        "    grid: {MEET: [[x], [y, z]], EPOCHS: [1, 2]}\n"
    )
    runs = sweep.read_runs(file, place / "nb")
    assert [r.key for r in runs] == [
        "g-MEET=x-EPOCHS=1",
        "g-MEET=x-EPOCHS=2",
        "g-MEET=y+z-EPOCHS=1",
        "g-MEET=y+z-EPOCHS=2",
    ]
    assert {(r.dataset, r.slot) for r in runs} == {("ml-100k", "month")}
    assert runs[-1].parameters == {"EPOCHS": 2, "MEET": ["y", "z"]}


def test_a_given_data_set_names_the_runs_that_have_none(place):
    file = place / "runs.yaml"
    file.write_text("runs:\n  g: {epochs: 1}\n  own: {dataset: ml-1m, slot: day}\n")
    given = {"dataset": "path/to/ml-100k", "slot": "7d"}
    one, own = sweep.read_runs(file, place / "nb", given)
    assert (one.key, one.dataset, one.slot) == ("g-ml-100k-7d", "path/to/ml-100k", "7d")
    assert (own.key, own.dataset, own.slot) == ("own", "ml-1m", "day")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("runs: [1, 2]", "found list, expected `name: value` lines"),
        ("runs: {a: {dataset: sample", "line 1"),
        ("runs:\n  a: {epoch: 3}", "run a: EPOCH: no notebook has this parameter; did"),
        ("runs:\n  a: {epochs: ten}", "run a: EPOCHS=ten: expected a whole number"),
        ("runs:\n  a: {notebooks: [09_x]}", "no notebook 09_x; there are 01_prepare"),
        ("runs:\n  a: {grid: {EPOCHS: 3}}", "expected lines such as UNITS: [16, 32]"),
        ("run:\n  a: {}", "unknown entry run; expected defaults, runs"),
        ("runs:\n  a: {slot: day}\nmore: 1", "unknown entry more"),
        ("runs:\n  a b: {slot: day}", "the name of a run becomes a folder"),
        ("", "found NoneType"),
    ],
)
def test_bad_sweep_file_gets_one_line(place, text, expected):
    file = place / "runs.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        sweep.read_runs(file, place / "nb")
    message = str(caught.value)
    assert str(file) in message and expected in message
    assert "\n" not in message


def test_the_examples_are_valid():
    folder = paths.ROOT / "report"
    runs = sweep.read_runs(folder / "runs.yaml", paths.ROOT / "notebooks")
    assert "sample-by-week" in [run.key for run in runs]
    given = {"dataset": "sample", "slot": "week"}
    place = paths.ROOT / "notebooks" / "experiments"
    runs = sweep.read_runs(folder / "experiments.yaml", place, given)
    assert len(runs) == 3 * 4 * 2 * 3
    assert all(run.key.startswith("experiments-sample-week-CELL=") for run in runs)
