"""The outbox: each mail is written here once per period and recipient, and sent from here.

A mail is claimed before it is touched, and marked `sending` before its content leaves, so that
whoever comes after a crash knows whether the mail server may have it already (RFC 1047). Such a
mail goes out once more under the same Message-ID, by which a mailbox knows it again; never twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.tables import outbox

WEEKLY = outbox.c.period.like("____-W__")
"""That a mail is a weekly report, and no alert (`alert-000012`)."""

OF_A_WEEK = outbox.c.period.like("____-W__%")
"""That a mail is a weekly report, or a digest that goes with it (`2026-W47-owner`)."""

ALERT = outbox.c.period.like("alert-%")
"""That a mail is an alert: it is of no week."""

ANSWERS_WITHIN = timedelta(minutes=10)
"""How long a mail server may take to answer the end of the content (RFC 5321, 4.5.3.2.6): hanging up
earlier is how the same mail arrives twice."""

HELD_FOR = 4 * ANSWERS_WITHIN
"""How long a claim lasts, from when it is made and anew from when the content begins to leave: longer
than the server may then take to let it come, to take it in and to answer, which are one such time each."""


class Delivery(StrEnum):
    """Where a mail stands."""

    QUEUED = "queued"
    SENDING = "sending"
    """Its content has begun to leave."""
    UNSURE = "unsure"
    """It was sent and the answer was lost; it waits to be sent once more."""
    RESENDING = "resending"
    """Its content has begun to leave a second time."""
    SENT = "sent"
    FAILED = "failed"


_LEAVING = {Delivery.QUEUED: Delivery.SENDING, Delivery.UNSURE: Delivery.RESENDING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail in the outbox.

    Args:
        id: Its Message-ID.
        period: The ISO week it is for, or the alert's number.
        recipient: The address it goes to.
        status: Where it stands.
        subject: Its subject.
        message: The mail as it goes over the wire, ASCII.
        attempts: How often it was tried.
        queued_at: When it was written.
        next_attempt_at: Not before then.
        sent_at: When the mail server took it.
        error: Why it was not taken the last time; empty while it is being tried.
    """

    id: str
    period: str
    recipient: str
    status: Delivery
    subject: str
    message: str
    attempts: int
    queued_at: datetime
    next_attempt_at: datetime
    sent_at: datetime | None
    error: str


