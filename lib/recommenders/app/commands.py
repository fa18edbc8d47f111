"""The recommenders' commands of `python -m lib`.

What a command needs is trained first and kept for the next call.
"""

from pathlib import Path

import click

from lib import paths
from lib.command_line import say
from lib.errors import UserError
from lib.files import replacing
from lib.schema import OLDEST, SAMPLE
from lib.text import shown_path, shown_text


def model_options(command):
    """Options that say which data and which model."""
    text = "default: bayesian_fm"
    model = click.option("--model", default=None, envvar="MODEL", help=text)
    text = "name, folder or zip"
    data = click.option("--dataset", default=SAMPLE, envvar="DATASET", help=text)
    return data(model(command))


def list_options(command):
    """Options of a list of recommendations."""
    number = click.option("--n", "-n", type=click.IntRange(1), default=10, help="rows")
    obscure = click.option(
        "--obscure",
        is_flag=True,
        help="order by the predicted rating, however few ratings a movie has; "
        "without it by the lower bound of the prediction",
    )
    return number(obscure(command))


@click.command()
@model_options
def menu(dataset, model):
    """Ask and answer at the terminal."""
    from lib.recommenders.app.console import Console

    Console(prepared(dataset, model)).run()


@click.command()
@click.option("--user", type=int, help="id of a user of the data set")
@click.option("--age", type=click.IntRange(1, OLDEST), help="of a new user, and so on")
@click.option("--gender", type=click.Choice(["M", "F"]))
@click.option("--occupation")
@click.option("--zip", "zip_code")
@click.option("--include-seen", is_flag=True, help="list movies already seen too")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json"]), default="table"
)
@model_options
@list_options
def recommend(dataset, model, n, obscure, user, include_seen, form, **profile):
    """List movies for a user of the data set, or for a new one."""
    from lib.recommenders.app import console

    given = [value is not None for value in profile.values()]
    if not all(given) if user is None else any(given):
        raise UserError(
            "expected either --user with an id, or all of --age, --gender, "
            "--occupation and --zip of a new user"
        )
    trained = prepared(dataset, model)
    if user is None:
        user = checked_profile(dataset, trained.data.users, **profile)
    click.echo(console.trained_name(trained), err=True)
    table = console.recommend(trained, user, n, include_seen, not obscure)
    if form == "table":
        click.echo(console.as_text(table))
    elif form == "csv":
        click.echo(table.to_csv(index=False), nl=False)
    else:
        click.echo(table.to_json(orient="records", force_ascii=False, indent=1))


@click.command("recommend-all")
@click.option("--output", type=click.Path(path_type=Path), help="Parquet file to write")
@model_options
@list_options
def recommend_all(dataset, model, n, obscure, output):
    """Write the lists of all users as one Parquet file."""
    from lib.recommenders.data import run_name

    trained = prepared(dataset, model)
    output = output or paths.PROCESSED / run_name(dataset) / "recommendations.parquet"
    table = trained.model.recommend_all(n, cautious=not obscure)
    try:
        with replacing(output) as part:
            table.to_parquet(part, index=False)
    except (OSError, ValueError) as error:  # ValueError: no name, as of "." or "/"
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{shown_path(output)}: cannot be written ({shown_text(reason, 60)}); "
            "expected the name of a file in a folder with write permission"
        ) from error
    users = table["userId"].nunique()
    say(f"{len(table):,} rows for {users:,} users in {paths.shown(output)}")


@click.command()
@model_options
def evaluate(dataset, model):
    """Print the RMSE of a rating model on training, test and all rows."""
    from lib.recommenders.app import console

    trained = prepared(dataset, model)
    say("\n".join([console.trained_name(trained), *console.rmse_lines(trained)]))


def prepared(dataset: str, model: str | None):
    """The data set with a trained model."""
    from lib.recommenders.app.saved_models import trained_model
    from lib.recommenders.data import load

    return trained_model(load(dataset), model)


def checked_profile(dataset: str, users, age, gender, occupation, zip_code):
    """The profile of a new user.

    Raises:
        UserError: the data set says nothing of its users, or has no such occupation.
    """
    from lib.recommenders.rating.entities import Profile

    if users is None:
        raise UserError(
            f"{dataset}: has no age, gender, occupation and zip code of its users, so "
            "nothing can be learnt for a new one; give --user, or take ml-100k, ml-1m "
            "or sample"
        )
    words = sorted(users["occupation"].dropna().unique())
    if occupation not in words:
        raise UserError(
            f"--occupation {occupation}: expected one of {', '.join(words)}"
        )
    return Profile(age, gender, occupation, zip_code)
