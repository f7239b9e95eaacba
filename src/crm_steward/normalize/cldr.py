"""What countries and languages are called in seven languages: Unicode CLDR, by way of babel.

What babel loads of some thirty languages takes 30 MB, for four thousand words that are needed of
it: the words are kept in files beside this one, each as it is compared. babel is asked when they
are to be written anew:

    python -c "from crm_steward.normalize import cldr; cldr.write()"

A test holds the files against the babel that is installed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crm_steward.normalize.text import ascii_words, words

if TYPE_CHECKING:
    from babel import Locale

LONGEST: Final = 100
"""Characters of a name that are looked at."""

_LANGUAGES: Final = ("en", "fr", "de", "es", "it", "nl", "pt")
_COUNTRY: Final = re.compile("[A-Z]{2}")
_LANGUAGE: Final = re.compile("[a-z]{2}")
_NOT_COUNTRIES: Final = words("AC CP CQ DG EA EU EZ IC QO TA UN XA XB ZZ")
"""Codes CLDR knows that are no country: exceptional reservations, groupings, test regions."""

_AT_HOME: Final = words(
    "bg ca cs da de el en es et fi fr hr hu it ja lt lv nb nl pl pt ro ru sk sl sv tr uk zh"
)
"""Languages known by the name they give themselves, too."""

_HEAD: Final = """\
# A code, and how what it stands for is written: codes, and names in seven languages, in letters and
# digits alone. Written by crm_steward.normalize.cldr. The names are Unicode CLDR's: copyright
# Unicode, Inc., licensed under the Unicode License v3, https://www.unicode.org/license.txt
"""


def folded(text: str) -> str:
    """Return a name as it is compared: lower-case ASCII letters and digits alone."""
    return "".join(ascii_words(text, LONGEST))


def spellings(name: str) -> dict[str, str]:
    """Return how countries (`countries`) or languages (`languages`) are written: spelling → code."""
    text = (files(__package__) / f"{name}.txt").read_text("ascii")
    lines = (line.partition(": ") for line in text.splitlines() if not line.startswith("#"))
    return {spelling: code for code, _, all_ in lines for spelling in all_.split()}


def countries() -> Iterator[tuple[str, str]]:
    """Yield spelling and code; the earlier wins where two countries share a spelling."""
    from babel.core import get_global  # noqa: PLC0415 -- 30 MB, and only to write the file

    names = [
        {
            str(code): str(name)
            for code, name in _locale(language).territories.items()
            if _COUNTRY.fullmatch(str(code)) and code not in _NOT_COUNTRIES
        }
        for language in _LANGUAGES
    ]
    codes = names[0].keys()
    yield from ((code, code) for code in codes)
    for alias, targets in get_global("territory_aliases").items():
        if len(targets) == 1 and targets[0] in codes:
            yield alias, targets[0]
    for known in names:
        yield from ((name, code) for code, name in known.items())
    for known in names:
        yield from ((part, code) for code, name in known.items() for part in _parts(name))


def languages() -> Iterator[tuple[str, str]]:
    """Yield spelling and code: codes first, names of the seven languages, names of themselves."""
    from babel.core import get_global  # noqa: PLC0415 -- as above

    known = sorted(str(code) for code in _locale("en").languages if _LANGUAGE.fullmatch(str(code)))
    yield from ((code, code) for code in known)
    for alias, code in get_global("language_aliases").items():
        if str(code) in known and str(alias).isalpha():
            yield str(alias), str(code)
    for language in _LANGUAGES:
        names = _locale(language).languages
        yield from ((str(names[code]), code) for code in known if code in names)
    for code in sorted(_AT_HOME.intersection(known)):
        yield str(_locale(code).get_language_name(code)), code


FILES: Final[dict[str, Callable[[], Iterable[tuple[str, str]]]]] = {
    "countries": countries,
    "languages": languages,
}
"""Each file and what is in it."""


def written(found: Iterable[tuple[str, str]]) -> str:
    """Return the content of a file: a line for each code."""
    codes: dict[str, str] = {}
    for spelling, code in found:
        codes.setdefault(folded(spelling), code)
    codes.pop("", None)
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for spelling, code in codes.items():
        lines[code].append(spelling)
    return _HEAD + "".join(f"{code}: {' '.join(sorted(lines[code]))}\n" for code in sorted(lines))


def write() -> None:
    """Write the files anew."""
    for name, found in FILES.items():
        Path(__file__).with_name(f"{name}.txt").write_text(written(found()), "ascii")


def _parts(name: str) -> list[str]:
    """Return the names in a CLDR name: `Myanmar (Birmanie)` is found by each."""
    return re.split(r"[()]", name) if "(" in name else []


def _locale(language: str) -> Locale:
    from babel import Locale  # noqa: PLC0415 -- as above

    return Locale(language)
