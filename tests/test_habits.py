"""The files that others read: citation, workflow, hooks."""

import re
import tomllib

import yaml

from lib.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def read(name: str) -> dict:
    """A YAML file of the repository."""
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_citation_agrees_with_the_package():
    cited = read("CITATION.cff")
    assert cited["version"] == PROJECT["version"]
    assert cited["license"] == PROJECT["license"]
    assert cited["authors"][0]["name"].lower() in (ROOT / "LICENSE").read_text().lower()


def test_workflow_calls_make_test_on_supported_pythons():
    job = read(".github/workflows/test.yml")["jobs"]["test"]
    assert job["steps"][-1]["run"] == "make test"
    low, high = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
    for version in job["strategy"]["matrix"]["python"]:
        assert int(low) <= int(version.split(".")[1]) < int(high)


def test_hooks_use_the_ruff_of_the_lock():
    lock = (ROOT / "requirements.lock").read_text()
    [version] = re.findall(r"^ruff==(\S+)", lock, re.MULTILINE)
    hooks = {repo["repo"].split("/")[-1]: repo for repo in read(PRE_COMMIT)["repos"]}
    assert hooks["ruff-pre-commit"]["rev"] == f"v{version}"
    [strip] = hooks["nbstripout"]["hooks"]
    assert "--keep-output" in strip["args"]


PRE_COMMIT = ".pre-commit-config.yaml"
