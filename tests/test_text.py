"""What is shown of text from data."""

import unicodedata

import pypandoc
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from lib.text import (
    HIDDEN,
    JOINERS,
    markdown_text,
    number,
    printable,
    shown_path,
    shown_text,
)
from tests.hostile import TITLES


@given(st.text() | st.just("\ud800") | st.sampled_from(TITLES), st.integers(2, 80))
def test_shown_text_is_one_short_harmless_line(text, longest):
    shown = shown_text(text, longest)
    assert len(shown) <= longest and shown == shown_text(shown, longest)
    assert all(c in JOINERS or unicodedata.category(c) not in HIDDEN for c in shown)
    shown.encode("utf-8")


def test_ordinary_titles_stay_as_they_are():
    for title in (
        "Amélie (2001)",
        "七人の侍",
        "M*A*S*H",
        "שלום",
        "👩‍👧",
        "50/50 – a $",
    ):
        assert shown_text(title) == title


def test_terminal_commands_vanish_whole():
    assert shown_text("\x1b[31mred\x1b[0m \x1b]0;title\x07x") == "red x"
    assert printable("one\n\ttwo\x00") == "one\n\ttwo"


def test_what_is_cut_is_marked():
    assert shown_text("A" * 10_000, 10) == "A" * 9 + "…"


def test_markdown_text_stands_for_itself():
    text = "\n\n".join(f"a {markdown_text(title)} b" for title in TITLES)
    page = BeautifulSoup(pypandoc.convert_text(text, "html", "gfm"), "html.parser")
    assert {tag.name for tag in page.find_all()} == {"p"}
    found = [" ".join(p.get_text().split()) for p in page.find_all("p")]
    assert found == [" ".join(f"a {shown_text(t)} b".split()) for t in TITLES]


def test_a_number_from_ten_on_has_four_digits():
    values = [6.77214, -0.00123, 9.99999, 10.65123, -199.7186, 2345.6, 1e6]
    told = ["6.7721", "-0.0012", "10.00", "10.65", "-199.7", "2346", "1000000"]
    assert [number(value) for value in values] == told
    assert number(68.0492, sign="+") == "+68.05" and number(0.5, 3) == "0.500"
    assert number(-0.00001) == "0.0000"


def test_of_a_long_path_the_end_stays():
    path = "/a\x1b[2J/" + 300 * "b" + "/u.data"
    assert shown_path(path) == "…" + 72 * "b" + "/u.data"
    assert shown_path("/a/u.data") == "/a/u.data"
