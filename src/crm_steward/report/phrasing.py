"""What the sections of the weekly report say line by line, for their templates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from crm_steward.report.consent import Apart, Ending
from crm_steward.report.hygiene import Held, Typed
from crm_steward.report.objections import Delay, Unheeded
from crm_steward.report.protection import Kept, PeriodEdit
from crm_steward.report.reminders import about, what, where_it_stands
from crm_steward.report.retention import Due
from crm_steward.report.words import Words, plain
from crm_steward.rules import Duration
from crm_steward.rules.kinds.freetext import FreeText

LINES: Final = 10
"""Lines that a part of a section has at most."""
_MOST: Final[Mapping[str, int]] = {
    "most_connections": 8,
    "most_sources": 10,
    "most_shares": 6,
    "most_ending": 4,
    "most_unheeded": 5,
    "most_due": 8,
    "most_held": 10,
    "most_typed": 6,
    "most_periods": 8,
}
"""What the templates call how much they show → how much that is."""


def bounds(lines: int) -> dict[str, int]:
    """Return how much the templates of sections show, at most `lines` of anything."""
    return {name: min(most, lines) for name, most in _MOST.items()}


def phrasing(words: Words) -> dict[str, Any]:
    """Return what the templates of sections call, in one language."""
    return {
        "ending": partial(_ending, words),
        "apart": partial(_apart, words),
        "heeded": partial(_heeded, words),
        "unheeded": partial(_unheeded, words),
        "kept": partial(_kept, words),
        "held": partial(_held, words),
        "typed": partial(_typed, words),
        "edited": partial(_edited, words),
        "duty": partial(what, words),
        "duty_about": partial(about, words),
        "stands": partial(where_it_stands, words),
        "overdue": lambda reminders: [one.how for one in reminders if one.overdue],
    }


def lasting(words: Words, length: Duration) -> str:
    """Write a length of time: 36 months, 36 mois."""
    return words(f"length.{length.unit}", n=length.count)


def _ending(words: Words, one: Ending) -> str:
    channel, length = words(f"channel.{one.channel}"), lasting(words, one.length)
    key = f"consents.ending.{one.ground}"
    return _raised(words(key, n=one.count, channel=channel, length=length))


def _apart(words: Words, one: Apart) -> str:
    channel = words(f"channel.{one.channel}")
    said = words("consents.apart.some", n=one.people, channel=channel)
    if one.opposed:
        said = _both(words, said, words("consents.apart.opposed", n=one.opposed))
    return _raised(said)


def _heeded(words: Words, one: Delay) -> str:
    if one.length is None:
        said = words("consents.without", n=one.heeded)
    else:
        length = lasting(words, one.length)
        said = words("consents.within", n=one.heeded, in_time=one.in_time, length=length, by=one.by)
    if one.unknown:
        said = _both(words, said, words("consents.unknown", n=one.unknown))
    return said


def _unheeded(words: Words, one: Unheeded) -> str:
    channel = words(f"channel.{one.channel}")
    if one.days:
        said = words("consents.seen", n=one.days, channel=channel, seen=words.day(one.seen))
    else:
        said = words("consents.seen.today", channel=channel)
    if one.due is not None:
        said += (
            f", {words('consents.overdue' if one.late else 'consents.due', due=words.day(one.due))}"
        )
    return said


def _kept(words: Words, one: Due) -> str:
    then = words.known("then", one.then, "archive")
    length = lasting(words, one.length)
    return words("retention.period", period=plain(one.period, 40), length=length, then=then)


def _held(words: Words, one: Held) -> str:
    what = FreeText.named(one.category, words)
    said = [_raised(words("hygiene.contacts", n=one.contacts, what=what))]
    if one.notes:
        said.append(words("hygiene.notes", n=one.notes))
    if one.new:
        said.append(words("hygiene.new", n=one.new))
    return ", ".join(said)


def _typed(words: Words, one: Typed) -> str:
    said = words(
        "hygiene.field",
        n=one.contacts,
        field=words.field(one.field),
        connection=plain(one.connection, 60),
        values=one.values,
        spellings=one.spellings,
        covered=words.percent(one.covered),
    )
    return _raised(said)


def _edited(words: Words, one: PeriodEdit) -> str:
    before, after = (as_kept(words, kept) for kept in (one.before, one.after))
    period = plain(one.period, 60)
    return words(f"protection.period.{one.edit}", period=period, before=before, after=after)


def as_kept(words: Words, kept: Kept | None) -> str:
    """Return what the register says of a period; nothing where it does not have it."""
    if kept is None:
        return ""
    length, since = lasting(words, kept.length), words.field(kept.clock)
    then = words.known("then", kept.then, "archive")
    bound = words.known("bound", kept.bound, "at_most")
    return words("protection.kept", bound=bound, length=length, since=since, then=then)


def _both(words: Words, one: str, other: str) -> str:
    return words.either("{one}; {other}", "{one} ; {other}", one=one, other=other)


def _raised(text: str) -> str:
    return text[:1].upper() + text[1:]
