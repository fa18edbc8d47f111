"""The menu: a new user, an existing one, the error, another model, the way out."""

import signal

import click
import pandas as pd

from lib.errors import UserError
from lib.recommenders.app.saved_models import Trained, trained_model
from lib.recommenders.rating.entities import Profile
from lib.recommenders.rating.evaluate import profile_of
from lib.recommenders.rating.model import AT_LEAST, rmse
from lib.recommenders.rating.registry import MODELS, knows
from lib.schema import AGE, GENDER, MOVIE, OCCUPATION, OLDEST, RATING, TITLE, USER, ZIP
from lib.text import shown_text

TITLE_WIDTH = 50
LIKED = 3  # movies shown of those that a user likes best
ITEMS = {
    "a new user: age, gender, occupation, zip code": "new_user",
    "an existing user: enter the id": "known_user",
    "RMSE on training, test and all rows": "error",
    "another model": "other_model",
    "exit": "",
}


def recommend(
    trained: Trained,
    user: int | Profile,
    n: int,
    include_seen: bool = False,
    cautious: bool = True,
) -> pd.DataFrame:
    """The n best movies; "seen" is every rating of the data set, test rows included.

    Returns:
        As `RatingModel.recommend`, numbered from 1.
    """
    ratings = trained.data.ratings
    seen = () if include_seen else ratings.loc[ratings[USER].eq(user), MOVIE]
    table = trained.model.recommend(user, n, seen, cautious)
    table.index += 1
    return table


def as_text(table: pd.DataFrame) -> str:
    """The table as a terminal shows it."""
    lines = [f"{'':>3}  {'id':>6}  {'title':<{TITLE_WIDTH}}  rating  at least"]
    for place, row in table.iterrows():
        title = shown_text(row[TITLE], TITLE_WIDTH)
        stars = f"{row[RATING]:6.3f}  {row[AT_LEAST]:8.3f}"
        lines.append(f"{place:>3}  {row[MOVIE]:>6}  {title:<{TITLE_WIDTH}}  {stars}")
    return "\n".join(lines)


def rmse_lines(trained: Trained) -> list[str]:
    """The errors on three sets of rows, and what they mean."""
    sets = (
        ("training rows", trained.train),
        ("test rows", trained.test),
        ("all rows", trained.data.ratings),
    )
    lines = [
        f"RMSE on {name + ':':<15} {rmse(trained.model, rows):.4f} ({len(rows):,})"
        for name, rows in sets
    ]
    lines.append("Only the test rows tell how well new ratings are predicted.")
    return lines


def trained_name(trained: Trained) -> str:
    """One line: which model, on what, and what it knows."""
    kind = " (synthetic)" if trained.data.synthetic else ""
    rows = f"{len(trained.train):,} of {len(trained.data.ratings):,} ratings"
    name = trained.model.name
    return f"{name} on {trained.data.name}{kind}: {rows}, knows {knows(name)}"


def about_user(trained: Trained, user: int) -> list[str]:
    """What the data say of a user: profile, number of ratings, movies liked best."""
    lines, data = [], trained.data
    if data.users is not None and user in set(data.users[USER]):
        profile = profile_of(data.users, user)
        for name in (AGE, GENDER, OCCUPATION, ZIP):
            lines.append(f"{name.capitalize()}: {shown_text(getattr(profile, name))}")
    own = data.ratings[data.ratings[USER] == user]
    best = own.nlargest(LIKED, RATING).merge(data.movies, on=MOVIE)
    if len(best):
        titles = "; ".join(best[TITLE].map(shown_text))
        lines.append(f"{len(own)} ratings, mean {own[RATING].mean():.2f}: {titles}")
    return lines


class Console:
    """The dialogue; `run` returns when the user leaves."""

    def __init__(self, trained: Trained):
        self.trained = trained
        self.users = trained.data.users

    def run(self) -> None:
        """Shows the menu until exit, Ctrl-C or the end of the input."""
        # Polars handles SIGINT so that a read goes on after it: Ctrl-C at a question
        # would count only after the next Enter.
        signal.siginterrupt(signal.SIGINT, True)
        click.echo(trained_name(self.trained))
        try:
            while action := ITEMS[choose("\nMenu", list(ITEMS))]:
                getattr(self, action)()
        except (click.Abort, EOFError, KeyboardInterrupt):
            click.echo()
        click.echo("Goodbye.")

    def new_user(self) -> None:
        """Asks for a profile and lists movies."""
        model = self.trained.model
        if self.users is None or not model.reads_profiles:
            reason = (
                "this data set says nothing of its users"
                if self.users is None
                else f"{model.name} reads no profiles"
            )
            click.echo(f"Not possible: {reason}. Give the id of an existing user.")
            return
        age = click.prompt("Age", type=click.IntRange(1, OLDEST))
        gender = choose("Gender", ["F", "M"])
        words = sorted(self.users[OCCUPATION].dropna().unique())
        occupation = choose("Occupation", words)
        zip_code = click.prompt("Zip code")
        if zip_code not in set(self.users[ZIP]):
            click.echo("No user has this zip code: an average one is assumed.")
        self.show(Profile(age, gender, occupation, zip_code))

    def known_user(self) -> None:
        """Asks for an id, shows what is known of the user and lists movies."""
        ids = self.trained.model.catalogue.user_ids
        user = click.prompt(f"User id ({ids[0]}–{ids[-1]})", type=int)
        try:
            self.trained.model.position(user)
        except UserError as error:
            click.echo(f"  {error}")
            return
        for line in about_user(self.trained, user):
            click.echo(line)
        self.show(user)

    def show(self, user: int | Profile) -> None:
        """Asks how many, then prints the table."""
        movies = len(self.trained.model.catalogue.movies)
        n = click.prompt(
            "Number of recommendations", type=click.IntRange(1, movies), default=10
        )
        include = False
        if not isinstance(user, Profile):
            include = choose("Include movies already seen?", ["no", "yes"], "1")
        table = recommend(self.trained, user, n, include == "yes")
        if len(table):
            click.echo(as_text(table))
            click.echo("Best lower bound first: few ratings weigh less than many.")
        else:
            click.echo("This user has seen every movie; say yes to list them again.")

    def error(self) -> None:
        """Prints the RMSE."""
        click.echo("\n".join(rmse_lines(self.trained)))

    def other_model(self) -> None:
        """Changes the model, which is trained where none is kept."""
        names = {f"{name}: knows {knows(name)}": name for name in MODELS}
        name = names[choose("Model", list(names))]
        try:
            self.trained = trained_model(self.trained.data, name)
        except UserError as error:
            click.echo(f"  {error}")
        click.echo(trained_name(self.trained))


def choose(question: str, options: list[str], default: str | None = None) -> str:
    """Asks for one of numbered options, by its number or in its own words."""

    def check(answer: str) -> str:
        for number, option in enumerate(options, start=1):
            if answer.strip().lower() in (str(number), option.lower()):
                return option
        raise click.BadParameter(
            f"found '{shown_text(answer, 60)}', expected a number from 1 to "
            f"{len(options)}"
        )

    click.echo(f"{question}:")
    for number, option in enumerate(options, start=1):
        click.echo(f"  {number}. {shown_text(option)}")
    return click.prompt("Number", value_proc=check, default=default)
