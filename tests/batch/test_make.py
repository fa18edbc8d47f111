"""What people type after `make` reaches Python as data and is never executed."""

import json
import os
import shutil
import stat
import subprocess
import sys

import pytest

from lib.batch import series
from lib.paths import ROOT, dataset_name, run_name

VARIABLES = [
    *("DATASET", "SLOT", "TITLE", "RUN_NAME", "MODEL", "RUNS", "GRID", "SEEDS", "JOBS"),
    *("ORIGINS", "SWEEP", "QUICK", "EPOCHS", "MAX_SLOTS", "T_SLOT", "CLUSTER"),
    *("SWEEP_EPOCHS", "ABLATION_EPOCHS", "NOTEBOOKS", "GPU", "TYPED_WRONG"),
    *("USER_COLUMN", "ITEM_COLUMN", "TIME_COLUMN", "RATING_COLUMN", "UV_SYSTEM_CERTS"),
]
OWN = ["VENV", "LOCK", "RUN", "READY", "PEERS", "COMPILE"]  # make's own
TARGETS = ["data", "report", "sweep", "experiments", "recommenders", "menu"]
TARGETS += ["evaluate", "peers", "lab", "readme", "lint"]
PAYLOADS = [
    "`touch PWNED`",
    "'; touch PWNED; '",
    '"; touch PWNED; "',
    "$(shell touch PWNED)",
    "$$(touch PWNED)",
    "$(touch PWNED)",
    "a; touch PWNED #\\",
    'it\'s "here" $HOME',
]
# Stands for Python: writes down what reached it, one line per call.
PROBE = """#!{python} -SE
import json, os, sys
with open("calls", "a") as file:
    print(json.dumps([sys.argv[1:], dict(os.environ)]), file=file)
"""


@pytest.fixture
def front(tmp_path):
    """A folder with the Makefile and interpreters that only write down calls."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "requirements-uv.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    for folder in (".venv", "benchmarks/peers/.venv"):
        (tmp_path / folder / "bin").mkdir(parents=True)
        python = tmp_path / folder / "bin" / "python"
        python.write_text(PROBE.format(python=sys.executable))
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
    for name in ("torch.lock", "requirements.lock"):
        (tmp_path / "benchmarks" / "peers" / name).touch()
    for folder in (".venv", "benchmarks/peers/.venv"):
        (tmp_path / folder / ".ready").touch()
    return tmp_path


def make(place, arguments, variables):
    """Call make; what reached Python: arguments and environment, one per call."""
    clean = {"PATH": os.environ["PATH"], "HOME": "/nowhere"} | variables
    done = subprocess.run(
        ["make", *arguments], cwd=place, env=clean, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    calls = place / "calls"
    lines = calls.read_text().splitlines() if calls.exists() else []
    calls.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("how", ["typed", "environment", "make -e"])
def test_a_value_arrives_as_it_was_typed_and_runs_nothing(front, payload, how):
    given = dict.fromkeys([*VARIABLES, *OWN], payload)
    typed = [f"{name}={payload}" for name in given] if how == "typed" else []
    flags = ["-e"] if how == "make -e" else []
    variables = {} if how == "typed" else given
    before = {path.name for path in front.iterdir()}
    assert make(front, [*flags, "-n", *TARGETS, *typed], variables) == []
    calls = make(front, [*flags, *TARGETS, *typed], variables)
    assert {path.name for path in front.iterdir()} == before, "something was executed"
    assert len(calls) == len(TARGETS) + 2  # lint is three
    for arguments, seen in calls:
        assert payload not in " ".join(arguments)
        assert {name: seen[name] for name in VARIABLES} == dict.fromkeys(
            VARIABLES, payload
        )


def test_an_interpreter_is_a_file_not_a_command(front):
    (front / ".venv" / ".ready").unlink()
    done = subprocess.run(
        ["make", "env", "PYTHON=touch PWNED;"], cwd=front, capture_output=True
    )
    assert done.returncode != 0
    assert b"call make PYTHON=python3.12" in done.stdout
    assert not (front / "PWNED").exists()


def test_each_target_calls_its_command(front):
    commands = [arguments for arguments, _ in make(front, TARGETS, {})]
    assert [" ".join(command) for command in commands] == [
        *("-m lib data", "-m lib report", "-m lib sweep", "-m lib experiments"),
        *("-m lib recommenders", "-m lib menu", "-m lib evaluate"),
        *(
            "-m benchmarks.peers",
            "-m jupyterlab --ip=127.0.0.1 --ServerApp.root_dir=. "
            "notebooks/01_preprocess.ipynb",
        ),
        *("-m lib readme", "-m ruff check .", "-m ruff format --check ."),
        "-m ty check --output-format concise",
    ]


def test_help_lists_every_target(front):
    text = subprocess.run(["make"], cwd=front, capture_output=True, text=True).stdout
    for target in [*TARGETS, "env", "test", "lock", "clean"]:
        assert f"  make {target} " in text


def test_the_sample_trains_less_than_real_data():
    small, real = map(series.report_defaults, ("sample", "ml-100k"))
    assert small["EPOCHS"] < real["EPOCHS"] and small["ORIGINS"] < real["ORIGINS"]
    assert series.recommender_defaults("sample") == {"QUICK": True}
    assert series.recommender_defaults("sample", "false")["QUICK"] is False
    assert series.recommender_defaults("ml-100k")["LEAK"] is True
    assert series.recommender_defaults("ml-100k", "yes") == {"QUICK": True}


def test_only_what_is_set_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("EPOCHS", "3")
    monkeypatch.setenv("SEEDS", "")
    monkeypatch.delenv("T_SLOT", raising=False)
    assert series.from_environment(["EPOCHS", "SEEDS", "T_SLOT"]) == {"EPOCHS": "3"}


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("ml-100k", "ml-100k-7d"),
        ("path/to/ml-latest-small.zip", "ml-latest-small.zip-7d"),
        ('it\'s "here" $HOME', "it_s__here___HOME-7d"),
        ("a\nb", "a_b-7d"),
        (".hidden", "hidden-7d"),
        ("/", "unnamed-7d"),
        ("x" * 200, "x" * 120 + "-7d"),
    ],
)
def test_a_run_is_named_after_any_data_set(dataset, expected):
    assert run_name(dataset, "7D") == expected
    assert dataset_name("a b") == "a b"


def test_a_folder_may_be_called_anything(tmp_path):
    folder = tmp_path / PAYLOADS[-1]
    folder.mkdir()
    rows = [f"{u},{m},4,{86_400 * (u + 7 * m)}" for u in range(20) for m in range(9)]
    text = "userId,movieId,rating,timestamp\n" + "\n".join(rows) + "\n"
    (folder / "ratings.csv").write_text(text)
    movies = [f"{m},Film {m} (1990),Drama" for m in range(9)]
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *movies]))
    variables = {"DATASET": str(folder), "POPULARITY_OUTPUT": str(tmp_path)}
    command = [sys.executable, "-m", "lib", "data"]
    done = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert folder.name in done.stdout
    made = tmp_path / "data" / "processed" / "it_s__here___HOME-week"
    assert (made / "meta.json").exists()
