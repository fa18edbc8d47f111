"""Text from data, made fit to be shown: titles, names and column headings.

A log may hold anything: terminal commands, text that turns the line around, markup.
Whatever shows such text passes it through here first.
"""

import re
import unicodedata

LONGEST = 200  # characters of one shown text
LONGEST_LINE = 300  # characters of a line that a command says
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
# categories of Unicode: control, format, surrogate, private, not assigned
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
JOINERS = "\u200c\u200d"  # invisible, but Persian words and family emoji need them
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
MOVIE_WORDS = re.compile(r"(`[^`]*`)|\b([Mm])ovie(s?)\b")


def printable(text: str) -> str:
    """Text without what a terminal, a font or XML would act upon.

    Terminal sequences, control characters, marks that turn the direction of writing,
    other invisible ones and lone surrogates go; line ends and tabs stay.
    """
    text = ESCAPES.sub("", str(text))
    return "".join(
        c
        for c in text
        if c in "\n\t" or c in JOINERS or unicodedata.category(c) not in HIDDEN
    )


def shown_text(text: object, longest: int = LONGEST) -> str:
    """One line of text as a reader may see it, whatever the data hold.

    Args:
        text: a title or name from data; other values are shown as `str` writes them.
        longest: characters at most; what is left out is marked by "…".
    """
    text = printable(str(text)[: 50 * longest])
    line = " ".join(unicodedata.normalize("NFC", text).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def number(value: float, decimals: int = 4, sign: str = "") -> str:
    """A number for readers: from ten on, four digits are enough.

    Args:
        value: what is told.
        decimals: digits after the point, at most; large numbers have fewer.
        sign: "+" writes it before positive numbers, too.
    """
    whole = len(f"{abs(value):.0f}")
    decimals = decimals if whole == 1 else max(0, min(decimals, 4 - whole))
    return f"{value:{sign}z.{decimals}f}"  # z: no minus before a zero


def plural(word: str) -> str:
    """The plural of an English noun: "movies", "entries", "boxes"."""
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}es" if re.search(r"(s|x|z|ch|sh)$", word) else f"{word}s"


def slot_words(slot: str) -> str:
    """A slot's name for readers: "week", "7 days"."""
    slot = str(slot).lower()
    if slot[:-1].isdecimal() and slot.endswith("d"):
        return f"{slot[:-1]} days"
    return slot


def spoken(text: str, item: str) -> str:
    """Text of the project with its word "movie" replaced by what the requests ask for.

    Args:
        text: never text from data, whose titles stay as they are; code within
            backticks is kept, but for shapes such as `(slot, movie)`.
        item: the word in the singular, such as "page".
    """
    if item == "movie":
        return text

    def told(match: re.Match) -> str:
        if code := match[1]:
            inner = spoken(code[1:-1], item)
            return f"`{inner}`" if code.startswith("`(") else code
        word = plural(item) if match[3] else item
        return word[0].upper() + word[1:] if match[2] == "M" else word

    return MOVIE_WORDS.sub(told, text)


def without_middle(line: str, longest: int = LONGEST_LINE) -> str:
    """A line whose middle gives way where it is too long: its ends say most."""
    half = (longest - 1) // 2
    return line if len(line) <= longest else f"{line[:half]}…{line[-half:]}"


def shown_path(path: object) -> str:
    """`shown_text` of a path: of a long one the end stays, which names the file."""
    line = shown_text(path, 10_000)
    return line if len(line) <= 80 else "…" + line[-79:]


def markdown_text(text: object, longest: int = LONGEST) -> str:
    """`shown_text` for a piece of Markdown: every sign of markup stands for itself."""
    return PUNCTUATION.sub(r"\\\1", shown_text(text, longest))
