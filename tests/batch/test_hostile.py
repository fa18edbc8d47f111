"""Runs, files of runs and places that are wrong: one line, and nothing hangs."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest

from lib import command_line, paths
from lib.__main__ import main
from lib.batch import stamps, sweep
from lib.batch.run import Run, check_run, lock, run_all
from lib.data.sources import open_dataset
from lib.errors import UserError
from lib.files import locked, refuse_strange, replacing, work_folder
from lib.parameters import Parameter, coerce
from lib.recommenders.data import run_name as recommenders_run_name

DEEP = "runs: " + "{a: " * 900 + "1" + "}" * 900
BOMB = "a: &a [x, x]\nb: &b [*a, *a, *a]\nruns: {r: {epochs: *b}}"
HUGE = "runs:\n  g:\n    grid:\n" + "".join(
    f"      P{i}: [{', '.join(map(str, range(1, 1001)))}]\n" for i in range(3)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("runs:\n  a: {epochs: 1}\n  a: {epochs: 2}", "line 3: a is said twice here"),
        ("runs:\n  a: {epochs: 1, EPOCHS: 2}", "line 2: EPOCHS is said twice here"),
        ("runs:\n  Night: {epochs: 1}\n  night: {epochs: 2}", "night is said twice"),
        (
            "runs:\n  x-EPOCHS=1: {lr: 1}\n  x: {grid: {epochs: [1]}}",
            "two runs have the name",
        ),
        ("runs:\n  a: {DATASET: ml-100k}", "run a: found DATASET; write dataset"),
        ("runs:\n  a: {RUN_NAME: ../../x}", "RUN_NAME is not a parameter of single"),
        ("runs:\n  a: {run_name: ../../x}", "RUN_NAME is not a parameter of single"),
        ("defaults: {run_name: b}\nruns:\n  a: {lr: 1}", "RUN_NAME is not a parameter"),
        ("runs:\n  '': {epochs: 1}", "expected a name"),
        ("runs:\n  ../../x: {epochs: 1}", "the name of a run becomes a folder"),
        (f"runs:\n  {'x' * 5000}: {{epochs: 1}}", "expected YAML"),
        (f"runs:\n  {'x' * 500}: {{epochs: 1}}", "the name of a run becomes a folder"),
        ("runs:\n  a: {notebooks: [[02_train]]}", "expected a list such as [03_lstm]"),
        ("runs:\n  a: {notebooks: 02_train}", "expected a list such as [03_lstm]"),
        ("runs:\n  a: {dataset: [x, y]}", "expected a name, and one dataset and slot"),
        ("runs:\n  a: {epochs: -1}", "EPOCHS=-1: expected a whole number"),
        ("runs:\n  a: {epochs: .nan}", "EPOCHS=nan: expected a whole number"),
        ("runs:\n  a: {lr: .inf}", "LR=inf: expected a number"),
        ("runs:\n  a: {epochs: {b: 1}}", "EPOCHS={'b': 1}: expected a whole number"),
        (f"runs:\n  a: {{epochs: {'9' * 20}}}", "expected a whole number"),
        (f"runs:\n  a: {{epochs: {'9' * 5000}}}", "expected YAML"),
        ("runs:\n  a: {slot: 2001-99-99}", "expected YAML"),
        ("runs:\n  ? [1]\n  : {epochs: 1}", "line 2"),
        ("runs:\n  a: !!python/object/apply:os.system [touch x]", "line 2"),
        (DEEP, "an alias or more than 12 levels"),
        (BOMB, "an alias or more than 12 levels"),
        (HUGE, "grid: 1,000,000,000 runs; expected 10,000 at most"),
        ("a" * 300_000, "larger than 200,000 bytes"),
        ("runs:\n  a: \0", "expected YAML"),
        ('runs:\n  "\\UFFFFFFFF": {}', "expected YAML"),
        ("runs:\n  ~: {epochs: 1}", "line 2: ~ is read as no text; write it in quotes"),
        (
            "runs:\n  no: {epochs: 1}",
            "line 2: no is read as no text; write it in quotes",
        ),
        ("runs:\n  a: {2001-01-01: 1}", "line 2: 2001-01-01 is read as no text"),
    ],
)
def test_a_wrong_file_of_runs_gets_one_line(place, text, expected):
    file = place / "runs.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        sweep.read_runs(file, place / "nb")
    message = command_line.fit(str(caught.value))
    assert expected in message and "\n" not in message
    assert len(message) <= 300


@pytest.mark.parametrize("kind", ["fifo", "zero", "folder", "nothing"])
def test_what_is_no_file_is_not_read(place, kind):
    path = place / "runs.yaml"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(UserError, match="no regular file|no such file"):
        sweep.read_runs(path, place / "nb")


def test_a_run_may_be_called_a_number(place):
    (place / "runs.yaml").write_text("runs:\n  7: {epochs: 1}\n  1.5: {epochs: 2}\n")
    runs = sweep.read_runs(place / "runs.yaml", place / "nb")
    assert [run.key for run in runs] == ["7", "1.5"]


@pytest.mark.parametrize("name", ["x" * 900, "a\0b", "~nobody-here/x", "loop"])
def test_a_data_set_that_no_file_can_be_is_told_by_every_command(place, name):
    (place / "loop").symlink_to(place / "loop")
    name = str(place / name) if name == "loop" else name
    for act in (
        lambda: Run(name, "week").key,
        lambda: stamps.dataset_digest(name),
        lambda: recommenders_run_name(name),
    ):
        with pytest.raises(UserError, match="^DATASET=.*cannot be opened") as caught:
            act()
        assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("kind", ["loop", "file", "nothing"])
def test_a_place_without_notebooks_gets_one_line(place, kind, monkeypatch, capsys):
    path = place / "there"
    if kind == "loop":
        path.symlink_to(path)
    elif kind == "file":
        path.touch()
    monkeypatch.setattr(sys, "argv", ["lib", "report", "--notebooks", str(path)])
    assert command_line.run(main, "stopped") == command_line.FAILED
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "expected 01_preprocess.ipynb" in line


@pytest.mark.parametrize(
    "arguments", [[], ["a\nb"], ["data", "a\nb"], ["data", "--\nx"]]
)
def test_a_wrong_command_gets_one_line(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["lib", *arguments])
    assert command_line.run(main, "stopped") == command_line.FAILED
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and line.endswith("--help lists what there is\n")


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", ".", "a b", "x" * 300, "-x", "a\n"]
)
def test_a_run_name_stays_within_the_output(place, name):
    with pytest.raises(UserError, match="the name of a run becomes a folder"):
        check_run(Run("sample", "week", name=name, folder=place / "nb"))


@pytest.mark.parametrize("name", ["RUN_NAME", "DATASET", "SLOT"])
def test_what_names_the_run_is_no_parameter_of_a_notebook(place, name):
    run = Run("sample", "week", parameters={name: "../../x"}, folder=place / "nb")
    with pytest.raises(UserError, match=f"make report {name}=…"):
        check_run(run)


SWEEP = "none, small or large: how many variations are tried"


@pytest.mark.parametrize(
    ("default", "comment", "value", "expected"),
    [
        (3, "", "-1", "a whole number, such as 3, from 1 to 1000000000"),
        (3, "", "0", "a whole number, such as 3, from 1 to"),
        (0, "", "-1", "a whole number, such as 0, from 0 to"),
        (0, "", "9" * 20, "a whole number, such as 0, from 0 to"),
        (0.1, "", "nan", "a number, such as 0.1, above 0"),
        (0.1, "", "-2", "a number, such as 0.1, above 0"),
        ([0], "", "0,-1", "a whole number, such as 0, from 0 to"),
        ("small", SWEEP, "huge", "one of none, small, large"),
        ("week", "", ["a"], "a text"),
    ],
)
def test_a_value_out_of_range_is_refused(default, comment, value, expected):
    with pytest.raises(UserError) as caught:
        coerce(Parameter("X", default, comment), value)
    assert f": expected {expected}" in str(caught.value)


@pytest.mark.parametrize(
    ("default", "comment", "value"),
    [
        ([0], "", "0"),
        (0, "", "0"),
        ("small", SWEEP, "large"),
        ("sample", "sample, a name such as ml-100k, or a path", "ml-1m"),
        ("adam", "adam, adamw, sgd or rmsprop", "sgd"),
        ("week", "hour, day, week, year, or days such as 7d", "7d"),
    ],
)
def test_a_value_in_range_is_taken(default, comment, value):
    assert coerce(Parameter("X", default, comment), value) in (0, [0], value)


def outcome(action, capsys) -> tuple[int, str]:
    """Exit status and errors of a command."""
    command = click.Command("x", callback=action)
    sys_argv, sys.argv = sys.argv, ["x"]
    try:
        return command_line.run(command, "stopped"), capsys.readouterr().err
    finally:
        sys.argv = sys_argv


@pytest.mark.parametrize("below", [False, True])
def test_an_output_that_is_a_file_gets_one_line(tmp_path, capsys, below):
    place = tmp_path / "file"
    place.write_text("mine")

    def act() -> None:
        with lock(place / "report" if below else place):
            raise AssertionError

    status, err = outcome(act, capsys)
    assert status == 1 and len(err.splitlines()) == 1 and len(err) <= 300
    assert str(place) in err and "a file lies there; move it away" in err
    assert place.read_text() == "mine"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device", "/out/x"), "make room, or set POPUL"),
        (OSError(28, "No space left on device"), "No space left on device; make room"),
        (OSError(27, "File too large"), "File too large; make room, or set POPUL"),
        (OSError(5, "Input/output error"), "expected a place with read and write"),
        (OSError(30, "Read-only file system", "/out/x"), "expected a place with read"),
        (OSError(36, "File name too long", "x" * 5000), "expected a shorter name"),
        (UserError("a" * 5000), "aaa…aaa"),
        (UserError("title \x1b[31mred\x07\0"), "title red"),
    ],
)
def test_an_error_is_one_short_line(error, expected, capsys):
    def act() -> None:
        raise error

    status, err = outcome(act, capsys)
    assert status == 1 and expected in err
    assert len(err.rstrip("\n")) <= 300 and err.count("\n") == 1


@pytest.mark.parametrize(
    "name",
    [
        "report/r",
        "report/r/.state",
        "report/r/.state/owner",
        "report/r/notebooks/01_prepare.running.ipynb",
        "report/r/report.pdf",
        "figures/r",
        "figures/r/01_a.png",
        "data/processed/r",
    ],
)
def test_a_planted_link_is_not_written_through(place, name):
    victim = place / "victim"
    victim.write_text("mine")
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / name).symlink_to(victim)
    with pytest.raises(UserError, match="a link, which would be written through"):
        run_all(Run("sample", "week", name="r", folder=place / "nb"), echo=str)
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("name", ["", "panel.parquet", "meta.json"])
def test_a_planted_link_is_not_preprocessed_through(place, name):
    victim, run = place / "victim", place / "data" / "processed" / "r"
    victim.write_text("mine")
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).symlink_to(victim)
    with pytest.raises(UserError, match="a link, which would be written through"):
        with work_folder(run, ["panel.parquet"], "meta.json"):
            raise AssertionError
    assert victim.read_text() == "mine"


def test_an_unexpected_error_says_where_its_log_is(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(paths, "REPORT", tmp_path / "report")
    status, err = outcome(lambda: {}["x"], capsys)
    assert status == 1 and "Traceback" not in err
    assert f"the full log is in {tmp_path}/report/error.log" in err
    assert "Traceback" in (tmp_path / "report" / "error.log").read_text()


def test_an_unexpected_error_needs_no_log(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(paths, "REPORT", tmp_path / "file" / "report")

    def act() -> None:
        raise ZeroDivisionError("by\nzero")

    status, err = outcome(act, capsys)
    assert status == 1
    assert err.splitlines()[0] == "unexpected error: ZeroDivisionError: by zero"
    assert "no log can be written" in err


def test_a_closed_pipe_ends_the_command_quietly():
    code = (
        "import click, sys; from lib import command_line\n"
        "def act():\n    for _ in range(100_000): command_line.say('x' * 100)\n"
        "sys.exit(command_line.run(click.Command('x', callback=act), 'stopped'))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) in (1, command_line.CLOSED)  # click's, or ours


def test_a_relative_output_is_one_place(tmp_path):
    code = "from lib import paths; print(paths.OUTPUT)"
    for given, expected in (("out", tmp_path / "out"), ("", paths.ROOT)):
        environment = os.environ | {"POPULARITY_OUTPUT": given}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(paths.ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == str(expected)


def test_ctrl_c_while_modules_are_imported_is_one_line(tmp_path):
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    done = subprocess.run(
        [sys.executable, "-m", "lib", "data"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{paths.ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == "stopped; the same command goes on from here\n"
    assert done.returncode in (-2, 130)


@pytest.mark.parametrize("backend", ["zzz", "../x", "tensorflow.keras"])
def test_a_backend_that_is_not_there_is_told_in_one_line(monkeypatch, capsys, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr(sys, "argv", ["lib", "data"])
    assert command_line.run(main, "stopped") == command_line.FAILED
    line = capsys.readouterr().err
    assert line.startswith(f"KERAS_BACKEND={backend}: not installed here; expected ")
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["results.csv", ".state/01_prepare.json", "report.pdf"]
)
def test_a_pipe_in_the_output_is_not_waited_for(name, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    with pytest.raises(UserError, match="found a pipe or a device"):
        refuse_strange(tmp_path)


def test_locks_that_belong_to_somebody_else_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    owner = getattr(os, "getuid", int)()
    (tmp_path / "theirs").mkdir()
    (tmp_path / f"movie-popularity-locks-{owner}").symlink_to(tmp_path / "theirs")
    with pytest.raises(UserError, match="a folder of somebody else"):
        with locked(tmp_path / "run"):
            pass


def test_what_a_killed_process_left_of_a_file_goes(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, theirs = (
        tmp_path / f".a.{number}.part.svg" for number in (ended.pid, os.getppid())
    )
    for path in (left, theirs):
        path.touch()
    with replacing(tmp_path / "a.svg") as part:
        part.touch()
    assert sorted(tmp_path.iterdir()) == sorted([theirs, tmp_path / "a.svg"])


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(closed, tmp_path):
    words = f"exec {sys.executable} -m lib data --slot month {closed}"
    given = {"POPULARITY_OUTPUT": str(tmp_path), "PYTHONPATH": str(paths.ROOT)}
    done = subprocess.run(words, shell=True, env=os.environ | given, timeout=120)
    assert done.returncode == 0
    assert not (tmp_path / "report").exists()  # no log of an error
    assert (tmp_path / "data" / "processed" / "sample-month" / "meta.json").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize(
    ("streams", "told"),
    [
        (">/dev/full", "output: cannot be written (No space left on device)"),
        (">&- 1</dev/null", "output: cannot be written (Bad file descriptor)"),
        ("2>/dev/full --slot x", ""),
        (">/dev/full 2>/dev/full", ""),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_streams_that_take_nothing_get_one_line(streams, told, unbuffered, tmp_path):
    words = f"{sys.executable} -m lib data {streams}"
    given = {"POPULARITY_OUTPUT": str(tmp_path), "PYTHONPATH": str(paths.ROOT)}
    given["PYTHONUNBUFFERED"] = unbuffered
    done = subprocess.run(
        words,
        shell=True,
        env=os.environ | given,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1 and done.stderr.startswith(told)
    assert done.stderr.count("\n") == bool(told)


def test_an_output_that_is_a_loop_of_links_gets_one_line(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    given = {"POPULARITY_OUTPUT": str(tmp_path / "loop"), "PYTHONPATH": str(paths.ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "lib", "data"],
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "loop" in done.stderr and "unexpected" not in done.stderr


def test_a_name_that_is_not_utf8_gets_one_line(tmp_path, place):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv"))
    path.write_text("user,item,time\n1,2,3\n")
    with pytest.raises(UserError, match="not UTF-8"):
        open_dataset(str(path))
