"""The menu: a new user, an existing one, the error, the way out."""

import signal

import click
import pandas as pd

from lib.recommenders.app.saved_models import Trained
from lib.recommenders.rating.entities import Profile
from lib.recommenders.rating.model import rmse
from lib.recommenders.rating.protocols import profile_of
from lib.schema import AGE, GENDER, MOVIE, OCCUPATION, RATING, TITLE, USER, ZIP
from lib.text import shown_text

OLDEST = 120  # years
TITLE_WIDTH = 50
MENU = """
Menu:
1. Type in a user: age, gender, occupation, zip code
2. Enter the id of an existing user
3. RMSE on training, test and all rows
4. Exit"""


def recommend(
    trained: Trained, user: int | Profile, n: int, include_seen: bool
) -> pd.DataFrame:
    """The n best movies; "seen" is every rating of the data set, test rows included.

    Returns:
        movieId, title, rating (stars), best first, numbered from 1.
    """
    everything = len(trained.model.catalogue.movies)
    table = trained.model.recommend(user, everything, exclude_seen=False)
    if not include_seen and not isinstance(user, Profile):
        ratings = trained.data.ratings
        seen = ratings.loc[ratings[USER] == user, MOVIE]
        table = table[~table[MOVIE].isin(seen)]
    table = table.head(n).reset_index(drop=True)
    table.index += 1
    return table


def as_text(table: pd.DataFrame) -> str:
    """The table as a terminal shows it."""
    lines = [f"{'':>3}  {'id':>6}  {'title':<{TITLE_WIDTH}}  rating"]
    for place, row in table.iterrows():
        title = shown_text(row[TITLE], TITLE_WIDTH)
        number = f"{place:>3}  {row[MOVIE]:>6}"
        lines.append(f"{number}  {title:<{TITLE_WIDTH}}  {row[RATING]:6.3f}")
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


class Console:
    """The dialogue; `run` returns when the user leaves."""

    def __init__(self, trained: Trained):
        self.trained = trained
        self.users = trained.data.users

    def run(self) -> None:
        """Shows the menu until 4, Ctrl-C or the end of the input."""
        # Polars handles SIGINT so that a read goes on after it: Ctrl-C at a question
        # would count only after the next Enter.
        signal.siginterrupt(signal.SIGINT, True)
        click.echo(trained_name(self.trained))
        actions = {"1": self.new_user, "2": self.known_user, "3": self.error}
        try:
            while True:
                click.echo(MENU)
                choice = ask("Enter 1, 2, 3 or 4", one_of(("1", "2", "3", "4")))
                if choice == "4":
                    break
                actions[choice]()
        except (click.Abort, EOFError, KeyboardInterrupt):
            click.echo()
        click.echo("Goodbye.")

    def new_user(self) -> None:
        """Menu item 1."""
        model = self.trained.model
        if self.users is None or not model.knows_profiles:
            reason = (
                "this data set says nothing of its users"
                if self.users is None
                else f"{model.name} reads no profiles"
            )
            click.echo(f"Not possible: {reason}. Enter 2 for an existing user.")
            return
        age = ask("Age", whole_number(1, OLDEST))
        gender = ask("Gender (M or F)", one_of(("M", "F")))
        words = sorted(self.users[OCCUPATION].dropna().unique())
        occupation = ask("Occupation (? lists them)", one_of(words, listed=True))
        zip_code = ask("Zip code", not_empty)
        if zip_code not in set(self.users[ZIP]):
            click.echo("No user has this zip code: an average one is assumed.")
        self.show(Profile(age, gender, occupation, zip_code))

    def known_user(self) -> None:
        """Menu item 2."""
        ids = set(self.trained.data.ratings[USER].tolist())
        if self.users is not None:
            ids |= set(self.users[USER].tolist())
        user = ask(f"User id ({min(ids)}–{max(ids)})", known_id(ids))
        if self.users is not None and user in set(self.users[USER]):
            profile = profile_of(self.users, user)
            for name in (AGE, GENDER, OCCUPATION, ZIP):
                value = shown_text(getattr(profile, name))
                click.echo(f"{name.capitalize()}: {value}")
        self.show(user)

    def show(self, user: int | Profile) -> None:
        """Asks how many, then prints the table."""
        movies = len(self.trained.model.catalogue.movies)
        n = ask("Number of recommendations", whole_number(1, movies), default="10")
        include = False
        if not isinstance(user, Profile):
            text = "Include movies already seen? (y or n)"
            include = ask(text, one_of(("y", "n")), default="n") == "y"
        table = recommend(self.trained, user, n, include)
        if len(table):
            click.echo(as_text(table))
        else:
            click.echo("This user has seen every movie; answer y to list them again.")

    def error(self) -> None:
        """Menu item 3."""
        for line in rmse_lines(self.trained):
            click.echo(line)


def trained_name(trained: Trained) -> str:
    """One line: which model, on what."""
    kind = " (synthetic)" if trained.data.synthetic else ""
    rows = f"{len(trained.train):,} of {len(trained.data.ratings):,} ratings"
    return f"{trained.model.name} on {trained.data.name}{kind}, trained on {rows}"


def ask(question: str, check, default: str | None = None):
    """Asks until `check` accepts the answer.

    Args:
        question: what is shown.
        check: answer → value; raises ValueError with a text for people.
        default: taken when nothing is entered.
    """
    hint = f" [{default}]" if default else ""
    while True:
        answer = click.prompt(
            question + hint, default=default or "", show_default=False
        ).strip()
        try:
            return check(answer)
        except ValueError as error:
            click.echo(f"  {error}")


def whole_number(low: int, high: int):
    """Check for a whole number within limits."""

    def check(answer: str) -> int:
        if not answer.isdecimal() or not low <= int(answer) <= high:
            raise ValueError(
                f"found {answer!r}, expected a whole number from {low} to {high}"
            )
        return int(answer)

    return check


def one_of(words, listed: bool = False):
    """Check for one of some words, in any case."""

    def check(answer: str) -> str:
        if listed and answer == "?":
            raise ValueError("one of " + ", ".join(words))
        found = [word for word in words if word.lower() == answer.lower()]
        if not found:
            raise ValueError(f"found {answer!r}, expected one of {', '.join(words)}")
        return found[0]

    return check


def known_id(ids: set[int]):
    """Check for the id of a user in the data."""

    def check(answer: str) -> int:
        if not answer.isdecimal() or int(answer) not in ids:
            raise ValueError(
                f"found {answer!r}, expected the id of one of {len(ids):,} users, from "
                f"{min(ids)} to {max(ids)}"
            )
        return int(answer)

    return check


def not_empty(answer: str) -> str:
    """Check for any text."""
    if not answer:
        raise ValueError("found nothing, expected a zip code such as 10003")
    return answer
