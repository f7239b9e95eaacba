"""Reads the fields that no CRM has a usual place for, where the settings say where one keeps them.

Accounts keep them in fields of their own, of any type: a flag may be a checkbox or the word `oui`,
a number may be text. So what is read is read tolerantly, and what cannot be understood is nothing.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from crm_steward.model import KEPT, FieldType, SourceType, Value

_YES = frozenset(
    [
        "true", "yes", "y", "oui", "o", "ja", "j", "si", "sim", "vrai", "wahr", "1", "x", "v", "on",
        "ok", "checked",
    ]
)  # fmt: skip
_NO = frozenset(
    ["false", "no", "n", "non", "nein", "nao", "faux", "falsch", "0", "off", "unchecked"]
)
_YES_MARKS, _NO_MARKS = frozenset("✓✔☑✅"), frozenset("✗✘☐❌")
_NOT_WORD = re.compile(r"[\W_]+")
_MONEY = re.compile(
    r"(?:[A-Za-z]{3}|[€$£])?\s*([+-]?[0-9][0-9.,' \u2019\u00a0\u202f]*)(?:[A-Za-z]{3}|[€$£])?"
)
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")
_LONGEST_NUMBER = 40
_LARGEST = 1e15

_SOURCE_TYPES = {
    **dict.fromkeys(
        ("direct", "directe", "direkt", "collecte directe", "first party", "personne concernee"),
        SourceType.DIRECT,
    ),
    **dict.fromkeys(
        (
            "third party", "tiers", "tierce partie", "indirect", "indirecte", "dritte", "partner",
            "partenaire", "purchased", "bought", "achete", "rented", "loue", "data broker",
        ),
        SourceType.THIRD_PARTY,
    ),
    **dict.fromkeys(
        (
            "public", "publique", "oeffentlich", "public source", "source publique",
            "publicly available", "accessible au public",
        ),
        SourceType.PUBLIC,
    ),
}  # fmt: skip
"""Words, without accents and case → who gave the data; `source_types` adds to them."""


def read_flag(held: Value) -> bool | None:
    """Return a value as yes or no, or None when it says neither: `true`, `oui`, `ja`, `1`, `x`."""
    if held is None or isinstance(held, bool):
        return held
    text = str(held).strip().removesuffix(".0")
    if text in _YES_MARKS or text in _NO_MARKS:
        return text in _YES_MARKS
    word = _plain(text)
    return True if word in _YES else False if word in _NO else None


def read_number(held: Value) -> float | None:
    """Return a value as a number, or None when it is none: `3`, `1 234,5`, `12.50 EUR`.

    A comma before exactly three digits parts thousands, any other one stands for the point.
    """
    if held is None or isinstance(held, bool):
        return None
    number = float(held) if isinstance(held, int | float) else _number(held.strip())
    usable = number is not None and math.isfinite(number) and abs(number) < _LARGEST
    return number if usable else None


def read_source_type(held: str | None, more: Mapping[str, SourceType]) -> SourceType:
    """Return who gave the data.

    Args:
        held: What the mapped field holds.
        more: The settings' own words, without case → what they mean.
    """
    if not held:
        return SourceType.UNKNOWN
    named = more.get(held.strip().casefold())
    return named or _SOURCE_TYPES.get(_plain(held), SourceType.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Kept:
    """The fields of this kind that one account keeps somewhere.

    Args:
        names: They.
        source_types: Value → who gave the data, as the settings say.
    """

    names: tuple[str, ...] = ()
    source_types: Mapping[str, SourceType] | None = None

    @classmethod
    def of(
        cls, mapped: Iterable[str], source_types: Mapping[str, SourceType] | None = None
    ) -> Kept:
        """Return those among the fields that are `mapped`."""
        words = {word.strip().casefold(): kind for word, kind in (source_types or {}).items()}
        return cls(tuple(name for name in mapped if name in KEPT), words)

    def read(
        self, text: Callable[[str], str | None], time: Callable[[str], datetime | None]
    ) -> dict[str, Any]:
        """Return them as arguments of `Contact`.

        Args:
            text: Reads a canonical field of one record as text, as the connector reads texts.
            time: Reads it as a time.
        """
        return {name: self._value(name, text, time) for name in self.names}

    def _value(
        self,
        name: str,
        text: Callable[[str], str | None],
        time: Callable[[str], datetime | None],
    ) -> Any:
        match KEPT[name].type:
            case FieldType.TIME:
                return time(name)
            case FieldType.FLAG:
                return _hold(text(name))
            case FieldType.NUMBER:
                return read_number(text(name))
            case FieldType.CHOICE:
                return read_source_type(text(name), self.source_types or {})
            case _:
                return text(name)


def _hold(text: str | None) -> bool | None:
    """Read a flag that protects the record: what is no plain yes or no (a reason) is a yes."""
    flag = read_flag(text)
    return True if flag is None and text and text.strip() else flag


def _number(text: str) -> float | None:
    found = _MONEY.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if found is None:
        return None
    digits = re.sub(r"[' \u2019\u00a0\u202f]", "", found[1])
    point, comma = digits.rfind("."), digits.rfind(",")
    if point >= 0 and comma >= 0:  # the last one is the point
        other = "," if point > comma else "."
        digits = digits.replace(other, "")
    elif _GROUPED.fullmatch(digits):
        digits = digits.replace(",", "")
    elif digits.count(".") > 1:
        digits = digits.replace(".", "")
    try:
        return float(digits.replace(",", "."))
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    """Return `text` without accents, case and punctuation."""
    letters = unicodedata.normalize("NFKD", text[:100])
    base = "".join(char for char in letters if not unicodedata.combining(char))
    return _NOT_WORD.sub(" ", base.casefold()).strip()
