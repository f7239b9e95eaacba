"""Alerts: a mail at once when something begins or ends that a person must settle, and never between.

A connection whose credential is refused or whose source shrank, a rule that found far more than
usual, a clock that is wrong, writing that was stopped, a restored
copy, a restore test that failed, rules that cannot be used. What stands is compared with what was told last; the difference is
one mail per recipient. The weekly report says the same again, for those who read nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.model import Halt
from crm_steward.report.message import compose, message_id
from crm_steward.report.pages import environment, inlined
from crm_steward.report.queue import addresses, installation
from crm_steward.report.reminders import RESTORE_TEST
from crm_steward.report.render import Mail
from crm_steward.report.words import Words, plain
from crm_steward.settings import Settings
from crm_steward.store.clocks import clocks_within, off, said
from crm_steward.store.database import Database, upsert
from crm_steward.store.forgotten import Forgotten
from crm_steward.store.halts import standing, stop_file
from crm_steward.store.jumps import jumps_within
from crm_steward.store.outbox import write
from crm_steward.store.reminders import Deed, Duty, Result, latest
from crm_steward.store.restored import Restored
from crm_steward.store.rulebooks import broken_rules
from crm_steward.store.tables import connections, meta

_TOLD = "alerts"
_LINES = 5
"""How many mistakes of the rules are named."""

_Said = Callable[[Words], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that a person must settle.

    Args:
        key: The same as long as it lasts.
        what: What is wrong, in one clause.
        why: The reason, in the words of whoever gave it; empty where `what` says it all.
        remedy: What to do.
        command: What says more, or settles it; empty where there is none.
    """

    key: str
    what: _Said
    why: _Said
    remedy: _Said
    command: str = ""


@dataclass(frozen=True, slots=True)
class _Told:
    """What was told last.

    Args:
        number: How many alerts there were.
        standing: Key → language → what was wrong.
    """

    number: int
    standing: Mapping[str, Mapping[str, str]]


def queue_alerts(database: Database, settings: Settings, now: datetime) -> int:
    """Queue a mail for everybody who is to be alerted, if anything began or ended since the last.

    Returns:
        How many mails were queued.

    Raises:
        ConfigError: A recipient or the sender is not an address.
        StoreError: The database cannot be read or written.
    """
    if settings.mail is None:
        return 0
    report = settings.report
    wanted = report.recipients if report.alerts is None else report.alerts
    recipients = addresses(settings.mail.sender, wanted, settings.language)
    home = installation(database)
    with database.write() as writing:
        found = list(troubles(writing, settings))
        told = _told(database, writing)
        begun = [one for one in found if one.key not in told.standing]
        keys = {one.key for one in found}
        ended = [what for key, what in told.standing.items() if key not in keys]
        if not begun and not ended:
            return 0
        period = f"alert-{told.number + 1:06d}"
        # An older copy counts on from a number that was used: another alert is no repetition.
        forgotten = Forgotten.within(writing)
        named = period if forgotten is None else f"{period} {forgotten.until.isoformat()}"
        for address, language in recipients.items():
            words = Words(language, settings.timezone)
            mail = render_alert(words, begun, ended, [one for one in found if one not in begun])
            name = message_id(home, named, address, settings.mail.sender)
            message = compose(
                mail,
                sender=settings.mail.sender,
                recipient=address,
                message_id=name,
                language=language,
                now=now,
            )
            write(
                database,
                writing,
                id=name,
                period=period,
                recipient=address,
                subject=mail.subject,
                message=message,
                now=now,
            )
        _remember(database, writing, _Told(told.number + 1, _names(found, settings)))
    return len(recipients)


def troubles(reading: sa.Connection, settings: Settings) -> Iterator[Trouble]:
    """Yield what stands now, the gravest first."""
    restored = Restored.within(reading)
    if restored is not None:
        names = ", ".join(restored.waiting(settings.abilities))
        yield Trouble(
            key="restored",
            what=lambda t: t("alert.restored"),
            why=lambda t: f"{_raised(t('alert.restored.why', connections=names))}.",
            remedy=lambda t: t("alert.restored.remedy"),
            command="crm-steward status",
        )
    file = stop_file(settings.halt.file)
    for halt in (*([file] if file else []), *standing(reading)):
        yield _of_halt(halt)
    known = sa.select(
        connections.c.connection, connections.c.paused_reason, connections.c.frozen_reason
    ).order_by(connections.c.connection)
    for name, paused, frozen in reading.execute(known).all():
        if paused:
            check = f"crm-steward check --connection {name}"
            yield _of_connection("paused", name, paused, check)
        if frozen:
            accept = f"crm-steward pull --connection {name} --full --accept-shrink"
            yield _of_connection("frozen", name, frozen, accept)
    yield from _watched(reading)
    tested = latest(reading, Duty.RESTORE_TEST)
    if tested is not None and tested.result is not Result.DONE:
        yield _of_restore_test(tested)
    broken = broken_rules(reading)
    if broken is not None:
        lines = "; ".join(plain(one, 200) for one in broken.problems[:_LINES])
        yield Trouble(
            key="rules",
            what=lambda t: t("alert.rules"),
            why=lambda _t: lines,
            remedy=lambda t: t("alert.rules.remedy"),
            command="crm-steward rules lint",
        )


