"""The menu and the commands, as their users meet them."""

import io
import json
import os
import subprocess
import sys

import pandas as pd
import pexpect
import pytest
from click.testing import CliRunner

from lib import __main__ as command_line
from lib import paths
from lib.errors import UserError
from lib.recommenders.app import console
from lib.recommenders.app import saved_models as store
from lib.recommenders.data import load
from lib.recommenders.rating.registry import model_class
from lib.schema import MOVIE, USER
from tests.recommenders.small import small_data, write_csv

QUICK = {"recommendernet": dict(epochs=2), "bayesian_fm": dict(rank=2, sweeps=12)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("console")
    data = small_data(place)
    write_csv(data, place / "people")
    write_csv(data, place / "anonymous", with_users=False)
    return place


@pytest.fixture(autouse=True)
def quick_models(monkeypatch, tmp_path):
    """Small models below a folder of the test."""
    monkeypatch.setattr(paths, "PROCESSED", tmp_path)
    made = model_class

    def quick(name):
        def build(**settings):
            return made(name)(**{**QUICK.get(name, {}), **settings})

        return build

    monkeypatch.setattr(store, "model_class", quick)


def talk(dataset, *answers, model="bayesian_fm"):
    arguments = ["menu", "--dataset", str(dataset), "--model", model]
    text = "".join(f"{answer}\n" for answer in answers)
    return CliRunner().invoke(command_line.main, arguments, input=text)


def call(*arguments):
    return CliRunner().invoke(command_line.main, [str(a) for a in arguments])


def rows_of(output):
    lines = [line.split() for line in output.splitlines()]
    return [line for line in lines if "".join(line[:2]).isdecimal()]


def test_known_user_gets_the_table_asked_for(folders):
    result = talk(folders / "people", 2, 7, 3, "no", 5)
    assert result.exit_code == 0
    rows = rows_of(result.output)
    assert [row[0] for row in rows] == ["1", "2", "3"]
    data = load(str(folders / "people"))
    seen = data.ratings.loc[data.ratings[USER] == 7, MOVIE]
    assert not {int(row[1]) for row in rows} & set(seen)
    person = data.users.set_index(USER).loc[7]
    assert f"Age: {person['age']}" in result.output
    assert f"Zip: {person['zip']}" in result.output
    bounds = [float(row[-1]) for row in rows]
    assert bounds == sorted(bounds, reverse=True)
    assert (
        "ratings, mean" in result.output and "Best lower bound first" in result.output
    )
    assert result.output.rstrip().endswith("Goodbye.")


def test_seen_movies_are_listed_when_asked_for(folders):
    result = talk(folders / "people", 2, 7, 40, 2, 5)
    assert len(rows_of(result.output)) == 40
    result = talk(folders / "people", 2, 7, 40, "", 5)
    assert 0 < len(rows_of(result.output)) < 40


def test_new_user_with_wrong_entries_is_asked_again(folders):
    answers = [1, "old", 200, 30, "x", "f", "pilot", "Student", "00000", "many", 2]
    result = talk(folders / "people", *answers, 5)
    assert result.exit_code == 0
    for text in (
        "'old' is not a valid integer range",
        "200 is not in the range 1<=x<=120",
        "found 'x', expected a number from 1 to 2",
        "  2. student",
        "found 'pilot', expected a number from 1 to 3",
        "No user has this zip code",
        "'many' is not a valid integer",
    ):
        assert text in result.output
    assert len(rows_of(result.output)) == 2


def test_wrong_menu_entries_and_ids_are_explained(folders):
    result = talk(folders / "people", 9, 2, "me", 81, 2, 80, 1, "maybe", 1, 5)
    assert "found '9', expected a number from 1 to 5" in result.output
    assert "'me' is not a valid integer" in result.output
    assert "user 81 is not in the data; expected an id from 1 to 80" in result.output
    assert "found 'maybe', expected a number from 1 to 2" in result.output
    assert len(rows_of(result.output)) == 1


def test_another_model_can_be_chosen(folders):
    result = talk(folders / "people", 4, 4, 2, 7, 1, 1, 5)
    assert "bayesian_fm on people" in result.output
    assert "bias on people" in result.output and "knows ratings" in result.output
    assert len(rows_of(result.output)) == 1


def test_rmse_is_shown_for_three_sets_of_rows(folders):
    result = talk(folders / "people", 3, 5)
    for name in ("training rows:", "test rows:", "all rows:"):
        assert f"RMSE on {name}" in result.output
    assert "Only the test rows tell" in result.output


def test_end_of_input_leaves_cleanly(folders):
    for answers in ([], [2], [2, 7], [1, 30]):
        result = talk(folders / "people", *answers)
        assert result.exit_code == 0
        assert result.output.rstrip().endswith("Goodbye.")


def test_without_demographics_the_menu_says_what_works(folders):
    result = talk(folders / "anonymous", 1, 2, 7, 1, "no", 5)
    assert "this data set says nothing of its users" in result.output
    assert len(rows_of(result.output)) == 1


def test_the_model_is_trained_once_and_kept(folders, monkeypatch, tmp_path):
    data = load(str(folders / "people"))
    first = store.trained_model(data, "bayesian_fm")
    assert (tmp_path / "recommenders-people" / "bayesian_fm" / "model.json").exists()
    monkeypatch.setattr(type(first.model), "_fit", None)  # a second fit would fail
    again = store.trained_model(data, "bayesian_fm")
    assert again.test.equals(first.test)
    pairs = data.ratings[:5]
    assert (again.model.predict(pairs) == first.model.predict(pairs)).all()


def test_other_ratings_or_settings_train_again(folders, monkeypatch, tmp_path):
    data = load(str(folders / "people"))
    store.trained_model(data, "bias")
    record = tmp_path / "recommenders-people" / "bias" / ".record.json"
    before = record.read_text()
    monkeypatch.setitem(model_class("bias").defaults, "damping", 9.0)
    store.trained_model(data, "bias")
    assert record.read_text() != before
    changed = data.ratings.assign(rating=3.0)
    object.__setattr__(data, "ratings", changed)
    assert store.trained_model(data, "bias").model.predict(changed)[0] == 3


def test_commands_for_scripts(folders, tmp_path):
    people = folders / "people"
    common = ("--dataset", people, "--model", "bayesian_fm")
    result = call("recommend", "--user", 7, "--n", 4, *common, "--format", "csv")
    assert result.stdout.splitlines()[0] == "movieId,title,rating,at_least"
    assert result.exit_code == 0 and len(result.stdout.splitlines()) == 5
    again = call("recommend", "--user", 7, "-n", 4, *common, "--format", "json")
    table = pd.read_csv(io.StringIO(result.stdout))
    assert [row["movieId"] for row in json.loads(again.stdout)] == table[MOVIE].tolist()
    person = ("--age", 30, "--gender", "F", "--occupation", "student", "--zip", "1")
    result = call("recommend", *person, "-n", 2, *common, "--format", "csv")
    assert len(result.stdout.splitlines()) == 3
    result = call("evaluate", "--dataset", people, "--model", "bias")
    assert "bias on people: " in result.output and "knows ratings" in result.output
    assert "RMSE on test rows:" in result.output


def test_lists_of_all_users_are_written_as_one_file(folders, tmp_path):
    common = ("--dataset", folders / "people", "--model", "bias", "-n", 3)
    result = call("recommend-all", *common)
    assert "240 rows for 80 users" in result.output
    table = pd.read_parquet(tmp_path / "recommenders-people/recommendations.parquet")
    assert table.groupby(USER).size().eq(3).all() and (table["rank"] <= 3).all()
    result = call("recommend-all", *common, "--output", tmp_path / "lists.parquet")
    assert pd.read_parquet(tmp_path / "lists.parquet").equals(table)


@pytest.mark.parametrize(
    "arguments, text",
    [
        ("recommend --user 999 --dataset people".split(), "user 999 is not in"),
        ("recommend --dataset people".split(), "expected either --user with an id"),
        (
            ["evaluate", "--dataset", "people", "--model", "magic"],
            "expected one of bayesian_fm, svm",
        ),
        (
            "recommend --age 3 --gender F --occupation student --zip 1 "
            "--dataset anonymous".split(),
            "give --user, or take ml-100k",
        ),
        (
            "recommend --age 3 --gender F --occupation pilot --zip 1 "
            "--dataset people".split(),
            "--occupation pilot: expected one of artist, student, writer",
        ),
        (
            "recommend --user 1 --age 3 --dataset people".split(),
            "expected either --user with an id, or all of --age",
        ),
        *(
            (["recommend-all", "--output", name, "--dataset", "people"], "expected the")
            for name in ("", ".", "/", "/dev/null/x")
        ),
    ],
)
def test_mistakes_end_with_one_line(folders, monkeypatch, capsys, arguments, text):
    names = {"people": folders / "people", "anonymous": folders / "anonymous"}
    arguments = [str(names.get(word, word)) for word in arguments]
    monkeypatch.setattr(sys, "argv", ["recommenders", *arguments])
    assert command_line.start() == 1
    captured = capsys.readouterr()
    last = captured.err.strip().splitlines()[-1]
    assert text in last and "Traceback" not in captured.err


@pytest.mark.parametrize("name", ["meta.json", "bayesian_fm/facts.json"])
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_pipe_or_a_link_among_the_files_is_refused(folders, tmp_path, name, kind):
    path = tmp_path / "recommenders-people" / name
    path.parent.mkdir(parents=True)
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match=f"{path.name}: found a {kind}"):
        load(str(folders / "people"))


