"""pyproject.toml, requirements.lock and environment.yml name the same versions."""

import json
import re
import tomllib

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec

from lib.paths import ROOT

# Packages whose conda name differs from the one on PyPI
CONDA_NAMES = {"matplotlib-base": "matplotlib", "python-duckdb": "duckdb"}


def project_requirements(backend: str = "cpu") -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + extras["test"] + extras[backend]
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r for r in found}


def locked(name: str = "requirements.lock", python: str = "") -> dict[str, set[str]]:
    """Versions that the lock gives to a package, for one Python or for all of them."""
    versions: dict[str, set[str]] = {}
    ours = {"python_version": python, "python_full_version": f"{python}.9"}
    pattern = r"([\w.-]+)(?:\[[\w,-]+\])?==([\w.+-]+)(?: ; (.*?))?(?: \\)?$"
    for line in (ROOT / name).read_text().splitlines():
        if match := re.match(pattern, line):
            marker = match[3] or "platform"
            if not python or "platform" in marker or Marker(marker).evaluate(ours):
                versions.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return versions


def conda_environment() -> dict[str, str]:
    """Package → pinned version prefix, conda's and pip's together."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pins = {}
    for line in environment["dependencies"]:
        if isinstance(line, dict):
            lines = [text for text in line["pip"] if not text.startswith("-")]
            for requirement in map(Requirement, lines):
                pins[canonicalize_name(requirement.name)] = str(
                    next(iter(requirement.specifier)).version
                ).removesuffix(".*")
        else:
            spec = MatchSpec(line)
            name = spec.name.normalized
            pins[CONDA_NAMES.get(name, name)] = re.sub(r"[^\d.]", "", str(spec.version))
    return {canonicalize_name(k): v.strip(".") for k, v in pins.items()}


@pytest.mark.parametrize(
    ("name", "backend"),
    [("requirements.lock", "cpu"), ("requirements-gpu.lock", "gpu")],
)
def test_the_lock_fulfils_the_project(name, backend):
    versions = locked(name)
    assert ("tensorflow-cpu" in versions) == (backend == "cpu")
    for package, requirement in project_requirements(backend).items():
        assert package in versions, f"{package} is missing: run make lock"
        for version in versions[package]:
            assert requirement.specifier.contains(version, prereleases=True), package


def test_conda_users_get_the_locked_versions():
    pins = conda_environment()
    python, _ = pins.pop("python"), pins.pop("pip")
    versions = locked(python=python)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert Requirement(f"python{project['requires-python']}").specifier.contains(python)
    for package, pin in pins.items():
        assert all(f"{v}.".startswith(f"{pin}.") for v in versions[package]), package
    wanted = set(project_requirements()) - {"tensorflow-cpu"}
    assert set(pins) == wanted


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("requirements.lock", 100),
        ("requirements-gpu.lock", 100),
        ("requirements-uv.lock", 1),
        ("benchmarks/peers/requirements.lock", 50),
        ("benchmarks/peers/torch.lock", 10),
    ],
)
def test_the_lock_is_hashed_and_names_no_registry(name, least):
    text = (ROOT / name).read_text()
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    packages = re.split(r"^(?=[\w.-]+.*==)", text, flags=re.MULTILINE)[1:]
    assert len(packages) >= least
    assert all("--hash=sha256:" in package for package in packages)


def test_nothing_is_installed_without_its_hash():
    lines = (ROOT / "Makefile").read_text().splitlines()
    installed = [line for line in lines if "pip install" in line]
    assert len(installed) == 5
    assert all("--require-hashes" in line or " -e ." in line for line in installed)


def test_the_container_runs_the_commands_of_the_readme():
    text, readme = (ROOT / "Dockerfile").read_text(), (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 10
    lines = dict(line.split(" ", 1) for line in text.splitlines() if line[:1].isalpha())
    version = re.fullmatch(r"python:([\d.]+)-slim", lines["FROM"])[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = Requirement(f"python{project['requires-python']}").specifier
    assert allowed.contains(version)
    command = " ".join(json.loads(lines["CMD"]))
    assert command in readme and re.search(r"^RUN make env$", text, re.MULTILINE)
    for shown in text.splitlines()[0].removeprefix("# ").split(" && "):
        assert shown in readme
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    folder = ROOT / ".devcontainer"
    editor = json.loads((folder / "devcontainer.json").read_text())
    assert editor["postCreateCommand"].removeprefix("make ") in targets
    assert (folder / editor["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"
