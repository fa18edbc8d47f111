"""The form of JupyterLab: what its buttons show."""

import pytest

from lib.recommenders.app.form import pages
from lib.recommenders.app.saved_models import Trained
from lib.recommenders.rating.registry import model_class
from tests.recommenders.small import small_data


@pytest.mark.parametrize(
    ("page", "shown"),
    [("Existing user", "at_least"), ("RMSE", "Markdown")],
)
def test_a_button_shows_its_answer(page, shown, tmp_path, capsys):
    data = small_data(tmp_path)
    model = model_class("bias")().fit(data.ratings, data.users, data.movies)
    form = pages(Trained(data, model, data.ratings[::2], data.ratings[1::2]))
    form[page].update()
    assert shown in capsys.readouterr().out
