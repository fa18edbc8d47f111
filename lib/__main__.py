"""Command line of the project: `python -m lib data|report|sweep`."""

import os
import sys
from pathlib import Path

import click

from lib import command_line
from lib.batch import pipeline
from lib.errors import UserError
from lib.paths import shown

COLUMNS = ("user", "item", "time", "rating")
# Parameters of notebooks that `make` hands over in the environment
FROM_MAKE = ("EPOCHS", "SEEDS", "T_SLOT")


def option(name: str, text: str, default: str = "", **more):
    """An option that a variable of the same name, as `make` exports it, may set.

    An empty value means the default, so that a Makefile can pass on what it was not
    given.
    """
    variable = name.upper().replace("-", "_")
    return click.option(
        f"--{name}", default=default, envvar=variable, help=text, **more
    )


def data_options(command):
    """Options that say which data to read and how to cut them into slots."""
    for kind in reversed(COLUMNS):
        command = option(f"{kind}-column", f"column of the {kind}s in a log")(command)
    for add in (
        option("cluster", "address of a Dask scheduler"),
        option("max-slots", "keep the first N slots"),
        option("slot", "hour, day, week, month, quarter, year, or 7d"),
        option("dataset", "sample, a MovieLens name, a folder or a file"),
    ):
        command = add(command)
    return command


@click.group(context_settings={"max_content_width": 88})
def main():
    """Forecast how popular each movie will be in the next time slot."""


@main.command()
@data_options
def data(dataset, slot, max_slots, cluster, **columns):
    """Clean a data set and write its panel."""
    from lib.data.preprocess import preprocess, summary

    meta = preprocess(
        dataset or "sample",
        slot or "week",
        max_slots=whole_number("MAX_SLOTS", max_slots),
        cluster=cluster or None,
        **{name: value or None for name, value in columns.items()},
    )
    click.echo(summary(meta))


@main.command()
@data_options
@option("run-name", "folder of the run, default <dataset>-<slot>")
@option("notebooks", "folder of the notebooks")
@option("title", "title of the report")
@option("jobs", "notebooks at a time, default one per core")
@click.option("--parameter", "-p", nargs=2, multiple=True, metavar="NAME VALUE")
def report(dataset, slot, run_name, notebooks, title, jobs, parameter, **settings):
    """Run all notebooks that are not up to date and build the report."""
    run = pipeline.Run(
        dataset or "sample",
        slot or "week",
        settings={name.upper(): value for name, value in settings.items()},
        parameters=from_make() | {name: value for name, value in parameter if value},
        name=run_name or None,
        folder=Path(notebooks).resolve() if notebooks else None,
        title=title or None,
    )
    number = whole_number("JOBS", jobs)
    if not pipeline.run_all(run, echo=say, jobs=number):
        click.echo(f"{shown(run.home / 'report.pdf')} is up to date")


@main.command()
@click.argument("runs", type=click.Path(path_type=Path))
@option("cluster", "address of a Dask scheduler")
@option("jobs", "runs at a time, default one per core")
@option("notebooks", "folder of the notebooks")
@option("max-slots", "keep the first N slots")
@option("slot", "slot of entries that name no data set", "week")
@option("dataset", "data set of entries that name none")
def sweep(runs, cluster, jobs, notebooks, dataset, slot, max_slots):
    """Run every entry of a YAML file of named runs."""
    from lib.batch.sweep import read_runs, run_sweep

    folder = Path(notebooks).resolve() if notebooks else None
    given = {"DATASET": dataset, "SLOT": slot} if dataset else {}
    given |= {"MAX_SLOTS": max_slots} if dataset and max_slots else {}
    entries = read_runs(runs, folder, given)
    number = whole_number("JOBS", jobs)
    if run_sweep(entries, jobs=number, cluster=cluster or None, echo=say):
        sys.exit(command_line.FAILED)


def from_make() -> dict[str, str]:
    """Notebook parameters among the variables of `make`, where they are set."""
    return {name: os.environ[name] for name in FROM_MAKE if os.environ.get(name)}


def whole_number(name: str, text: str) -> int | None:
    """Read a positive whole number, None where the text is empty."""
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{name}={text}: expected a whole number of at least 1")
    return int(text)


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line + "\n", end="", flush=True)  # in one piece: several notebooks speak


def start() -> int:
    """Run the command line and turn every outcome into an exit status."""
    return command_line.run(main, "stopped; the same command goes on from here")


if __name__ == "__main__":
    sys.exit(start())
