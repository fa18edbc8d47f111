"""Command line of the recommenders: `python -m lib.recommenders …`."""

import sys

import click

from lib import command_line
from lib.errors import UserError
from lib.recommenders.app import console
from lib.recommenders.app.saved_models import trained_model
from lib.recommenders.data import load
from lib.recommenders.rating.entities import Profile
from lib.recommenders.rating.registry import PLACES


def model_options(command):
    """Options that say which data and which model."""
    text = f"one of {', '.join(PLACES)}"
    model = click.option("--model", default=None, envvar="MODEL", help=text)
    text = "name, folder or zip"
    data = click.option("--dataset", default="sample", envvar="DATASET", help=text)
    return data(model(command))


def list_options(command):
    """Options of a list of recommendations."""
    form = click.option(
        "--format", "form", type=click.Choice(["table", "csv"]), default="table"
    )
    number = click.option(
        "-n", "--number", type=click.IntRange(1), default=10, help="rows"
    )
    return number(form(command))


@click.group(context_settings={"max_content_width": 88})
def main():
    """Recommend movies and measure how well ratings are predicted.

    What a command needs is trained first and kept for the next call.
    """


@main.command()
@model_options
def menu(dataset, model):
    """Ask and answer at the terminal."""
    console.Console(prepared(dataset, model)).run()


@main.command("recommend-for-user")
@click.argument("user", type=int)
@model_options
@list_options
@click.option("--include-seen", is_flag=True, help="list movies already seen too")
def recommend_for_user(user, dataset, model, number, form, include_seen):
    """List movies for the user with an id."""
    trained = prepared(dataset, model)
    show(console.recommend(trained, user, number, include_seen), form)


@main.command("recommend-for-new-user")
@click.option("--age", type=click.IntRange(1, console.OLDEST), required=True)
@click.option("--gender", type=click.Choice(["M", "F"]), required=True)
@click.option("--occupation", required=True)
@click.option("--zip", "zip_code", required=True)
@model_options
@list_options
def recommend_for_new_user(
    age, gender, occupation, zip_code, dataset, model, number, form
):
    """List movies for somebody who has not rated any."""
    data = load(dataset)
    if data.users is None:
        raise UserError(
            f"{dataset}: has no age, gender, occupation and zip code of its users, so "
            "nothing can be learnt for a new one; recommend-for-user and rmse work, or "
            "take ml-100k, ml-1m or sample"
        )
    words = sorted(data.users["occupation"].dropna().unique())
    if occupation not in words:
        raise UserError(
            f"--occupation {occupation}: expected one of {', '.join(words)}"
        )
    profile = Profile(age, gender, occupation, zip_code)
    show(console.recommend(trained_model(data, model), profile, number, True), form)


@main.command()
@model_options
def rmse(dataset, model):
    """Print the RMSE on training, test and all rows."""
    trained = prepared(dataset, model)
    click.echo(console.trained_name(trained))
    for line in console.rmse_lines(trained):
        click.echo(line)


def prepared(dataset: str, model: str | None):
    """The data set with a trained model."""
    return trained_model(load(dataset), model)


def show(table, form: str) -> None:
    """Prints a list of recommendations."""
    if form == "csv":
        click.echo(table.to_csv(index=False), nl=False)
    else:
        click.echo(console.as_text(table))


def start() -> int:
    """Runs the command line and turns every outcome into an exit status."""
    return command_line.run(main, "\nstopped")


if __name__ == "__main__":
    sys.exit(start())