class Outbox:
    """Writes and reads the outbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        *,
        id: str,  # noqa: A002 -- the column's name
        period: str,
        recipient: str,
        subject: str,
        message: str,
        now: datetime,
    ) -> bool:
        """Write a mail, unless one stands for that period and recipient; return whether it did."""
        with self._database.write() as writing:
            return write(
                self._database,
                writing,
                id=id,
                period=period,
                recipient=recipient,
                subject=subject,
                message=message,
                now=now,
            )

    def recipients(self, period: str) -> set[str]:
        """Return for whom a mail of that period was written, whatever became of it."""
        query = sa.select(outbox.c.recipient).where(outbox.c.period == period)
        with self._database.read() as reading:
            return set(reading.execute(query).scalars())

    def due(self, now: datetime) -> list[str]:
        """Return the mails that may be tried at `now`, oldest first.

        Those that wait, and those whose sender died.
        """
        open_ = [
            status.value for status in Delivery if status not in (Delivery.SENT, Delivery.FAILED)
        ]
        query = (
            sa.select(outbox.c.id)
            .where(outbox.c.status.in_(open_), outbox.c.next_attempt_at <= now)
            .order_by(outbox.c.queued_at, outbox.c.id)
        )
        with self._database.read() as reading:
            return list(reading.execute(query).scalars())

    def complaints(self) -> set[str]:
        """Return why mails that wait were not taken the last time."""
        waiting = outbox.c.status.in_((Delivery.QUEUED.value, Delivery.UNSURE.value))
        query = sa.select(outbox.c.error).distinct().where(waiting, outbox.c.error != "")
        with self._database.read() as reading:
            return set(reading.execute(query).scalars())

    def hasten(self, now: datetime) -> None:
        """Make mails that wait after a failure due at once: a person asks for it.

        One that somebody has claimed has no error, and keeps its time.
        """
        waiting = outbox.c.status.in_((Delivery.QUEUED.value, Delivery.UNSURE.value))
        later = sa.update(outbox).where(waiting, outbox.c.error != "")
        with self._database.write() as writing:
            writing.execute(later.values(next_attempt_at=now))

    def given_up(self, periods: Collection[str]) -> list[Letter]:
        """Return the mails of some periods that were given up, newest first."""
        failed = (one for period in periods for one in self.letters(period))
        return [letter for letter in failed if letter.status is Delivery.FAILED]

    def revive(self, letters: Iterable[Letter], now: datetime) -> None:
        """Make mails that were given up due at once: a person asks for it, and mended what was wrong."""
        names = [letter.id for letter in letters]
        mine = outbox.c.id.in_(names) & (outbox.c.status == Delivery.FAILED.value)
        with self._database.write() as writing:
            writing.execute(
                sa.update(outbox)
                .where(mine)
                .values(status=Delivery.QUEUED.value, next_attempt_at=now)
            )

    def claim(self, id: str, now: datetime) -> Letter | None:  # noqa: A002 -- same
        """Take a due mail for ourselves; None when somebody else was faster.

        One whose sender died while its content was leaving comes back as `unsure`, the second
        time as `failed`.
        """
        due = sa.select(outbox).where(outbox.c.id == id, outbox.c.next_attempt_at <= now)
        with self._database.write() as writing:
            row = writing.execute(due.with_for_update()).mappings().one_or_none()
            if row is None or row["status"] in (Delivery.SENT, Delivery.FAILED):
                return None
            values = {
                "status": _after_crash(Delivery(row["status"])).value,
                "next_attempt_at": now + HELD_FOR,
                "attempts": row["attempts"] + 1,
                "error": "",
            }
            writing.execute(sa.update(outbox).where(outbox.c.id == id).values(values))
        return _letter({**row, **values})

    def leaving(self, letter: Letter, now: datetime) -> bool:
        """Mark, durably, that the content of a claimed mail is about to leave; the claim begins anew.

        Returns:
            False when the claim ran out and somebody else took it: then it must not leave.
        """
        return self._move(
            letter, status=_LEAVING[letter.status].value, next_attempt_at=now + HELD_FOR
        )

    def sent(self, letter: Letter, now: datetime) -> None:
        """Mark that the mail server took it."""
        self._move(letter, status=Delivery.SENT.value, sent_at=now, error="")

    def postpone(self, letter: Letter, until: datetime, error: str) -> None:
        """Put a mail back that was certainly not taken, to be tried again at `until`."""
        self._move(letter, status=letter.status.value, next_attempt_at=until, error=error)

    def unsure(self, letter: Letter, until: datetime, error: str) -> None:
        """Put a mail back that may have been taken: it is sent once more, then given up."""
        self._move(letter, status=Delivery.UNSURE.value, next_attempt_at=until, error=error)

    def fail(self, letter: Letter, error: str) -> None:
        """Give a mail up."""
        self._move(letter, status=Delivery.FAILED.value, error=error)

    def letters(self, period: str | None = None) -> list[Letter]:
        """Return the mails of a period, or all, newest first."""
        query = sa.select(outbox).order_by(outbox.c.queued_at.desc(), outbox.c.id)
        if period is not None:
            query = query.where(outbox.c.period == period)
        with self._database.read() as reading:
            return [_letter(row) for row in reading.execute(query).mappings()]

    def _move(self, letter: Letter, **values: object) -> bool:
        """Change the row if the claim is still ours: each claim has its own number of attempts."""
        ours = sa.update(outbox).where(
            outbox.c.id == letter.id, outbox.c.attempts == letter.attempts
        )
        with self._database.write() as writing:
            return bool(writing.execute(ours.values(values)).rowcount)


def write(
    database: Database,
    writing: sa.Connection,
    *,
    id: str,  # noqa: A002 -- the column's name
    period: str,
    recipient: str,
    subject: str,
    message: str,
    now: datetime,
) -> bool:
    """Write a mail as `Outbox.add` does, within a transaction that writes more than that."""
    row = {
        "id": id,
        "period": period,
        "recipient": recipient,
        "status": Delivery.QUEUED.value,
        "subject": subject,
        "message": message,
        "attempts": 0,
        "queued_at": now,
        "next_attempt_at": now,
        "error": "",
    }
    # The id follows from period and recipient: two writers at once may collide on either.
    statement = upsert(database, outbox, [], update=[])
    added = writing.execute(statement.values(row).returning(outbox.c.id))
    return added.first() is not None


def _after_crash(status: Delivery) -> Delivery:
    """Return where a mail stands whose claim ran out."""
    if status is Delivery.SENDING:
        return Delivery.UNSURE
    return Delivery.FAILED if status is Delivery.RESENDING else status


def _letter(row: sa.RowMapping | dict[str, object]) -> Letter:
    return Letter(**{**row, "status": Delivery(row["status"])})  # type: ignore[arg-type] # columns and fields agree
