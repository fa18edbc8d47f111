"""Command line of the project: `python -m lib data|report|recommenders|…`."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from lib import command_line, paths
from lib.batch import series
from lib.command_line import say
from lib.errors import UserError
from lib.files import refuse_strange
from lib.memory import check_limit, check_threads
from lib.parameters import Parameter, coerce
from lib.paths import shown
from lib.recommenders.app import commands
from lib.schema import SAMPLE

COLUMNS = ("user", "item", "time", "rating")
BACKENDS = ("tensorflow", "jax", "torch")  # of Keras


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
        option("cluster", "address of a Dask scheduler, or of Spark Connect: sc://…"),
        option("item-name", "what is requested, such as page; default movie or item"),
        option("max-slots", "keep the first N slots"),
        option("slot", "hour, day, week, month, quarter, year, or 7d"),
        option("dataset", "sample, a MovieLens name, a folder or a file"),
    ):
        command = add(command)
    return command


def run_options(command):
    """Options of every command that runs one series of notebooks."""
    text = "a parameter of a notebook; may be repeated"
    command = click.option(
        "--parameter", "-p", nargs=2, multiple=True, metavar="NAME VALUE", help=text
    )(command)
    command = option("jobs", "notebooks at a time, default one per core")(command)
    return data_options(command)


@click.group(no_args_is_help=False, context_settings={"max_content_width": 88})
def main():
    """Forecast how popular each movie will be in the next time slot."""
    check_limit()
    check_threads()
    if os.environ.get("POLARS_ENGINE_AFFINITY") == "gpu":
        del os.environ["POLARS_ENGINE_AFFINITY"]  # of a package that is not in the lock
    backend = os.environ.get("KERAS_BACKEND")
    if backend and (backend not in BACKENDS or find_spec(backend) is None):
        raise UserError(
            f"KERAS_BACKEND={backend}: not installed here; expected "
            f"{', '.join(name for name in BACKENDS if find_spec(name)) or 'none'}: "
            "leave it out, or install that package into .venv"
        )


@main.command()
@data_options
def data(dataset, slot, max_slots, cluster, **columns):
    """Clean a data set and write its panel."""
    from lib.data import summary

    say(summary(prepare(dataset, slot, max_slots, cluster, **columns)))


def prepare(dataset, slot, max_slots, cluster, **columns):
    """Preprocess a data set as the command line says."""
    from lib.data import preprocess

    return preprocess(
        dataset or SAMPLE,
        slot or "week",
        max_slots=whole_number("MAX_SLOTS", max_slots),
        cluster=cluster or None,
        **{name: value or None for name, value in columns.items()},
    )


@main.command()
@data_options
@option("horizon", "slots to forecast, 1 to 12")
@option("model", "last: use the model trained last, train nothing")
def forecast(dataset, slot, horizon, model, **options):
    """Forecast the slots after the last complete one into report/<run>/forecast.csv."""
    number = whole_number("HORIZON", horizon) or 1
    if number > 12:
        raise UserError(f"HORIZON={horizon}: expected a whole number from 1 to 12")
    if model not in ("", "last"):
        raise UserError(f"MODEL={model}: expected nothing, to train, or last")
    dataset = dataset or SAMPLE
    name = paths.run_name(dataset, slot or "week")
    refuse_strange(paths.PROCESSED / name, paths.REPORT / name)
    prepare(dataset, slot, **options)

    from lib.experiments.next_slot import write_forecast
    from lib.forecast.trainer import Settings

    training = series.report_defaults(dataset) | series.from_environment(("EPOCHS",))
    lines = write_forecast(
        paths.PROCESSED / name,
        paths.REPORT / name,
        number,
        Settings(epochs=whole_number("EPOCHS", str(training["EPOCHS"])) or 1),
        training["SEEDS"],
        last=model == "last",
    )
    say("\n".join([*lines, f"written: {shown(paths.REPORT / name)}/forecast.csv"]))


@main.command()
@run_options
@option("run-name", "folder of the run, default <dataset>-<slot>")
@option("title", "title of the report")
@option("notebooks", "folder of the notebooks, default 01–06")
def report(notebooks, dataset, **options):
    """Run all notebooks that are not up to date and build the report."""
    dataset = dataset or SAMPLE
    run_series(
        dataset,
        folder=Path(os.path.realpath(notebooks)) if notebooks else None,
        defaults={} if notebooks else series.report_defaults(dataset),
        given=series.from_environment(series.REPORT),
        **options,
    )


@main.command()
@run_options
@option("run-name", "folder of the run, default recommenders-<dataset>")
@option("title", "title of the report")
def recommenders(dataset, run_name, title, jobs, **options):
    """Run the recommenders' notebooks and build their report."""
    if options.get("user_column") == "none":
        raise UserError(
            "USER_COLUMN=none: recommenders need users, expected a log with a "
            "column of them; give another DATASET"
        )
    dataset = dataset or SAMPLE
    given = series.from_environment(series.RECOMMENDERS)
    name = paths.dataset_name(dataset)
    run_series(
        dataset,
        run_name=run_name or paths.folder_name(f"recommenders-{name}"),
        title=title or f"Recommending movies: {name}",
        folder=paths.NOTEBOOKS / "recommenders",
        defaults=series.recommender_defaults(dataset, given.get("QUICK")),
        given=given,
        jobs=jobs or "1",
        **options,
    )


