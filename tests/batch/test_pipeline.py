"""Runs of small notebooks through the command line, as a user would see them."""

import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from dodo import graph
from lib.batch import run as runs
from lib.batch.runner import Board, duration, run_tasks, silent
from lib.errors import UserError
from lib.parameters import Parameter, coerce, declared
from tests.batch.small_series import TRAIN, run, start, times


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
    lines = [line for line in lines if "·" not in line and " 0 s" not in line]
    assert lines[0].startswith("sample-week: 3 of 3 steps to run, ")
    steps = ["[1/3] 01_prepare", "[2/3] 02_train", "[3/3] report"]
    for step in steps:
        assert f"{step} …" in lines
        assert any(re.fullmatch(rf"{re.escape(step)}: [\d.]+ s", li) for li in lines)
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
    assert "[2/3] 02_train" in run(place, "report", "-p", "EPOCHS", "3")[1]
    assert "lstm" in results.read_text()


def test_a_relative_output_and_a_long_folder_for_sockets(place, monkeypatch):
    long = place / ("t" * 100)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setenv("POPULARITY_OUTPUT", "out")
    assert run(place, "report")[::2] == (0, "")
    made = place / "out" / "report" / "sample-week"
    assert (made / "results.csv").exists() and (made / "report.pdf").exists()
    assert {p.name for p in place.iterdir()} == {"nb", "out", long.name}


def test_killed_run_goes_on_with_the_same_numbers(place):
    process = start(place, "report", "-p", "MODE", "slow")
    wait_for_epoch(place, process)
    process.kill()
    process.communicate()
    first = times(place)["01_prepare.ipynb"]
    status, out, err = run(place, "report")
    assert (status, err) == (0, "")
    assert "01_prepare" not in out and "[2/3] 02_train" in out
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
        "02_train failed in cell 4: ValueError: shapes (3, 4) and (5,); "
        "the cell begins: from lib.errors import UserError; "
        "the notebook up to there: "
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


def test_lock_refuses_a_second_process_and_ignores_a_stale_file(tmp_path):
    state = tmp_path / "run" / ".state"
    state.mkdir(parents=True)
    for name in ("lock", "owner"):
        (state / name).write_text("999999")  # left by a process that is gone
    holder = (
        "import sys, time; from pathlib import Path\n"
        "from lib.batch.run import lock\n"
        "with lock(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", holder, str(state)], stdout=subprocess.PIPE
    )
    try:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match=f"process {other.pid} is writing here"):
            with runs.lock(state):
                pass
    finally:
        other.kill()
        other.communicate()
    with runs.lock(state):
        pass


def test_dependencies_come_from_metadata(tmp_path):
    first, second, third = new_notebook(), new_notebook(), new_notebook()
    third.metadata["requires"] = ["01_a"]
    for name, book in (("01_a", first), ("02_b", second), ("03_c", third)):
        nbformat.write(book, tmp_path / f"{name}.ipynb")
    whole = runs.plan(runs.Run("sample", "week", folder=tmp_path))
    assert {step.name: step.requires for step in whole} == {
        **{"01_a": [], "02_b": ["01_a"], "03_c": ["01_a"]},
        "report": ["01_a", "02_b", "03_c"],
    }
    part = runs.plan(runs.Run("sample", "week", folder=tmp_path, only=("03_c",)))
    assert [step.name for step in part] == ["01_a", "03_c"]
    with pytest.raises(UserError, match="04_d: no such notebook"):
        runs.plan(runs.Run("sample", "week", folder=tmp_path, only=("04_d",)))


def test_what_most_others_wait_for_comes_first(tmp_path):
    requires = {"01_a": [], "02_b": ["01_a"], "03_c": ["01_a"], "04_d": ["03_c"]}
    for name, before in requires.items():
        book = new_notebook()
        book.metadata["requires"] = before
        nbformat.write(book, tmp_path / f"{name}.ipynb")
    steps = runs.plan(runs.Run("sample", "week", folder=tmp_path))
    order = [task["basename"] for task in graph(steps)]
    assert order == ["01_a", "03_c", "02_b", "04_d", "report"]


def test_tasks_that_wait_begin_in_the_order_of_their_list():
    names, began = ["first", *"hgfedcba"], []
    tasks = [
        {
            "basename": name,
            "actions": [partial(began.append, name)],
            "task_dep": ["first"] if name != "first" else [],
        }
        for name in names
    ]
    files, seconds = dict.fromkeys(names, Path("none")), dict.fromkeys(names)
    with Board(files, seconds, silent) as board:
        assert not run_tasks(tasks, board, jobs=1)
    assert began == names


def test_a_notebook_that_reads_other_files_follows_them(place):
    path = place / "nb" / "02_train.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["reads"] = ["report/{run}-*/results.csv"]
    nbformat.write(notebook, path)
    run = runs.Run("sample", "week", name="all", folder=place / "nb")

    def executed() -> list[str]:
        lines: list[str] = []
        runs.run_all(run, echo=lines.append)
        return [line.split()[1] for line in lines if line.endswith("train …")]

    assert executed() == ["02_train"]
    assert executed() == []
    other = place / "report" / "all-UNITS=8" / "results.csv"
    other.parent.mkdir()
    for content in ("one", "two"):
        other.write_text(content)
        assert executed() == ["02_train"]
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


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(53.4, "53 s"), (128, "2 min 8 s"), (3599.9, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_durations_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said
