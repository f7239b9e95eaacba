"""Recognises which column holds what, by its header, and says how it knew."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from crm_steward.sdk import MAPPABLE, InputError
from crm_steward_file.headers import BOTH, EITHER, ENGLISH, FRENCH, WEAK

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_PREFIXES = ("person ", "contact ", "lead ", "personne ", "client ")
_REPEATABLE = frozenset({"email", "phone", "mobile", "home_phone", "notes"})


class How(StrEnum):
    """How a column was mapped."""

    EXACT = "exact"
    """The header is our own name or label of the field."""
    SYNONYM = "synonym"
    """The header is one of the names exports use for it."""
    USER = "user"
    """The settings or the command line say so."""
    TAKEN = "taken"
    """Another column holds the field already; this one is kept beside it."""
    UNKNOWN = "unknown"
    """The header is not known; the column is kept as it is."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file.

    Args:
        index: Its place, from 0.
        name: Its header, made unique (`E-mail (2)`); `column 7` where there is none.
        target: What it holds (see `TARGETS`); empty when it is kept in `extra`.
        how: How that is known.
    """

    index: int
    name: str
    target: str
    how: How


def plain(header: str) -> str:
    """Return `header` without accents, case and punctuation: `E-Mail*` → `e mail`."""
    split = _CAMEL.sub(" ", header)
    letters = unicodedata.normalize("NFKD", split)
    base = "".join(char for char in letters if not unicodedata.combining(char))
    return _NOT_ALPHANUMERIC.sub(" ", base.casefold()).strip()


def _names(table: Mapping[str, str]) -> dict[str, str]:
    return {name.strip(): target for target, names in table.items() for name in names.split(";")}


_EXACT = {
    plain(name): field.name
    for field in MAPPABLE.values()
    for name in (field.name, field.en, field.fr)
    if plain(name) not in EITHER
}
_FRENCH, _ENGLISH, _BOTH = _names(FRENCH), _names(ENGLISH), _names(BOTH)
_TARGET_OF = {**_FRENCH, **_ENGLISH, **_BOTH}
_HEADER_MAX = 200  # characters; a longer cell is no header


def target_of(header: str) -> tuple[str, How]:
    """Return what a column called `header` holds, or an empty target."""
    if len(header) > _HEADER_MAX:
        return "", How.UNKNOWN
    name = plain(header)
    for candidate in _candidates(name):
        if candidate in _EXACT:
            return _EXACT[candidate], How.EXACT
        if candidate in EITHER:
            return "nom", How.SYNONYM
        if candidate in _TARGET_OF:
            return _TARGET_OF[candidate], How.SYNONYM
    return "", How.UNKNOWN


def _candidates(name: str) -> Iterator[str]:
    yield name
    joined = name.replace(" ", "")
    yield joined
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            yield name.removeprefix(prefix)


def recognised(headers: Iterable[str], wanted: Mapping[str, str]) -> int:
    """Return how many of `headers` are known or asked for: tells a header row from data."""
    asked = {plain(column) for column in wanted.values()}
    return sum(
        bool(target_of(name)[0]) or (bool(name) and plain(name) in asked) for name in headers
    )


def is_french(columns: Sequence[Column]) -> bool | None:
    """Return whether the headers read as French, or None when they could be either."""
    names = [plain(column.name) for column in columns]
    french = sum(name in _FRENCH or name == "nom" for name in names)
    english = sum(name in _ENGLISH or name == "name" for name in names)
    return None if french == english else french > english


def recognise(headers: Sequence[str], wanted: Mapping[str, str], place: str) -> tuple[Column, ...]:
    """Map every column.

    Args:
        headers: The header row.
        wanted: Target → header, as the user asked.
        place: Names the file in an error.

    Returns:
        One column per header, in order.

    Raises:
        InputError: A column that the user asked for is not there.
    """
    names = _unique(headers)
    by_user = {_find(names, column, place): target for target, column in wanted.items()}
    found = [(by_user[i], How.USER) if i in by_user else target_of(n) for i, n in enumerate(names)]
    found = _settle_nom(found)
    taken = Counter({target: 1 for target, how in found if how is How.USER})
    pairs = zip(names, found, strict=True)
    firm = {target for name, (target, _) in pairs if plain(name) not in WEAK}
    columns = []
    for index, (name, (target, how)) in enumerate(zip(names, found, strict=True)):
        beaten = taken[target] or (plain(name) in WEAK and target in firm)
        if how is not How.USER and target and beaten and target not in _REPEATABLE:
            columns.append(Column(index, name, "", How.TAKEN))
            continue
        taken[target] += 1
        columns.append(Column(index, name, target, how))
    return tuple(columns)


def _settle_nom(found: list[tuple[str, How]]) -> list[tuple[str, How]]:
    """Decide whether a bare `Nom` is a family name: it is when a first name stands beside it."""
    targets = {target for target, _ in found}
    target = "last_name" if "first_name" in targets and "last_name" not in targets else "full_name"
    return [(target, how) if name == "nom" else (name, how) for name, how in found]


def _unique(headers: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    names = []
    for index, header in enumerate(headers):
        name = " ".join(header.split()) or f"column {index + 1}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _find(names: Sequence[str], column: str, place: str) -> int:
    if column in names:
        return names.index(column)
    near = [index for index, name in enumerate(names) if plain(name) == plain(column)]
    if near:
        return near[0]
    close = difflib.get_close_matches(column, names, n=1, cutoff=0.6)
    meant = f" (did you mean '{close[0]}'?)" if close else ""
    raise InputError(
        f"{place}: there is no column '{column}'{meant}.",
        hint="Write the header as it stands in the file.",
    )