@main.command()
@run_options
@option("grid", "YAML file of the combinations", "report/experiments.yaml")
def experiments(grid, dataset, slot, jobs, parameter, **settings):
    """Train every combination of a grid and report which choices matter."""
    dataset, slot = dataset or SAMPLE, slot or "week"
    folder = paths.NOTEBOOKS / "experiments"
    given = {"dataset": dataset, "slot": slot, "max_slots": settings["max_slots"]}
    run_file(grid, folder, given, jobs, settings["cluster"])
    run_series(
        dataset,
        slot,
        run_name=series.experiments_name(dataset, slot),
        title=f"Experiments: {paths.dataset_name(dataset)}",
        folder=folder,
        jobs=jobs,
        parameter=parameter,
        **settings,
    )


@main.command()
@click.argument("runs", envvar="RUNS", default="report/runs.yaml")
@option("cluster", "address of a Dask scheduler")
@option("jobs", "runs at a time, default one per core")
@option("notebooks", "folder of the notebooks")
@option("max-slots", "keep the first N slots")
@option("slot", "slot of entries that name no data set")
@option("dataset", "data set of entries that name none")
def sweep(runs, cluster, jobs, notebooks, **given):
    """Run every entry of a YAML file of named runs."""
    folder = Path(os.path.realpath(notebooks)) if notebooks else None
    run_file(runs, folder, given, jobs, cluster)


def run_series(
    dataset,
    slot="",
    *,
    run_name="",
    title="",
    folder=None,
    defaults=None,
    given=None,
    jobs="",
    parameter=(),
    **settings,
):
    """Run one series of notebooks with what the command line says."""
    from lib.batch import Run, run_all

    offered = {name.upper(): value for name, value in settings.items()}
    if offered.get("MAX_SLOTS"):
        offered["MAX_SLOTS"] = whole_number("MAX_SLOTS", offered["MAX_SLOTS"])
    run = Run(
        dataset,
        slot or "week",
        settings=(defaults or {}) | offered,
        parameters=(given or {}) | {name: value for name, value in parameter if value},
        name=run_name or None,
        folder=folder,
        title=title or None,
    )
    if not run_all(run, echo=say, jobs=whole_number("JOBS", jobs)):
        say(f"{shown(run.home / 'report.pdf')} is up to date")
    elif folder is None:
        say("\n".join(ending(run)))


def ending(run) -> list[str]:
    """Where the report of the usual notebooks is, three findings, and what is next."""
    from lib.report.findings import abstract, read_rows

    item = paths.recorded(run.key).get("item_name", "movie")
    places = (shown(run.home / f"report.{kind}") for kind in ("pdf", "html"))
    return [
        f"written: {', '.join(places)}",
        *abstract(read_rows(run.results), item)[1:4],
        "next: make forecast, with the same parameters, and HORIZON=1…12",
    ]


def run_file(path, folder, given, jobs, cluster):
    """Run a YAML file of runs; leave with an exit status where one of them failed."""
    from lib.batch import read_runs, run_sweep

    given = {name: value for name, value in given.items() if value}
    if "dataset" in given:
        given.setdefault("slot", "week")
        if number := whole_number("MAX_SLOTS", given.pop("max_slots", "")):
            given["MAX_SLOTS"] = number
    entries = read_runs(Path(path), folder, given if "dataset" in given else {})
    number = whole_number("JOBS", jobs)
    if run_sweep(entries, jobs=number, cluster=cluster or None, echo=say):
        sys.exit(command_line.FAILED)


def whole_number(name: str, text: str) -> int | None:
    """Read a positive whole number, None where the text is empty."""
    return coerce(Parameter(name, 1, ""), text) if text else None


for command in (commands.menu, commands.recommend, commands.recommend_all):
    main.add_command(command)
main.add_command(commands.evaluate)


@main.command()
def readme():
    """Put the results of the stored runs into README.md and docs/results.md."""
    from lib.report.readme import write

    say(write())


def start() -> int:
    """Run the command line and turn every outcome into an exit status."""
    return command_line.run(main, "stopped; the same command goes on from here")


if __name__ == "__main__":
    sys.exit(start())
