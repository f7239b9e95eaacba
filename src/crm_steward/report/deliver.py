"""Sends what stands in the outbox, exactly once as far as SMTP allows.

The one moment that cannot be made certain is between the end of the content and the server's answer
(RFC 1047): a mail whose answer was lost goes out once more under the same Message-ID, then never.
"""

from __future__ import annotations

import re
import smtplib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parseaddr
from enum import Enum, auto

import structlog

from crm_steward.model import Clock
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
from crm_steward.store.outbox import ANSWERS_WITHIN, Delivery, Letter, Outbox

GIVE_UP_AFTER = timedelta(hours=72)
_SOONEST, _LATEST = timedelta(minutes=2), timedelta(hours=4)
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
        left: Not tried, as somebody asked to stop; they stay due.
        problems: One line per mail that was not sent, without its recipient's name.
        alarms: Those of `problems` that no later try will mend by itself.
        known: Why mails were not sent that was told in the log already.
    """

    sent: int = 0
    postponed: int = 0
    failed: int = 0
    left: int = 0
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
    STOPPED = auto()
    """Somebody asked to stop before its content left."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How one attempt ended; `server` says that every other mail would end the same."""

    end: _End
    reason: str = ""
    server: bool = False
    alarm: bool = False


def deliver(
    database: Database, mail: Mail, clock: Clock, *, stop: threading.Event | None = None
) -> Deliveries:
    """Send the mails of the outbox that are due.

    Safe to call from several processes and after any crash. It does not raise when the mail server
    refuses: what is wrong stands in the outbox, in the log (once, however many mails wait and however
    often it is tried) and in what is returned.

    Args:
        database: The store.
        mail: The mail server.
        clock: The time: one round may take longer than a claim lasts.
        stop: Set when somebody asks to stop: a mail whose content has begun to leave is brought to its
            end, none is begun after that.
    """
    return _Round(Outbox(database), mail, clock, stop or threading.Event()).go()


class _Round:
    """Goes once through the mails that are due."""

    def __init__(self, outbox: Outbox, mail: Mail, clock: Clock, stop: threading.Event) -> None:
        self._outbox = outbox
        self._mail = mail
        self._clock = clock
        self._stop = stop
        self._done = Deliveries(known=outbox.complaints())

    def go(self) -> Deliveries:
        """Do it, and return what became of the mails."""
        down: _Attempt | None = None
        due = self._outbox.due(self._clock())
        for number, name in enumerate(due):
            if self._stop.is_set():
                self._done.left += len(due) - number
                break
            letter = self._outbox.claim(name, self._clock())
            if letter is None:
                continue
            if letter.status is Delivery.FAILED:
                self._give_up(letter, _LOST_TWICE)
                continue
            if down is not None:
                self._settle(letter, down)
                continue
            attempt = self._attempt(letter)
            down = attempt if attempt.server else None
        return self._done

    def _attempt(self, letter: Letter) -> _Attempt:
        """Try a mail and write down how that ended, before anything else is waited for."""
        try:
            smtp = open_session(self._mail)
        except UnavailableError as error:
            attempt = _server(error.message, alarm=error.lasting)
            self._settle(letter, attempt)
            return attempt
        try:
            attempt = _hand_over(smtp, self._mail, letter, lambda: self._kept_back(letter))
            self._settle(letter, attempt)
        except BaseException:
            # The store failed, or somebody pressed Ctrl-C twice: nobody waits for a farewell.
            smtp.close()
            raise
        close_session(smtp)
        return attempt

    def _kept_back(self, letter: Letter) -> _Attempt | None:
        """Return why the content of a claimed mail must not leave; None when it may."""
        if self._stop.is_set():
            return _Attempt(_End.STOPPED)
        if not self._outbox.leaving(letter, self._clock()):
            return _Attempt(_End.OVERTAKEN)
        return None

    def _settle(self, letter: Letter, attempt: _Attempt) -> None:
        """Write down how an attempt ended."""
        match attempt.end:
            case _End.SENT:
                self._outbox.sent(letter, self._clock())
                self._done.sent += 1
                _log.info("report sent", period=letter.period, domain=domain_of(letter.recipient))
            case _End.REFUSED:
                self._give_up(letter, attempt.reason)
            case _End.UNSURE if letter.status is Delivery.UNSURE:
                self._give_up(letter, _LOST_TWICE)
            case _End.LATER | _End.UNSURE:
                self._try_later(letter, attempt)
            case _End.STOPPED:
                self._outbox.postpone(letter, self._clock(), "")
                self._done.left += 1
            case _End.OVERTAKEN:
                pass

    def _try_later(self, letter: Letter, attempt: _Attempt) -> None:
        now, done = self._clock(), self._done
        last = letter.queued_at + GIVE_UP_AFTER
        if now >= last:
            self._give_up(letter, f"{attempt.reason}; given up after three days")
            return
        wait = min(max(now - letter.queued_at, _SOONEST), _LATEST)
        unsure = attempt.end is _End.UNSURE
        postpone = self._outbox.unsure if unsure else self._outbox.postpone
        postpone(letter, min(now + wait, last), attempt.reason)
        done.postponed += 1
        _note(done.problems, attempt.reason)
        if attempt.alarm:
            _note(done.alarms, attempt.reason)
        say = _log.debug if attempt.reason in done.known else _log.warning
        say("report not sent yet", period=letter.period, reason=attempt.reason)
        done.known.add(attempt.reason)

    def _give_up(self, letter: Letter, reason: str) -> None:
        self._outbox.fail(letter, reason)
        self._done.failed += 1
        _note(self._done.problems, reason)
        _note(self._done.alarms, reason)
        _log.error("report given up", period=letter.period, reason=reason)


def _note(lines: list[str], reason: str) -> None:
    if reason not in lines:
        lines.append(reason)


def _hand_over(
    smtp: smtplib.SMTP, mail: Mail, letter: Letter, kept_back: Callable[[], _Attempt | None]
) -> _Attempt:
    """Give one mail to an open session, unless it is kept back when its content is about to leave."""
    try:
        stopped = _envelope(smtp, mail, letter) or _begin(smtp, letter, kept_back)
    except (OSError, smtplib.SMTPException) as error:
        return _server(f"the mail server broke off: {cause(error)}")
    return stopped or _content(smtp, letter)


def _envelope(smtp: smtplib.SMTP, mail: Mail, letter: Letter) -> _Attempt | None:
    code, said = smtp.mail(wire_address(parseaddr(mail.sender)[1]))
    if code != _TAKEN:
        return _server(f"the mail server refuses the sender {reply(code, said)}", alarm=True)
    code, said = smtp.rcpt(letter.recipient)
    if code not in {_TAKEN, _TAKEN_ELSEWHERE}:
        return _refusal(code, said, f"the recipient at {domain_of(letter.recipient)}")
    return None


def _begin(
    smtp: smtplib.SMTP, letter: Letter, kept_back: Callable[[], _Attempt | None]
) -> _Attempt | None:
    if kept := kept_back():
        return kept
    code, said = smtp.docmd("DATA")
    if code != _GO_AHEAD:
        return _refusal(code, said, f"the mail to {domain_of(letter.recipient)}")
    return None


def _content(smtp: smtplib.SMTP, letter: Letter) -> _Attempt:
    try:
        if smtp.sock is not None:
            smtp.sock.settimeout(ANSWERS_WITHIN.total_seconds())
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
