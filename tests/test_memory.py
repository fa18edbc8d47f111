import psutil
import pytest

from lib.memory import free_memory

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
