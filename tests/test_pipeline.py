"""Runs of small notebooks through the command line, as a user would see them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lib import paths, pipeline, stamps, sweep
from lib.errors import UserError
from lib.parameters import Parameter, coerce, declared

PREPARE = 'DATASET = "sample"  # name or path\nSLOT = "week"\nRUN_NAME = ""\nLR = 0.1'
TRAIN = """EPOCHS = 3  # passes over the data
MODE = "good"
RUN_NAME = ""
MEET = []"""
RECORD = """
import csv, os, time
from pathlib import Path
run = Path(os.environ["POPULARITY_OUTPUT"]) / "report" / (RUN_NAME or "sample-week")
with open(os.environ["POPULARITY_PROGRESS"], "a") as progress:
    for epoch in range(1, EPOCHS + 1):
        print(f"02_train epoch {epoch}/{EPOCHS}", file=progress, flush=True)
        time.sleep(60 if MODE == "slow" else 0)
with (run / "results.csv").open("w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["notebook", "model", "seed", "value"])
    rows.writerow(["02_train", "lstm", 0, EPOCHS / 7])
"""
FAIL = """
from lib.errors import UserError
if MODE == "user":
    raise UserError("log.csv: no column time; name it with TIME_COLUMN")
if MODE == "bad":
    raise ValueError("shapes (3, 4) and (5,)\\nsecond line")
"""
# Each of two runs waits for the other's file: one after the other would never end.
MEETING = """
for name in MEET:
    (run / "here").touch()
    for _ in range(300):
        if (run.parent / name / "here").exists():
            break
        time.sleep(0.1)
    else:
        raise TimeoutError(name)
"""


def write_notebooks(folder: Path) -> Path:
    """Two notebooks, the second of which needs the first."""
    folder.mkdir(exist_ok=True)
    for name, (title, parameters, *cells) in {
        "01_prepare": ("Prepare", PREPARE, "print(DATASET, SLOT)"),
        "02_train": ("Train", TRAIN, RECORD, FAIL, MEETING),
    }.items():
        notebook = new_notebook(
            cells=[
                new_markdown_cell(f"# {title}\n\nOne sentence."),
                new_code_cell(parameters, metadata={"tags": ["parameters"]}),
                *map(new_code_cell, cells),
            ]
        )
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An output folder of its own, for this process and those it starts."""
    monkeypatch.setenv("POPULARITY_OUTPUT", str(tmp_path))
    for name in ("DATASET", "SLOT", "EPOCHS", "SEEDS", "T_SLOT", "MAX_SLOTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    monkeypatch.setattr(paths, "PROCESSED", tmp_path / "data" / "processed")
    monkeypatch.setattr(paths, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(paths, "REPORT", tmp_path / "report")
    write_notebooks(tmp_path / "nb")
    return tmp_path


def start(place: Path, *arguments: str) -> subprocess.Popen:
    """Start `python -m lib` with the notebooks of a place."""
    command = [sys.executable, "-m", "lib", *arguments]
    return subprocess.Popen(
        [*command, "--notebooks", str(place / "nb")],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(place: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a finished command."""
    process = start(place, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def times(place: Path, name: str = "sample-week") -> dict[str, int]:
    """When each executed copy was written."""
    folder = place / "report" / name / "notebooks"
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.ipynb")}


def wait_for_epoch(place: Path, process: subprocess.Popen) -> None:
    """Wait until a training has reported its first epoch."""
    log = place / "report" / "sample-week" / ".state" / "02_train.progress"
    for _ in range(600):
        if log.exists() and "epoch 1/" in log.read_text():
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    raise TimeoutError(str(log))


def test_second_call_repeats_only_what_changed(place):
    status, out, err = run(place, "report", "-p", "EPOCHS", "2")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("[1/2] 01_prepare: ")
    assert lines[1:3] == ["02_train epoch 1/2", "02_train epoch 2/2"]
    assert lines[3].startswith("[2/2] 02_train: ")
    first = times(place)
    status, out, _ = run(place, "report", "-p", "EPOCHS", "2")
    assert (status, out) == (0, "report/sample-week/report.pdf is up to date\n")
    assert times(place) == first

    assert run(place, "report", "-p", "EPOCHS", "3")[0] == 0
    second = times(place)
    assert second["01_prepare.ipynb"] == first["01_prepare.ipynb"]
    assert second["02_train.ipynb"] != first["02_train.ipynb"]

    results = place / "report" / "sample-week" / "results.csv"
    results.write_text(results.read_text().replace("lstm", "forged"))
    assert "[2/2] 02_train" in run(place, "report", "-p", "EPOCHS", "3")[1]
    assert "lstm" in results.read_text()


def test_killed_run_goes_on_with_the_same_numbers(place):
    process = start(place, "report", "-p", "MODE", "slow")
    wait_for_epoch(place, process)
    process.kill()
    process.communicate()
    first = times(place)["01_prepare.ipynb"]
    status, out, err = run(place, "report")
    assert (status, err) == (0, "")
    assert "01_prepare" not in out and "[2/2] 02_train" in out
    assert times(place)["01_prepare.ipynb"] == first
    assert (
        (place / "report/sample-week/results.csv")
        .read_text()
        .endswith(f"02_train,lstm,0,{3 / 7}\n")
    )
    assert set(times(place)) == {"01_prepare.ipynb", "02_train.ipynb"}


def wait_for_lock(place: Path, process: subprocess.Popen) -> None:
    """Wait until a run has begun; its first notebook is still about to start."""
    for _ in range(600):
        if (place / "report" / "sample-week" / ".state" / "lock").exists():
            return
        time.sleep(0.05)
    raise TimeoutError(process.args)


@pytest.mark.parametrize("moment", [wait_for_lock, wait_for_epoch])
def test_ctrl_c_leaves_with_one_line(place, moment):
    process = start(place, "report", "-p", "MODE", "slow")
    moment(place, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == "stopped; the same command goes on from here"


def test_failing_notebook_is_named_with_cell_and_error(place):
    status, _, err = run(place, "report", "-p", "MODE", "bad")
    assert status == 1
    assert err.splitlines() == [
        "02_train failed in cell 4: ValueError: shapes (3, 4) and (5,)",
        "  the cell begins: from lib.errors import UserError",
        "  the notebook up to there: "
        "report/sample-week/notebooks/02_train.failed.ipynb",
    ]
    evidence = place / "report/sample-week/notebooks/02_train.failed.ipynb"
    assert "second line" in evidence.read_text()
    assert not evidence.with_name("02_train.ipynb").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-p", "EPOCH", "3"], "EPOCH: no notebook has this parameter; did you mean"),
        (["-p", "EPOCHS", "ten"], "EPOCHS=ten: expected a whole number, such as 3"),
        (["-p", "MODE", "user"], "log.csv: no column time; name it with TIME_COLUMN"),
        (["--run-name", "../x"], "'../x': the name of a run becomes a folder"),
    ],
)
def test_mistake_gets_one_line(place, arguments, expected):
    status, _, err = run(place, "report", *arguments)
    assert status == 1
    assert err.startswith(expected)
    assert len(err.splitlines()) == 1


def test_unexpected_error_says_where_the_log_is(place):
    (place / "report" / "sample-week" / "results.csv").mkdir(parents=True)
    (place / "data" / "processed" / "sample-week").mkdir(parents=True)
    (place / "data/processed/sample-week/meta.json").write_text("{")
    (place / "nb" / "02_train.ipynb").unlink()
    status, _, err = run(place, "report")
    assert status == 1
    assert "Traceback" not in err
    assert "the full log is in report/error.log" in err
    assert "Traceback" in (place / "report" / "error.log").read_text()


def test_lock_refuses_a_second_process_and_ignores_a_stale_file(tmp_path):
    path = tmp_path / "run" / ".state" / "lock"
    path.parent.mkdir(parents=True)
    path.write_text("999999")  # left by a process that is gone
    holder = (
        "import sys, time; from pathlib import Path; from lib.pipeline import lock\n"
        "with lock(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", holder, str(path)], stdout=subprocess.PIPE
    )
    try:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match=f"process {other.pid} is writing here"):
            with pipeline.lock(path):
                pass
    finally:
        other.kill()
        other.communicate()
    with pipeline.lock(path):
        assert path.read_text() == str(os.getpid())


def test_dependencies_come_from_metadata(tmp_path):
    first, second, third = new_notebook(), new_notebook(), new_notebook()
    third.metadata["requires"] = ["01_a"]
    books = {"01_a": first, "02_b": second, "03_c": third}
    requires = {n: pipeline.needed(n, books[n], list(books)) for n in books}
    assert requires == {"01_a": [], "02_b": ["01_a"], "03_c": ["01_a"]}
    assert pipeline.choose(("03_c",), requires) == ["01_a", "03_c"]
    with pytest.raises(UserError, match="04_d: no such notebook"):
        pipeline.choose(("04_d",), requires)


def test_a_notebook_that_reads_other_files_follows_them(place):
    path = place / "nb" / "02_train.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["reads"] = ["report/{run}-*/results.csv"]
    nbformat.write(notebook, path)
    run = pipeline.Run("sample", "week", name="all", folder=place / "nb")

    def executed() -> list[str]:
        lines: list[str] = []
        pipeline.run_all(run, echo=lines.append)
        return [line.split()[1] for line in lines if line.startswith("[")]

    assert executed() == ["01_prepare:", "02_train:"]
    assert executed() == []
    other = place / "report" / "all-UNITS=8" / "results.csv"
    other.parent.mkdir()
    for content in ("one", "two"):
        other.write_text(content)
        assert executed() == ["02_train:"]
    assert executed() == []


def test_declared_parameters_have_types_and_meanings():
    cell = new_code_cell(TRAIN, metadata={"tags": ["parameters"]})
    found = declared(new_notebook(cells=[new_code_cell("x = 1"), cell]))
    assert found["EPOCHS"] == Parameter("EPOCHS", 3, "passes over the data")
    assert list(found) == ["EPOCHS", "MODE", "RUN_NAME", "MEET"]


@pytest.mark.parametrize(
    ("default", "given", "expected"),
    [
        (3, "7", 7),
        (0.1, "1e-3", 0.001),
        (True, "no", False),
        ("week", 7, "7"),
        ((0, 1), "3, 4 5", [3, 4, 5]),
        ([0], 2, [2]),
        (["lstm"], "gru,lstm", ["gru", "lstm"]),
        (None, "57", 57),
        (None, "0.5", 0.5),
        (None, "auto", "auto"),
    ],
)
def test_value_takes_the_type_of_the_default(default, given, expected):
    value = coerce(Parameter("X", default, ""), given)
    assert value == expected
    assert type(value) is type(expected)


SWEEP = """
defaults: {epochs: 1}
runs:
  a: {meet: [b]}
  b: {meet: [a]}
  broken: {mode: bad}
"""


def test_sweep_runs_in_parallel_and_survives_a_failure(place):
    file = place / "runs.yaml"
    file.write_text(SWEEP)
    status, out, err = run(place, "sweep", str(file), "--jobs", "2")
    assert (status, err) == (1, "")
    assert "broken: 02_train failed in cell 4: ValueError" in out
    assert out.endswith("failed: broken\n")
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
    given = {"DATASET": "path/to/ml-100k", "SLOT": "7d"}
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
    given = {"DATASET": "sample", "SLOT": "week"}
    place = paths.ROOT / "notebooks" / "experiments"
    runs = sweep.read_runs(folder / "experiments.yaml", place, given)
    assert len(runs) == 3 * 4 * 2 * 3
    assert all(run.key.startswith("experiments-sample-week-CELL=") for run in runs)


def test_stamp_is_written_whole(tmp_path):
    from lib.stamps import read_stamp, write_stamp

    path = tmp_path / "state" / "01.json"
    write_stamp(path, {"inputs": "x"})
    assert read_stamp(path) == {"inputs": "x"}
    path.write_text(json.dumps({"inputs": "x"})[:5])
    assert read_stamp(path) == {}


def test_notebooks_run_side_by_side_after_those_that_they_require():
    began = {name: threading.Event() for name in "bc"}
    ended = []

    def work(name: str) -> bool:
        if name in began:  # each waits for the other: in turn, both would time out
            began[name].set()
            assert all(event.wait(30) for event in began.values())
        ended.append(name)
        return name != "a"

    requires = {"a": [], "b": ["a"], "c": ["a"], "d": ["a", "b", "c"]}
    assert pipeline.in_order(requires, work, 2) == {n: n != "a" for n in "abcd"}
    assert (ended[0], ended[-1]) == ("a", "d")


def test_a_failure_lets_what_is_running_end_and_begins_nothing_more():
    running, ended = threading.Event(), []

    def work(name: str) -> bool:
        if name == "bad":
            running.wait(30)
            raise UserError("no such column")
        running.set()
        time.sleep(0.2)
        ended.append(name)
        return True

    with pytest.raises(UserError, match="no such column"):
        pipeline.in_order({"bad": [], "good": [], "after": ["good"]}, work, 2)
    assert ended == ["good"]


def test_compiled_files_do_not_change_the_report(tmp_path):
    (tmp_path / "build.py").touch()
    before = stamps.reporting_digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "build.cpython-311.pyc").touch()
    assert stamps.reporting_digest(tmp_path) == before
    (tmp_path / "page.typ").touch()
    assert stamps.reporting_digest(tmp_path) != before


def test_a_numbered_file_belongs_to_the_notebook_of_that_number(place):
    folder = place / "data" / "processed" / "sample-week"
    (folder / "training").mkdir(parents=True)
    for name in ("panel.parquet", "03_a.npy", "04_b.npy", ".03_a.npy", "training/c"):
        (folder / name).touch()
    for number, own in {"03": "03_a.npy", "04": "04_b.npy"}.items():
        found = {Path(name).name for name in stamps.output_files("sample-week", number)}
        assert found == {"panel.parquet", own}
