import threading

import psutil
import pytest

from lib.errors import UserError
from lib.memory import Room, free_memory

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
