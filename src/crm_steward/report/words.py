"""Puts keys, numbers and dates into words of one language, and makes foreign text safe to show."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.lists import format_list
from babel.numbers import format_decimal, format_percent

from crm_steward.model import FIELDS
from crm_steward.report.catalogue import CATALOGUES, Phrase

_LOCALES = {"en": "en_GB", "fr": "fr_FR"}
_LONGEST_LINK = 500
_NARROW, _UNBREAKABLE = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"

_STEERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that change the direction of what follows them (UAX #9): a name with one could make
the rest of a line read backwards. The letters themselves keep their direction without them."""

_FRENCH_SPACES = (
    (re.compile(r" (?=[;!?%»])|(?<=«) "), _NARROW),
    (re.compile(r" (?=:)"), _UNBREAKABLE),
)
_FIRST = re.compile(r"(?<!\d)1 (?=\D)")
"""The first of a month, which French counts by its rank: 1er mars."""


def plain(text: str, limit: int = 200) -> str:
    """Return foreign text on one line: no control or steering characters, at most `limit` long."""
    start = clean(text[: limit * 4]).strip()
    return start if len(start) <= limit and len(text) <= limit * 4 else start[: limit - 1] + "…"


def clean(text: str) -> str:
    """Return text without line ends, control and steering characters, and runs of spaces."""
    ordinary = _STEERING.sub("", text)
    if not ordinary.isprintable():
        ordinary = "".join(" " if unicodedata.category(c) in _INVISIBLE else c for c in ordinary)
    return _SPACES.sub(" ", ordinary)


_INVISIBLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_SPACES = re.compile(" {2,}")


def safe_link(url: str | None) -> str | None:
    """Return `url` when it is an ordinary web address, else None: it may hold anything."""
    if not url or len(url) > _LONGEST_LINK or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        ordinary = parts.scheme in {"http", "https"} and parts.hostname and not parts.username
    except ValueError:
        return None
    return url if ordinary else None


class Words:
    """One language: sentences by key, numbers, dates.

    Args:
        language: `en` or `fr`.
        zone: The time zone that times are shown in.
    """

    def __init__(self, language: str, zone: tzinfo) -> None:
        self.language = language
        self.zone = zone
        self._locale = Locale.parse(_LOCALES[language])
        self._phrases = _phrases(language)

    def __call__(self, key: str, n: int | None = None, **values: Any) -> str:
        """Return the sentence at `key`.

        Args:
            key: Its name in the catalogue.
            n: How many things it speaks of, where it has a form for one and a form for several.
            values: What stands for its placeholders; integers are written as numbers.

        Raises:
            KeyError: There is no such sentence, or a placeholder has no value.
        """
        phrase = self._phrases[key]
        if isinstance(phrase, tuple):
            phrase = phrase[self._locale.plural_form(n or 0) != "one"]
        shown = {name: self._shown(value) for name, value in values.items()}
        return phrase.format(n=self.number(n) if n else "0", **shown)

    def either(self, en: str, fr: str, **values: Any) -> str:
        """Return the sentence of this language with its placeholders filled: what a check says."""
        phrase = _spaced(fr if self.language == "fr" else en, self.language)
        return phrase.format(**{name: self._shown(value) for name, value in values.items()})

    def spaced(self, text: str) -> str:
        """Return text of this language with the spaces that its typography wants."""
        return _spaced(text, self.language)

    def known(self, prefix: str, code: object, fallback: str = "other") -> str:
        """Return the sentence at `prefix.code`, or the one at `prefix.fallback`."""
        return self.find(f"{prefix}.{code}") or self(f"{prefix}.{fallback}")

    def find(self, key: str) -> str | None:
        """Return the sentence at `key`, or None when there is none."""
        return self(key) if key in self._phrases else None

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number: 12,345 or 12 345."""
        return format_decimal(
            round(value, digits), format=f"#,##0.{'0' * digits}".rstrip("."), locale=self._locale
        )

    def percent(self, share: float) -> str:
        """Write a share (0 to 1) with one decimal: 96.3% or 96,3 %.

        What is not quite everything, or not quite nothing, never reads 100 or 0.
        """
        shown = min(max(round(share, 3), 0.001), 0.999) if 0 < share < 1 else share
        return format_percent(shown, format=self._percent_format, locale=self._locale)

    @property
    def _percent_format(self) -> str:
        return f"#,##0.0{_NARROW}%" if self.language == "fr" else "#,##0.0%"

    def points(self, share: float) -> str:
        """Write a difference of shares: 1.2 points."""
        value = Decimal(str(round(share * 100, 1)))
        phrase = self._phrases["points"][self._locale.plural_form(value) != "one"]
        return phrase.format(value=self.number(float(value), 1))

    def day(self, moment: datetime) -> str:
        """Write a day: 16 Nov 2026."""
        return self._date(moment, "d MMM y")

    def on(self, day: date) -> str:
        """Write a day that is the same everywhere: 16 Nov 2026."""
        return self._dated(format_date(day, "d MMM y", locale=self._locale))

    def month(self, moment: datetime) -> str:
        """Write a month's name: November."""
        return self._date(moment, "LLLL")

    def moment(self, moment: datetime) -> str:
        """Write a day and a time: Mon 16 Nov, 07:30."""
        return self._date(moment, "EEE d MMM, HH:mm")

    def listed(self, items: Sequence[str]) -> str:
        """Write items with an *and*."""
        return format_list(items, locale=self._locale)

    def country(self, code: str) -> str:
        """Return the name of a country by its ISO code, as CLDR has it, or the code."""
        return str(self._locale.territories.get(code) or plain(code, 10))

    def field(self, name: object) -> str:
        """Return the label of a canonical field, or the name of a custom one."""
        text = str(name)
        known = FIELDS.get(text)
        return known.label(self.language) if known else plain(text.removeprefix("extra."), 60)

    def _date(self, moment: datetime, pattern: str) -> str:
        return self._dated(format_datetime(moment, pattern, tzinfo=self.zone, locale=self._locale))

    def _dated(self, text: str) -> str:
        return _FIRST.sub("1er ", text, count=1) if self.language == "fr" else text

    def _shown(self, value: Any) -> str:
        return self.number(value) if isinstance(value, int) else plain(str(value))


@cache
def _phrases(language: str) -> dict[str, Phrase]:
    return {key: _typeset(phrase, language) for key, phrase in CATALOGUES[language].items()}


def _typeset(phrase: Phrase, language: str) -> Phrase:
    """Set the spaces that French puts before double punctuation so that lines do not break there."""
    if isinstance(phrase, tuple):
        return _spaced(phrase[0], language), _spaced(phrase[1], language)
    return _spaced(phrase, language)


def _spaced(text: str, language: str) -> str:
    if language == "fr":
        for where, space in _FRENCH_SPACES:
            text = where.sub(space, text)
    return text
