"""The record of processing activities (GDPR, article 30), as a page to print and as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from crm_steward.report.pages import environment
from crm_steward.report.words import Words
from crm_steward.rules import Register, Text
from crm_steward.rules.register import BLANK
from crm_steward.rules.registerfile import Activity, Controller, Retention, Transfer

_SPLIT = re.compile(f"({BLANK.pattern})")
_DASH = " \N{EN DASH} "
_NEXT = "\n"
"""Between the values of one cell of the table: texts hold semicolons of their own."""
_PART = 900
"""Characters of one piece of text: templates cut what is longer than a value of a CRM should be."""

_CONTROLLER = ("name", "contact", "joint", "representative", "dpo")
_COLUMNS = (
    "controller", "contact", "dpo", "activity", "purpose", "people", "data", "fields", "basis",
    "recipients", "transfers", "retention", "measures",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """One period, in words of one language; `id`, `period` and `clock` as rules know them."""

    id: str
    period: str
    clock: str
    what: str
    length: str
    counted_from: str
    then: str
    source: str


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """One activity, in words of one language, with what holds for all activities."""

    id: str
    purpose: str
    people: Sequence[str]
    data: Sequence[tuple[str, Sequence[str]]]
    """(category, fields)"""
    basis: Sequence[str]
    recipients: Sequence[str]
    transfers: Sequence[str]
    retention: Sequence[PeriodLine]
    measures: Sequence[str]


@dataclass(frozen=True, slots=True)
class Record:
    """The whole record, in words of one language.

    Args:
        controller: What it is → who: name, contact and whoever else is named.
        shared: Recipients, transfers and measures of all activities.
        activities: The activities; their lists hold what is theirs alone.
        blanks: How many texts in brackets somebody has to fill in.
    """

    controller: Mapping[str, str]
    shared: Mapping[str, Sequence[str]]
    activities: Sequence[ActivityEntry]
    blanks: int


def record_of(register: Register, language: str) -> Record:
    """Return the record in `language` ("en" or "fr")."""
    words = Words(language, UTC)
    content = register.content
    shared = content.shared
    return Record(
        controller=_controller(content.controller, language),
        shared={
            "recipients": _texts(shared.recipients, language),
            "transfers": _transfers(shared.transfers, words),
            "measures": _texts(shared.measures, language),
        },
        activities=[_entry(activity, words) for activity in content.activities],
        blanks=len(register.blanks(language)),
    )


def as_record_document(register: Register, language: str) -> dict[str, Any]:
    """Return the record as JSON-ready values: texts in `language`, fields by their names."""
    return {
        "language": language,
        "digest": register.digest,
        **asdict(record_of(register, language)),
    }


def record_rows(register: Register, language: str) -> Iterator[list[str]]:
    """Yield the record as rows: the heads of the columns, then one row per activity."""
    words = Words(language, UTC)
    record = record_of(register, language)
    yield [words(f"record.{column}") for column in _COLUMNS]
    for entry in record.activities:
        whole = {
            "controller": record.controller["name"],
            "contact": record.controller["contact"],
            "dpo": record.controller.get("dpo", ""),
            "activity": entry.id,
            "purpose": entry.purpose,
            "people": _NEXT.join(entry.people),
            "data": _NEXT.join(name for name, _ in entry.data),
            "fields": _NEXT.join(_fields(entry, words)),
            "basis": _NEXT.join(entry.basis),
            "retention": _NEXT.join(_period(line, words) for line in entry.retention),
            **{name: _joined(record, entry, name, words) for name in record.shared},
        }
        yield [whole[column] for column in _COLUMNS]


def render_record(register: Register, language: str, at: datetime) -> str:
    """Return the page: one HTML document that needs nothing else.

    Args:
        register: What it shows.
        language: `en` or `fr`.
        at: When it is made.
    """
    words = Words(language, at.tzinfo or UTC)
    page = {
        "t": words,
        "r": record_of(register, language),
        "made": words("record.made", at=words.day(at), file=register.file.name),
        "parts": _parts,
        "labels": lambda fields: words.listed([words.field(name) for name in fields]),
        "sentence": lambda text: text[:1].upper() + text[1:],
    }
    return environment().get_template("record.html").render(page)


def _controller(controller: Controller, language: str) -> dict[str, str]:
    named: dict[str, Text | None] = {name: getattr(controller, name) for name in _CONTROLLER}
    return {name: text.in_language(language) for name, text in named.items() if text}


def _entry(activity: Activity, words: Words) -> ActivityEntry:
    language = words.language
    basis = [
        words(f"record.article.{one.article[-2]}")
        + (f"{_DASH}{one.about.in_language(language)}" if one.about else "")
        for one in activity.basis
    ]
    return ActivityEntry(
        id=activity.id,
        purpose=activity.purpose.in_language(language),
        people=_texts(activity.people, language),
        data=[(one.name.in_language(language), one.fields) for one in activity.data],
        basis=[text[:1].upper() + text[1:] for text in basis],
        recipients=_texts(activity.recipients, language),
        transfers=_transfers(activity.transfers, words),
        retention=[_line(entry, words) for entry in activity.retention],
        measures=_texts(activity.measures, language),
    )


def _line(entry: Retention, words: Words) -> PeriodLine:
    clock = words.find(f"record.from.{entry.clock}")
    return PeriodLine(
        id=entry.id,
        period=str(entry.period),
        clock=entry.clock,
        what=entry.about.in_language(words.language) if entry.about else entry.id,
        length=words(f"record.{entry.bound}.{entry.period.unit}", n=entry.period.count),
        counted_from=clock or words("record.from.custom", name=words.field(entry.clock)),
        then=words(f"record.due.{entry.then}"),
        source=entry.source,
    )


def _texts(texts: Sequence[Text], language: str) -> list[str]:
    return [text.in_language(language) for text in texts]


def _transfers(transfers: Sequence[Transfer], words: Words) -> list[str]:
    label, language = words("record.safeguards"), words.language
    return [
        f"{one.to.in_language(language)} ({label} {one.safeguards.in_language(language)})"
        for one in transfers
    ]


def _fields(entry: ActivityEntry, words: Words) -> dict[str, None]:
    """Return the labels of the fields an activity covers, each once."""
    return dict.fromkeys(words.field(name) for _, fields in entry.data for name in fields)


def _period(line: PeriodLine, words: Words) -> str:
    length, clock = line.length, line.counted_from
    said = words("record.period", length=length, clock=clock, then=line.then)
    return f"{line.what}{_DASH}{said} ({line.source})"


def _joined(record: Record, entry: ActivityEntry, name: str, words: Words) -> str:
    both = [*record.shared[name], *getattr(entry, name)]
    return _NEXT.join(both) or words("record.none")


def _parts(text: str) -> list[tuple[str, bool]]:
    """Return a text in pieces, each with whether it is in brackets and still to be filled in."""
    return [
        (piece[start : start + _PART], bool(BLANK.fullmatch(piece)))
        for piece in _SPLIT.split(text)
        for start in range(0, len(piece), _PART)
    ]