def test_a_wrong_answer_is_not_repeated_at_length(folders):
    told = talk(folders / "people", "x" * 5_000 + "\x1b[31m", 5).output
    (line,) = [line for line in told.splitlines() if line.startswith("Error")]
    assert "expected a number from 1 to 5" in line and "\x1b" not in line
    assert len(line) <= 300


def spawn_menu(folder, output):
    environment = {**os.environ, "POPULARITY_OUTPUT": str(output), "TERM": "dumb"}
    arguments = ["-m", "lib", "menu", "--dataset", str(folder)]
    return pexpect.spawn(
        sys.executable,
        [*arguments, "--model", "bias"],
        env=environment,
        cwd=paths.ROOT,
        timeout=120,
        encoding="utf-8",
        dimensions=(40, 100),
    )


def test_at_a_terminal_control_c_and_control_d_leave_cleanly(folders, tmp_path):
    for goodbye in ("\x03", "\x04"):
        child = spawn_menu(folders / "people", tmp_path)
        child.expect("Number")
        child.sendline("2")
        child.expect("User id")
        child.send(goodbye)
        child.expect("Goodbye.")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0


def test_control_c_while_training_stops_with_a_status(folders, tmp_path):
    code = (
        "import os, signal, sys\n"
        "from lib import __main__ as m\n"
        "from lib.recommenders.rating import bias\n"
        "bias.BiasModel._fit = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        f"sys.argv = ['r', 'menu', '--model', 'bias', '--dataset', {str(folders)!r} + "
        "'/people']\n"
        "sys.exit(m.start())\n"
    )
    environment = {**os.environ, "POPULARITY_OUTPUT": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 130
    assert "stopped" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "data/processed/recommenders-people/bias").exists()


def test_long_titles_are_cut():
    table = pd.DataFrame(
        {MOVIE: [1], "title": ["A" * 80], "rating": 4.5, "at_least": 4}, index=[1]
    )
    line = console.as_text(table).splitlines()[1]
    assert len(line) == 3 + 2 + 6 + 2 + console.TITLE_WIDTH + 2 + 6 + 2 + 8
    assert line.endswith("…   4.500     4.000")
