"""The graph of a run for doit: notebook → notebook → report.

`make report` runs these tasks. `doit list`, `doit info 06_compare_models` and
`doit graph`-like tools show them for the DATASET, SLOT and RUN_NAME of the environment.
"""

import os
from collections.abc import Iterable, Iterator

from lib.batch import Report, Run, Step, plan


def graph(steps: Iterable[Step | Report]) -> Iterator[dict]:
    """One task for each notebook, each after those that it requires, then the report.

    A task is up to date while all that it read (data, parameters, its own cells, the
    parts of lib that it imports, what it requires) and all that it wrote are the same.
    Those that most others wait for come first.
    """
    steps = list(steps)

    def waiting(step: Step | Report) -> int:
        return sum(step.name in other.requires for other in steps)

    for step in sorted(steps, key=waiting, reverse=True):
        yield {
            "basename": step.name,
            "task_dep": step.requires,
            "uptodate": [step.is_current],
            "actions": [step.execute],
            "io": {"capture": False},
        }


def task_run() -> Iterator[dict]:
    """The main series, for doit's own command line."""
    names = ("DATASET", "SLOT", "RUN_NAME")
    dataset, slot, name = (os.environ.get(name) for name in names)
    yield from graph(plan(Run(dataset or "sample", slot or "week", name=name or None)))
