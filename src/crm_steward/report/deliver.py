"""Sends what stands in the outbox, exactly once as far as SMTP allows.

The one moment that cannot be made certain is between the end of the content and the server's answer
(RFC 1047): a mail whose answer was lost goes out once more under the same Message-ID, then never.
"""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parseaddr
from enum import Enum, auto

import structlog

from crm_steward.report.message import domain_of
from crm_steward.report.session import (
    UnavailableError,
    cause,
    close_session,
    open_session,
    reply,
)
from crm_steward.settings import Mail
from crm_steward.settings.values import wire_address
from crm_steward.store.database import Database
from crm_steward.store.outbox import Delivery, Letter, Outbox

GIVE_UP_AFTER = timedelta(hours=72)
_SOONEST, _LATEST = timedelta(minutes=2), timedelta(hours=4)
_ANSWER_SECONDS = 600.0
"""How long a server may take to answer the end of the content (RFC 5321, 4.5.3.2.6): hanging up
earlier is how the same mail arrives twice."""

_TAKEN, _TAKEN_ELSEWHERE, _GO_AHEAD, _NEVER = 250, 251, 354, 5
"""Replies of RFC 5321, 4.2; the last is the first digit of those that are final."""

_LOST_TWICE = "the mail server's answer was lost twice; it may or may not have arrived"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Deliveries:
    """What became of the mails that were due.

    Args:
        sent: Taken by the mail server.
        postponed: To be tried again later.
        failed: Given up.
        problems: One line per mail that was not sent, without its recipient's name.
        alarms: Those of `problems` that no later try will mend by itself.
        known: Why mails were not sent that was told in the log already.
    """

    sent: int = 0
    postponed: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)


class _End(Enum):
    SENT = auto()
    LATER = auto()
    """Certainly not taken; may be taken later."""
    UNSURE = auto()
    """The answer was lost."""
    REFUSED = auto()
    """The server will never take it."""
    OVERTAKEN = auto()
    """Somebody else has it."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How one attempt ended; `server` says that every other mail would end the same."""

    end: _End
    reason: str = ""
    server: bool = False
    alarm: bool = False


def deliver(database: Database, mail: Mail, now: datetime) -> Deliveries:
    """Send the mails of the outbox that are due.

    Safe to call from several processes and after any crash. It does not raise when the mail server
    refuses: what is wrong stands in the outbox, in the log (once, however many mails wait and however
    often it is tried) and in what is returned.

    Args:
        database: The store.
        mail: The mail server.
        now: The time.
    """
    outbox = Outbox(database)
    done = Deliveries(known=outbox.complaints())
    down: _Attempt | None = None
    for name in outbox.due(now):
        letter = outbox.claim(name, now)
        if letter is None:
            continue
        if letter.status is Delivery.FAILED:
            _give_up(outbox, letter, _LOST_TWICE, done)
            continue
        attempt = down or _attempt(mail, letter, outbox)
        down = attempt if attempt.server else None
        _settle(outbox, letter, attempt, now, done)
    return done


def _settle(
    outbox: Outbox, letter: Letter, attempt: _Attempt, now: datetime, done: Deliveries
) -> None:
    """Write down how an attempt ended."""
    match attempt.end:
        case _End.SENT:
            outbox.sent(letter, now)
            done.sent += 1
            _log.info("report sent", period=letter.period, domain=domain_of(letter.recipient))
        case _End.REFUSED:
            _give_up(outbox, letter, attempt.reason, done)
        case _End.UNSURE if letter.status is Delivery.UNSURE:
            _give_up(outbox, letter, _LOST_TWICE, done)
        case _End.LATER | _End.UNSURE:
            _try_later(outbox, letter, attempt, now, done)
        case _End.OVERTAKEN:
            pass


