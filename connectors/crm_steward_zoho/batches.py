"""Opt-outs and deletions: up to a hundred records a call, each row with its own outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from crm_steward.sdk import (
    ArchiveRecord,
    Channel,
    Contact,
    Outcome,
    RetryableError,
    Status,
    StewardError,
    SuppressChannel,
    change_key,
    ended,
)
from crm_steward_zoho.consents import OPT_OUT, opted_out
from crm_steward_zoho.errors import ZohoRefusedError, code_of, details_of, refusal_of
from crm_steward_zoho.reading import Reader
from crm_steward_zoho.updates import UPDATE
from crm_steward_zoho.values import BadValueError
from crm_steward_zoho.wire import Answer, Wire, id_of

MOST = 100
DELETE = "ZohoCRM.modules.contacts.DELETE"
C = TypeVar("C", SuppressChannel, ArchiveRecord)


class Batches:
    """Restricts and removes contacts of one organisation.

    Args:
        wire: The organisation.
        reader: Reads records by id.
        triggers: What our writes set off; None sets off everything.
    """

    def __init__(self, wire: Wire, reader: Reader, triggers: tuple[str, ...] | None) -> None:
        self._wire = wire
        self._reader = reader
        self._triggers = triggers

    def suppress(self, changes: Sequence[SuppressChannel]) -> Iterator[Outcome]:
        """Set the opt-out flag of contacts; one that is set is left alone."""
        records = self._reader.records([change.ref.id for change in changes])
        hidden = self.unable
        early: dict[str, Outcome] = {}
        rest: list[SuppressChannel] = []
        for change in changes:
            outcome = _early(change, records.get(change.ref.id), hidden)
            if outcome is None:
                rest.append(change)
            else:
                early[outcome.key] = outcome
        return _in_order(changes, early, lambda: self._send(rest, self._opt_out, _row_outcome))

    def archive(self, changes: Sequence[ArchiveRecord]) -> Iterator[Outcome]:
        """Move contacts to the recycle bin; one that is gone already is done."""
        records = self._reader.records([change.ref.id for change in changes])
        gone = [change for change in changes if change.ref.id not in records]
        early = {change_key(change): ended(change, Status.VERIFIED) for change in gone}
        rest = [change for change in changes if change.ref.id in records]
        return _in_order(changes, early, lambda: self._send(rest, self._delete, _row_outcome))

    def settle_suppression(self, change: SuppressChannel, record: Any) -> Outcome:
        """Tell whether an opt-out took effect whose answer was lost."""
        early = _early(change, record, self.unable)
        return early or ended(change, Status.ABSENT, "the contact is not opted out")

    def settle_archiving(self, change: ArchiveRecord, contact: Contact | None) -> Outcome:
        """Tell whether a deletion took effect whose answer was lost."""
        if contact is None or contact.ref != change.ref:
            return ended(change, Status.VERIFIED)
        return ended(change, Status.ABSENT, "the contact is still there")

    @property
    def unable(self) -> str:
        """Why nobody can be opted out here; empty when they can."""
        field = self._reader.schema().fields.get(OPT_OUT)
        if field is not None and field.writable:
            return ""
        how = "does not show" if field is None else "lets not write"
        return f"Zoho {how} the field {OPT_OUT} to this user"

    def restrict(self, record_id: str) -> Answer:
        """Set the opt-out flag of one contact, before a merge.

        Raises:
            StewardError: As Zoho answers.
        """
        return self._opt_out([record_id])

    def _opt_out(self, ids: Sequence[str]) -> Answer:
        body: dict[str, Any] = {"data": [{"id": record_id, OPT_OUT: True} for record_id in ids]}
        if self._triggers is not None:
            body["trigger"] = list(self._triggers)
        return self._wire.write("PUT", "/Contacts", scope=UPDATE, body=body)

    def _delete(self, ids: Sequence[str]) -> Answer:
        flows = "true" if self._triggers is None else "false"
        return self._wire.write(
            "DELETE", "/Contacts", scope=DELETE, ids=",".join(ids), wf_trigger=flows
        )

    def _send(
        self,
        changes: Sequence[C],
        call: Callable[[Sequence[str]], Answer],
        outcome_of: Callable[[C, Any], Outcome],
    ) -> Iterator[Outcome]:
        """Send rows in one request; a refusal of all is narrowed down to the rows at fault."""
        if not changes:
            return
        try:
            answer = call([change.ref.id for change in changes])
        except RetryableError as error:
            if not error.sent:
                raise
            yield from (ended(change, Status.UNKNOWN, error.message) for change in changes)
        except ZohoRefusedError as error:
            if len(changes) == 1:
                yield ended(changes[0], Status.REJECTED, error.message)
                return
            half = len(changes) // 2
            yield from self._send(changes[:half], call, outcome_of)
            yield from self._send(changes[half:], call, outcome_of)
        else:
            yield from _matched(changes, answer, outcome_of)


def _matched(
    changes: Sequence[C], answer: Answer, outcome_of: Callable[[C, Any], Outcome]
) -> Iterator[Outcome]:
    """Match rows to changes: by their order, which Zoho keeps, and by id where they name one."""
    rows = answer.rows()
    if len(rows) != len(changes):
        named = {id_of(dict(details_of(row))): row for row in rows}
        rows = [named.get(change.ref.id) for change in changes]
    yield from (outcome_of(change, row) for change, row in zip(changes, rows, strict=True))


def _row_outcome(change: SuppressChannel | ArchiveRecord, row: Any) -> Outcome:
    named = id_of(dict(details_of(row)))
    if code_of(row) == "SUCCESS" and named == change.ref.id:
        revision = details_of(row).get("Modified_Time")
        return ended(
            change, Status.VERIFIED, revision=revision if isinstance(revision, str) else ""
        )
    if code_of(row) and code_of(row) != "SUCCESS":
        return ended(change, Status.REJECTED, refusal_of(row))
    return ended(change, Status.UNKNOWN, "the answer does not mention the record")


def _early(
    change: SuppressChannel, record: Mapping[str, Any] | None, unable: str
) -> Outcome | None:
    """Return the outcome of an opt-out that need not or cannot be written."""
    if change.channel is not Channel.EMAIL:
        reason = f"Zoho has no switch that stops contact by {change.channel.value}"
        return ended(change, Status.REJECTED, reason)
    if record is None:
        return ended(change, Status.REJECTED, "the contact is gone")
    try:
        done = opted_out(record)
    except BadValueError:
        return ended(change, Status.REJECTED, "the contact's opt-out cannot be read")
    if done:
        return ended(change, Status.VERIFIED)
    return ended(change, Status.REJECTED, unable) if unable else None


def _in_order(
    changes: Sequence[C], early: Mapping[str, Outcome], send: Callable[[], Iterator[Outcome]]
) -> Iterator[Outcome]:
    """Bring outcomes in order; when the rest was certainly not sent, say first what became of it.

    Raises:
        StewardError: What has no outcome was not sent.
    """
    found = dict(early)
    failure: StewardError | None = None
    try:
        for outcome in send():
            found[outcome.key] = outcome
    except StewardError as error:
        failure = error
    keys = map(change_key, changes)
    yield from (found[key] for key in keys if key in found)
    if failure:
        raise failure
