"""The console of the recommenders as a form in JupyterLab."""

import os

import ipywidgets as widgets
import pandas as pd
from IPython.display import Markdown, display

from lib.errors import UserError
from lib.recommenders.app.console import (
    about_user,
    recommend,
    rmse_lines,
    trained_name,
)
from lib.recommenders.app.saved_models import Trained
from lib.recommenders.rating.entities import Profile
from lib.schema import AGE, GENDER, OCCUPATION, OLDEST, USER, ZIP

BATCH = "POPULARITY_PROGRESS"  # set where notebooks run without anybody watching


class Form:
    """Three pages: an existing user, a new one, the RMSE.

    Attributes:
        box: the widget to display.
        output: where tables appear.
    """

    def __init__(self, trained: Trained):
        """Builds the pages; a data set without demographics has no page for new users.

        Args:
            trained: a fitted model, with its data.
        """
        self.trained = trained
        self.output = widgets.Output()
        self.number = widgets.BoundedIntText(value=10, min=1, max=100, description="n")
        pages = {"Existing user": self._existing()}
        if trained.model.reads_profiles and trained.data.users is not None:
            pages["New user"] = self._new(trained.data.users)
        pages["RMSE"] = self._button("Measure", self.show_error)
        tabs = widgets.Tab(children=list(pages.values()), titles=list(pages))
        title = widgets.Label(trained_name(trained))
        self.box = widgets.VBox([title, self.number, tabs, self.output])

    def _existing(self):
        ids = self.trained.data.ratings[USER]
        self.user = widgets.IntText(value=int(ids.min()), description="User id")
        self.include = widgets.Checkbox(description="Include movies already seen")
        button = self._button("Recommend", self.show_existing)
        return widgets.VBox([self.user, self.include, button])

    def _new(self, users: pd.DataFrame):
        words = sorted(users[OCCUPATION].dropna().unique())
        self.profile = {
            AGE: widgets.BoundedIntText(value=30, min=1, max=OLDEST, description="Age"),
            GENDER: widgets.Dropdown(options=["F", "M"], description="Gender"),
            OCCUPATION: widgets.Dropdown(options=words, description="Occupation"),
            ZIP: widgets.Text(value=str(users[ZIP].iloc[0]), description="Zip code"),
        }
        button = self._button("Recommend", self.show_new)
        return widgets.VBox([*self.profile.values(), button])

    def _button(self, text: str, action):
        button = widgets.Button(description=text)
        button.on_click(lambda _: action())
        return button

    def show_existing(self) -> None:
        """Lists movies for the user id that was entered."""
        self._list(self.user.value, self.include.value)

    def show_new(self) -> None:
        """Lists movies for the profile that was entered."""
        age, *words = (field.value for field in self.profile.values())
        self._list(Profile(int(age), *map(str, words)), True)

    def show_error(self) -> None:
        """Shows the RMSE on training, test and all rows."""
        self._show(Markdown("  \n".join(rmse_lines(self.trained))))

    def _list(self, user, include: bool) -> None:
        try:
            table = recommend(self.trained, user, self.number.value, include)
        except UserError as error:
            self._show(Markdown(f"**{error}**"))
        else:
            about = [] if isinstance(user, Profile) else about_user(self.trained, user)
            self._show(table.round(3), *about)

    def _show(self, content, *lines: str) -> None:
        self.output.outputs = ()
        self.output.append_display_data(content)
        for line in lines:
            self.output.append_stdout(line + "\n")


def show_form(trained: Trained) -> None:
    """Shows the form in JupyterLab, a sentence where nobody could use it."""
    if os.environ.get(BATCH):
        display(Markdown("*Opened in JupyterLab, this cell shows the form.*"))
    else:
        display(Form(trained).box)
