"""Words that do not belong in free text, by language and category: one file per language.

A phrase is looked for as whole words, whatever the case, accents, hyphens and spaces; `word*` stands
for every ending. A phrase behind `!` is harmless, and taken out before anything is looked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

Category = Literal[
    "health", "religion", "union", "politics", "sex_life", "offence", "family", "insult"
]
Language = Literal["en", "fr", "de", "es"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
LANGUAGES: tuple[Language, ...] = get_args(Language)

_LETTERS = {"œ": "oe", "æ": "ae", "ß": "ss", "\u2019": "'"}
_TABLE = str.maketrans(_LETTERS)
_BETWEEN = r"[\s'-]+"


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The phrases of one language.

    Args:
        phrases: Category → its phrases.
        harmless: Phrases that say nothing, though they hold one that does.
    """

    phrases: Mapping[str, tuple[str, ...]]
    harmless: tuple[str, ...]


@cache
def lexicon(language: str) -> Lexicon:
    """Return the phrases of a language, as the file has them."""
    text = files(__name__).joinpath(f"{language}.txt").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {category: [] for category in CATEGORIES}
    harmless: list[str] = []
    category = ""
    for line in text.splitlines():
        if line.startswith("["):
            category = line.strip("[]")
        elif line.startswith("!"):
            harmless.append(line[1:])
        elif line and not line.startswith("#"):
            found[category].append(line)
    return Lexicon({name: tuple(phrases) for name, phrases in found.items()}, tuple(harmless))


def folded(text: str) -> str:
    """Return small letters without accents: what `folded_sql` makes of the same text."""
    plain = unicodedata.normalize("NFD", text.lower().translate(_TABLE))
    return "".join(letter for letter in plain if unicodedata.category(letter) != "Mn")


def folded_sql(expression: str) -> str:
    """Return SQL for text in small letters without accents.

    What is left of our languages is ASCII, so that RE2's word boundaries, which know no other
    letters, stand where words end.
    """
    sql = lowered = f"lower({expression})"
    for letter, instead in _LETTERS.items():
        written = instead.replace("'", "''")
        sql = f"replace({sql}, '{letter}', '{written}')"
    # Plain ASCII, a good half of what people write, needs no more than small letters.
    ascii_only = f"strlen({expression}) = length({expression})"
    return f"CASE WHEN {ascii_only} THEN {lowered} ELSE strip_accents({sql}) END"


def pattern(phrases: Iterable[str]) -> str:
    """Return one regular expression (RE2) that finds any of `phrases` in folded text."""
    each = sorted({_written(phrase) for phrase in phrases})
    return rf"\b(?:{'|'.join(each)})\b"


def _written(phrase: str) -> str:
    words = re.split(r"[\s'-]+", folded(phrase).strip())
    return _BETWEEN.join(re.escape(word).replace(r"\*", "[a-z]*") for word in words)
