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


def without_middle(line: str, longest: int = LONGEST_LINE) -> str:
    """A line whose middle gives way where it is too long: its ends say most."""
    half = (longest - 1) // 2
    return line if len(line) <= longest else f"{line[:half]}…{line[-half:]}"


def shown_path(path: object, longest: int = 80) -> str:
    """`shown_text` of a path: of a long one the end stays, which names the file."""
    line = shown_text(path, 10_000)
    return line if len(line) <= longest else "…" + line[1 - longest :]


def markdown_text(text: object, longest: int = LONGEST) -> str:
    """`shown_text` for a piece of Markdown: every sign of markup stands for itself."""
    return PUNCTUATION.sub(r"\\\1", shown_text(text, longest))