def _watched(reading: sa.Connection) -> Iterator[Trouble]:
    """Yield rules that found far more than usual, and clocks that are wrong."""
    for rule, jump in jumps_within(reading).items():
        if not jump.accepted:
            yield _of_jump(rule, jump.found, jump.usual)
    for name, ahead in clocks_within(reading).items():
        if off(ahead):
            yield _of_clock(name, said(ahead))


def _of_halt(halt: Halt) -> Trouble:
    return Trouble(
        key=f"halt:{halt.seq or 'file'}",
        what=lambda t: _lowered(halt.scope(t.language)),
        why=lambda t: f"{_raised(t.spaced(halt.why(t.language)))}.",
        remedy=lambda t: t.spaced(halt.remedy(t.language)),
    )


def _of_connection(kind: str, name: str, reason: str, command: str) -> Trouble:
    return Trouble(
        key=f"{kind}:{name}",
        what=lambda t: t(f"alert.{kind}", connection=name),
        why=lambda _t: reason,
        remedy=lambda t: t(f"alert.{kind}.remedy"),
        command=command,
    )


def _of_jump(rule: str, found: int, usual: float) -> Trouble:
    return Trouble(
        key=f"jump:{rule}",
        what=lambda t: t("alert.jump", rule=rule),
        why=lambda t: t("alert.jump.why", found=t.number(found), usual=t.number(round(usual))),
        remedy=lambda t: t("alert.jump.remedy", rule=rule),
        command=f"crm-steward accept {rule}",
    )


def _of_clock(connection: str, ahead: str) -> Trouble:
    return Trouble(
        key=f"clock:{connection}",
        what=lambda t: t("alert.clock", connection=connection),
        why=lambda t: t("alert.clock.why", ahead=ahead),
        remedy=lambda t: t("alert.clock.remedy"),
    )


def _of_restore_test(tested: Deed) -> Trouble:
    return Trouble(
        key="restore-test",
        what=lambda t: t("alert.restore_test"),
        why=lambda t: t(
            "alert.restore_test.why",
            why=_raised(t(f"result.{tested.result}")),
            note=plain(tested.note, 200),
        ).strip(),
        remedy=lambda t: t("alert.restore_test.remedy"),
        command=RESTORE_TEST,
    )


def render_alert(
    words: Words,
    begun: Sequence[Trouble],
    ended: Sequence[Mapping[str, str]],
    still: Sequence[Trouble],
) -> Mail:
    """Put what began, what ended and what still stands into a mail.

    Args:
        words: The language.
        begun: What a person must settle now.
        ended: Language → what was wrong and is no longer.
        still: What was told before and still stands.
    """
    over = [one[words.language] for one in ended]
    news = [one.what(words) for one in begun] or [words("alert.over", what=what) for what in over]
    said = news[0] if len(news) == 1 else words("alert.and", what=news[0], n=len(news) - 1)
    page: dict[str, Any] = {
        "t": words,
        "headline": _raised(said),
        "begun": [_shown(one, words) for one in begun],
        "ended": [_raised(what) for what in over],
        "still": [_raised(one.what(words)) for one in still],
    }
    html = environment().get_template("alert.html").render(page)
    return Mail(
        subject=words("alert.subject", what=said),
        html=inlined(html),
        text=environment().get_template("alert.txt").render(page),
    )


def _shown(one: Trouble, words: Words) -> dict[str, str]:
    return {
        "what": _raised(one.what(words)),
        "why": one.why(words),
        "remedy": one.remedy(words),
        "command": one.command,
    }


def _raised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _names(found: Sequence[Trouble], settings: Settings) -> dict[str, dict[str, str]]:
    """Return what is wrong in every language: who is told of its end may read another one."""
    spoken = [Words(language, settings.timezone) for language in ("en", "fr")]
    return {one.key: {words.language: one.what(words) for words in spoken} for one in found}


def _told(database: Database, writing: sa.Connection) -> _Told:
    empty = {"key": _TOLD, "value": json.dumps({"number": 0, "standing": {}})}
    writing.execute(upsert(database, meta, ["key"], update=[]), empty)
    row = sa.select(meta.c.value).where(meta.c.key == _TOLD).with_for_update()
    held = json.loads(writing.execute(row).scalar_one())
    return _Told(held["number"], held["standing"])


def _remember(database: Database, writing: sa.Connection, told: _Told) -> None:
    held = {"number": told.number, "standing": told.standing}
    row = {"key": _TOLD, "value": json.dumps(held, ensure_ascii=False)}
    writing.execute(upsert(database, meta, ["key"]), row)
