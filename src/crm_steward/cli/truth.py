"""Reads what is known of who is one person: a CSV file of people, or of pairs."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crm_steward.connect.neutral import rearm
from crm_steward.model import InputError, RecordRef

if TYPE_CHECKING:
    from io import TextIOBase

_PEOPLE: Final = ("connection", "id", "person")
_PAIRS: Final = ("left", "right", "same")
_YES: Final = frozenset({"1", "true", "yes", "y", "oui", "o", "vrai"})
_NO: Final = frozenset({"0", "false", "no", "n", "non", "faux"})
_MOST: Final = 10
"""Mistakes that are shown of one file."""


@dataclass(slots=True)
class Truth:
    """What is known. Either people or pairs are filled.

    Args:
        people: Record → the person.
        pairs: Two records, the lower one first → whether they are one person.
        lines: Record → the line that names it first.
    """

    people: dict[RecordRef, str] = field(default_factory=dict)
    pairs: dict[tuple[RecordRef, RecordRef], bool] = field(default_factory=dict)
    lines: dict[RecordRef, int] = field(default_factory=dict)

    def without(self, unknown: set[RecordRef]) -> Truth:
        """Return what is known of other records."""
        return Truth(
            {ref: person for ref, person in self.people.items() if ref not in unknown},
            {pair: same for pair, same in self.pairs.items() if unknown.isdisjoint(pair)},
            self.lines,
        )


def read_truth(path: Path) -> Truth:
    """Read a CSV file with the columns connection, id, person, or left, right, same.

    Commas, semicolons and tabs separate; other columns are passed over.

    Raises:
        InputError: It cannot be read, or says what cannot be; names the lines.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read(file, path.name)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'cannot be read'}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path.name}: it is not UTF-8.", hint="Save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise InputError(f"{path.name}: it is no CSV file: {error}.") from None


def _read(file: TextIOBase, name: str) -> Truth:
    first = file.readline()
    separator = max(",;\t", key=first.count)
    heads = [head.strip().lower() for head in next(csv.reader([first], delimiter=separator), [])]
    wanted = next((names for names in (_PEOPLE, _PAIRS) if set(names) <= set(heads)), None)
    if wanted is None:
        raise InputError(
            f"{name}:1: the columns are not those of a file of people or pairs.",
            hint=f"Wanted: {', '.join(_PEOPLE)}, or {', '.join(_PAIRS)}.",
        )
    places = [heads.index(one) for one in wanted]
    truth, mistakes = Truth(), []
    take = _person if wanted is _PEOPLE else _pair
    for line, values in _rows(file, separator, places):
        mistake = take(truth, line, values)
        if mistake:
            mistakes.append(f"{name}:{line}: {mistake}")
    if mistakes:
        more = [f"… and {len(mistakes) - _MOST} more"] if len(mistakes) > _MOST else []
        raise InputError("\n".join([*mistakes[:_MOST], *more]))
    if not truth.lines:
        raise InputError(f"{name}: it names no record.")
    return truth


def _rows(
    file: TextIOBase, separator: str, places: Sequence[int]
) -> Iterator[tuple[int, list[str]]]:
    """Yield each row's line and the values of the columns that count; empty rows are passed over."""
    reader = csv.reader(file, delimiter=separator)
    line = 2
    for row in reader:
        if any(value.strip() for value in row):
            yield line, [rearm(row[at].strip()) if at < len(row) else "" for at in places]
        line = reader.line_num + 2


def _person(truth: Truth, line: int, values: Sequence[str]) -> str:
    """Take one row; return what is wrong with it."""
    connection, record, person = values
    if not all(values):
        return "connection, id and person are needed."
    ref = RecordRef(connection, record)
    if truth.people.setdefault(ref, person) != person:
        return f"{ref} is another person on line {truth.lines[ref]}."
    truth.lines.setdefault(ref, line)
    return ""


def _pair(truth: Truth, line: int, values: Sequence[str]) -> str:
    """Take one row; return what is wrong with it."""
    try:
        left, right = sorted((RecordRef.parse(values[0]), RecordRef.parse(values[1])))
    except ValueError:
        return "left and right are records: connection:id."
    said = values[2].lower()
    if said not in _YES | _NO:
        return "same is yes or no."
    if left == right:
        return f"{left} is on both sides."
    if truth.pairs.setdefault((left, right), said in _YES) != (said in _YES):
        return f"{left} and {right} are said to be one person and two."
    for ref in (left, right):
        truth.lines.setdefault(ref, line)
    return ""
