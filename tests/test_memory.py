import os
import resource
import subprocess
import sys
import threading

import psutil
import pytest

from lib.errors import UserError
from lib.memory import (
    LEAST,
    MOST_THREADS,
    THREADS,
    Room,
    check_limit,
    check_threads,
    free_memory,
)

GIGABYTE = 1_000_000_000


def group(folder, limit, used, idle=0, names=("max", "current")):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"memory.{names[0]}").write_text(f"{limit}\n")
    (folder / f"memory.{names[1]}").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {idle}\n")


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    class Memory:
        available = 20 * GIGABYTE

    monkeypatch.setattr(psutil, "virtual_memory", Memory)


def test_without_a_limit_the_machine_counts(tmp_path):
    assert free_memory(tmp_path) == 20 * GIGABYTE
    group(tmp_path / "app", "max", GIGABYTE)
    assert free_memory(tmp_path, "/app") == 20 * GIGABYTE


def test_a_container_may_have_less_and_gets_idle_pages_back(tmp_path):
    group(tmp_path, 4 * GIGABYTE, 3 * GIGABYTE, GIGABYTE)
    assert free_memory(tmp_path, "/") == 2 * GIGABYTE
    group(tmp_path / "app", 9 * GIGABYTE, GIGABYTE)
    assert free_memory(tmp_path, "/app") == 2 * GIGABYTE  # the outer one is tighter
    group(tmp_path, GIGABYTE, 2 * GIGABYTE)
    assert free_memory(tmp_path, "/app") == 0


def test_older_systems_tell_it_elsewhere(tmp_path):
    names = ("limit_in_bytes", "usage_in_bytes")
    group(tmp_path / "memory", 6 * GIGABYTE, GIGABYTE, names=names)
    assert free_memory(tmp_path, "") == 5 * GIGABYTE


def test_a_task_waits_until_its_memory_is_left():
    room, told, waits = Room(), [], threading.Event()

    def second():
        with room.taken(9 * GIGABYTE, lambda line: (told.append(line), waits.set())):
            told.append("begins")

    with room.taken(8 * GIGABYTE, told.append), room.taken(8 * GIGABYTE, told.append):
        assert told == []
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(60)
        assert told == ["waits for about 9.0 GB of memory"]
    thread.join(60)
    assert told[-1] == "begins" and room.needs == []


def test_alone_a_task_may_need_a_little_more_than_is_free():
    room = Room()
    with room.taken(30 * GIGABYTE, print):
        pass
    with pytest.raises(UserError, match="41.0 GB of memory are needed, 20.0 are free"):
        with room.taken(41 * GIGABYTE, print):
            pass
    assert room.needs == []


@pytest.mark.parametrize("limit", [1, LEAST - 1])
def test_a_limit_that_threads_do_not_fit_into_is_refused(limit, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit, limit))
    with pytest.raises(UserError, match="ulimit -v unlimited"):
        check_limit()


@pytest.mark.parametrize("limit", [resource.RLIM_INFINITY, LEAST])
def test_a_limit_that_they_fit_into_is_not(limit, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit, limit))
    check_limit()


def test_a_limit_of_data_counts_too(monkeypatch):
    limits = {resource.RLIMIT_AS: -1, resource.RLIMIT_DATA: 200_000_000}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], -1))
    with pytest.raises(UserError, match="0.20 GB .*ulimit -d unlimited"):
        check_limit()


@pytest.mark.parametrize("name", THREADS)
@pytest.mark.parametrize("text", ["abc", "-1", "0", "1e3", "9" * 30, "1.5", "257000"])
def test_threads_that_never_start_are_refused(name, text, monkeypatch):
    monkeypatch.setenv(name, text)
    with pytest.raises(UserError, match=f"{name}={text}: expected a whole number"):
        check_threads()


@pytest.mark.parametrize(
    ("text", "read"), [("", None), (" ", None), (" 2 ", "2"), ("٢", "2")]
)
def test_threads_that_start_are_not(text, read, monkeypatch):
    for name in THREADS:
        monkeypatch.setenv(name, text)
    check_threads()
    assert {os.environ.get(name) for name in THREADS} == {read}
    monkeypatch.setenv(THREADS[0], str(MOST_THREADS))
    check_threads()


def test_a_command_with_too_many_threads_ends_at_once(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "lib", "data"],
        env={**os.environ, "POPULARITY_OUTPUT": str(tmp_path), THREADS[0]: "9999999"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and done.stderr.startswith(f"{THREADS[0]}=9999999: ")
    assert done.stderr.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_an_engine_that_is_not_installed_is_not_asked_for(tmp_path):
    more = {"POPULARITY_OUTPUT": str(tmp_path), "POLARS_ENGINE_AFFINITY": "gpu"}
    done = subprocess.run(
        [sys.executable, "-m", "lib", "data"],
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "unexpected" not in done.stderr


def test_commands_refuse_it_before_they_begin(tmp_path):
    limit = (820_000_000, 820_000_000)
    done = subprocess.run(
        [sys.executable, "-m", "lib", "data"],
        env={**os.environ, "POPULARITY_OUTPUT": str(tmp_path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and done.stderr.startswith("memory: this shell allows")
    assert done.stderr.count("\n") == 1 and list(tmp_path.iterdir()) == []