def _try_later(
    outbox: Outbox, letter: Letter, attempt: _Attempt, now: datetime, done: Deliveries
) -> None:
    last = letter.queued_at + GIVE_UP_AFTER
    if now >= last:
        _give_up(outbox, letter, f"{attempt.reason}; given up after three days", done)
        return
    wait = min(max(now - letter.queued_at, _SOONEST), _LATEST)
    postpone = outbox.unsure if attempt.end is _End.UNSURE else outbox.postpone
    postpone(letter, min(now + wait, last), attempt.reason)
    done.postponed += 1
    _note(done.problems, attempt.reason)
    if attempt.alarm:
        _note(done.alarms, attempt.reason)
    say = _log.debug if attempt.reason in done.known else _log.warning
    say("report not sent yet", period=letter.period, reason=attempt.reason)
    done.known.add(attempt.reason)


def _give_up(outbox: Outbox, letter: Letter, reason: str, done: Deliveries) -> None:
    outbox.fail(letter, reason)
    done.failed += 1
    _note(done.problems, reason)
    _note(done.alarms, reason)
    _log.error("report given up", period=letter.period, reason=reason)


def _note(lines: list[str], reason: str) -> None:
    if reason not in lines:
        lines.append(reason)


def _attempt(mail: Mail, letter: Letter, outbox: Outbox) -> _Attempt:
    try:
        smtp = open_session(mail)
    except UnavailableError as error:
        return _server(error.message, alarm=error.lasting)
    try:
        return _hand_over(smtp, mail, letter, lambda: outbox.leaving(letter))
    finally:
        close_session(smtp)


def _hand_over(
    smtp: smtplib.SMTP, mail: Mail, letter: Letter, leaving: Callable[[], bool]
) -> _Attempt:
    """Give one mail to an open session."""
    try:
        stopped = _envelope(smtp, mail, letter) or _begin(smtp, letter, leaving)
    except (OSError, smtplib.SMTPException) as error:
        return _server(f"the mail server broke off: {cause(error)}")
    return stopped or _content(smtp, mail, letter)


def _envelope(smtp: smtplib.SMTP, mail: Mail, letter: Letter) -> _Attempt | None:
    code, said = smtp.mail(wire_address(parseaddr(mail.sender)[1]))
    if code != _TAKEN:
        return _server(f"the mail server refuses the sender {reply(code, said)}", alarm=True)
    code, said = smtp.rcpt(letter.recipient)
    if code not in {_TAKEN, _TAKEN_ELSEWHERE}:
        return _refusal(code, said, f"the recipient at {domain_of(letter.recipient)}")
    return None


def _begin(smtp: smtplib.SMTP, letter: Letter, leaving: Callable[[], bool]) -> _Attempt | None:
    if not leaving():
        return _Attempt(_End.OVERTAKEN)
    code, said = smtp.docmd("DATA")
    if code != _GO_AHEAD:
        return _refusal(code, said, f"the mail to {domain_of(letter.recipient)}")
    return None


def _content(smtp: smtplib.SMTP, mail: Mail, letter: Letter) -> _Attempt:
    try:
        if smtp.sock is not None:
            smtp.sock.settimeout(max(_ANSWER_SECONDS, mail.timeout.total_seconds()))
        smtp.send(_stuffed(letter.message))
        code, said = smtp.getreply()
    except (OSError, smtplib.SMTPException):
        return _Attempt(_End.UNSURE, "the mail server's answer was lost; sending once more")
    if code == _TAKEN:
        return _Attempt(_End.SENT)
    return _refusal(code, said, f"the mail to {domain_of(letter.recipient)}")


def _stuffed(message: str) -> bytes:
    """Return the content with its end, dots at the start of a line doubled (RFC 5321, 4.5.2)."""
    lines = re.sub(r"(?m)^\.", "..", message)
    return (lines if lines.endswith("\r\n") else f"{lines}\r\n").encode("ascii") + b".\r\n"


def _refusal(code: int, said: bytes, what: str) -> _Attempt:
    reason = f"the mail server refuses {what} {reply(code, said)}"
    return _Attempt(_End.REFUSED if code // 100 == _NEVER else _End.LATER, reason)


def _server(reason: str, *, alarm: bool = False) -> _Attempt:
    return _Attempt(_End.LATER, reason, server=True, alarm=alarm)
