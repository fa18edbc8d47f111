"""The console of the recommenders as a form in JupyterLab."""

import os

import ipywidgets as widgets
import pandas as pd
from IPython.display import Markdown, display

from lib.errors import UserError
from lib.recommenders.app.console import about_user, recommend, rmse_lines, trained_name
from lib.recommenders.app.saved_models import Trained
from lib.recommenders.rating.entities import Profile
from lib.schema import OCCUPATION, OLDEST, USER, ZIP

BATCH = "POPULARITY_PROGRESS"  # set where notebooks run without anybody watching


def pages(trained: Trained) -> dict[str, widgets.interactive]:
    """A page with fields and a button for each kind of question.

    A data set without demographics has no page for new users.

    Args:
        trained: a fitted model, with its data.
    """

    def existing(user: int, include: bool, n: int):
        for line in about_user(trained, user):
            print(line)
        return _listed(trained, user, n, include)

    def new(age: int, gender: str, occupation: str, zip_code: str, n: int):
        return _listed(trained, Profile(age, gender, occupation, zip_code), n, True)

    def measure():
        return Markdown("  \n".join(rmse_lines(trained)))

    first, users = int(trained.data.ratings[USER].min()), trained.data.users
    found = {
        "Existing user": _page(
            ("Recommend", existing),
            user=widgets.IntText(value=first, description="User id"),
            include=widgets.Checkbox(description="Include movies already seen"),
            n=_number(10, 100, "n"),
        )
    }
    if trained.model.reads_profiles and users is not None:
        words = sorted(users[OCCUPATION].dropna().unique())
        found["New user"] = _page(
            ("Recommend", new),
            age=_number(30, OLDEST, "Age"),
            gender=widgets.Dropdown(options=["F", "M"], description="Gender"),
            occupation=widgets.Dropdown(options=words, description="Occupation"),
            zip_code=widgets.Text(str(users[ZIP].iloc[0]), description="Zip code"),
            n=_number(10, 100, "n"),
        )
    return found | {"RMSE": _page(("Measure", measure))}


def _page(button: tuple, **fields: widgets.Widget) -> widgets.interactive:
    name, action = button
    how = {"manual": True, "manual_name": name, "auto_display": True}
    return widgets.interactive(action, how, **fields)


def _number(value: int, most: int, name: str) -> widgets.BoundedIntText:
    return widgets.BoundedIntText(value=value, min=1, max=most, description=name)


def _listed(trained: Trained, user: int | Profile, n: int, include: bool):
    """The n best movies, or in words why there are none."""
    try:
        table: pd.DataFrame = recommend(trained, user, n, include)
    except UserError as error:
        return Markdown(f"**{error}**")
    return table.round(3)


def show_form(trained: Trained) -> None:
    """Shows the form in JupyterLab, a sentence where nobody could use it."""
    if os.environ.get(BATCH):
        display(Markdown("*Opened in JupyterLab, this cell shows the form.*"))
        return
    found = pages(trained)
    tabs = widgets.Tab(children=list(found.values()), titles=list(found))
    display(widgets.VBox([widgets.Label(trained_name(trained)), tabs]))
