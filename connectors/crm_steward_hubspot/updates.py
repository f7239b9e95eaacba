"""Field updates, by the hundred: one request, one outcome per row.

HubSpot has no conditional update. A lost answer ends as UNKNOWN, is never sent again from here,
and is settled by reading the record by id, which is a consistent read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_steward.sdk import (
    Contact,
    Outcome,
    Poison,
    RetryableError,
    Revision,
    Status,
    StewardError,
    UpdateFields,
    change_key,
    ended,
)
from crm_steward_hubspot.consents import OptOuts, loosens, withdrew
from crm_steward_hubspot.documents import Document, held_by, id_of, results_of
from crm_steward_hubspot.errors import HubSpotForbiddenError, HubSpotRejectedError, code
from crm_steward_hubspot.mapping import ContactMap
from crm_steward_hubspot.optouts import Unsubscriber
from crm_steward_hubspot.outcomes import GONE, UNREADABLE
from crm_steward_hubspot.reading import BATCH, Reader
from crm_steward_hubspot.values import read_text, same, text_of
from crm_steward_hubspot.wire import Wire

_REASON = "withdrawn under the address before"


@dataclass(frozen=True, slots=True)
class Row:
    """One update as HubSpot takes it.

    Args:
        key: The change's idempotency key.
        id: The record.
        fields: Property → the canonical field it stands for.
        properties: Property → text to write.
    """

    key: str
    id: str
    fields: Mapping[str, str]
    properties: Mapping[str, str]

    def outcome(self, status: Status, reason: str = "", revision: str = "") -> Outcome:
        """Return how it ended."""
        return Outcome(key=self.key, status=status, reason=reason, revision=Revision(revision))


class Updates:
    """Writes and settles field updates.

    Args:
        wire: The account.
        contacts: How our fields are HubSpot's properties.
        reader: Reads contacts by id.
        unsubscriber: Unsubscribes addresses.
    """

    def __init__(
        self, wire: Wire, contacts: ContactMap, reader: Reader, unsubscriber: Unsubscriber
    ) -> None:
        self._wire = wire
        self._map = contacts
        self._reader = reader
        self._unsubscriber = unsubscriber

    def apply(self, changes: Sequence[UpdateFields]) -> Iterator[Outcome]:
        """Write updates in order; those of different records share a request."""
        waiting: list[UpdateFields] = []
        for change in changes:
            if len(waiting) == BATCH or any(change.ref == other.ref for other in waiting):
                yield from self._write(waiting)
                waiting = []
            waiting.append(change)
        yield from self._write(waiting)

    def settle(
        self, changes: Sequence[UpdateFields], found: Mapping[str, Contact | Poison]
    ) -> Iterator[Outcome]:
        """Look whether updates took effect; `found` holds their records as they are now."""
        for change in changes:
            yield _settled(change, found.get(change.ref.id))

    def _write(self, changes: Sequence[UpdateFields]) -> Iterator[Outcome]:
        """Write updates; when the rest was certainly not sent, say first what became of the others.

        Raises:
            StewardError: What has no outcome was not sent.
        """
        prepared = [self._row(change) for change in changes]
        rows = [row for row in prepared if isinstance(row, Row)]
        outcomes = {row.key: row for row in prepared if isinstance(row, Outcome)}
        failure: StewardError | None = None
        try:
            for outcome in self._restricted(rows):
                outcomes[outcome.key] = outcome
            for outcome in self._send([row for row in rows if row.key not in outcomes]):
                outcomes[outcome.key] = outcome
        except StewardError as error:
            failure = error
        keys = map(change_key, changes)
        yield from (outcomes[key] for key in keys if key in outcomes)
        if failure:
            raise failure

    def _row(self, change: UpdateFields) -> Row | Outcome:
        fields: dict[str, str] = {}
        for field in change.values:
            name = self._map.property_of(field)
            if name is None:
                return ended(change, Status.REJECTED, f"HubSpot has no writable '{field}'")
            fields[name] = field
        properties = {name: text_of(change.values[field]) for name, field in fields.items()}
        for name, text in properties.items():
            if loosens(name, text, read_text(change.expected.get(fields[name]))):
                reason = f"{name}: consent is only ever restricted from here"
                return ended(change, Status.REJECTED, reason)
        return Row(change_key(change), change.ref.id, fields, properties)

    def _restricted(self, rows: Sequence[Row]) -> Iterator[Outcome]:
        """Let new addresses be out of what the old ones are out of; tell of rows that must not go.

        An opt-out hangs on the address: whoever gets another one would be written to again.
        """
        moving = [row for row in rows if row.properties.get("email")]
        records = self._reader.records([row.id for row in moving]) if moving else {}
        for row in moving:
            held = held_by(records.get(row.id))
            address = row.properties["email"].strip()
            if not withdrew(held) or same("email", read_text(held.get("email")), address):
                continue
            try:
                other = self._reader.holder(address)
                if other not in {"", row.id}:  # HubSpot would refuse it: that one keeps its consent
                    yield row.outcome(Status.REJECTED, f"contact {other} has the address already")
                    continue
                self._unsubscriber.carry(address, OptOuts(), [held], _REASON)
            except RetryableError as error:
                if not error.sent:
                    raise
                yield row.outcome(Status.UNKNOWN, error.message)
            except (HubSpotForbiddenError, HubSpotRejectedError) as error:
                reason = f"the new address would lose an opt-out: {error.message}"
                yield row.outcome(Status.REJECTED, reason)

    def _send(self, rows: Sequence[Row]) -> Iterator[Outcome]:
        """Write rows in one request; a refusal of all is narrowed down to the rows at fault."""
        if not rows:
            return
        body = {"inputs": [{"id": row.id, "properties": dict(row.properties)} for row in rows]}
        try:
            answer = self._wire.call(self._wire.contact_batches.update, body, repeatable=False)
        except RetryableError as error:
            if not error.sent:
                raise
            yield from (row.outcome(Status.UNKNOWN, error.message) for row in rows)
        except HubSpotRejectedError as error:
            yield from self._narrow(rows, error)
        else:
            yield from _row_outcomes(rows, answer)

    def _narrow(self, rows: Sequence[Row], error: HubSpotRejectedError) -> Iterator[Outcome]:
        """Settle a refused batch: HubSpot refuses it whole for one wrong value and writes nothing.

        Rows that use a property no row may use are refused at once; otherwise the rows that use a
        named property are parted from the others, and what is left is halved.
        """
        guilty = [row for row in rows if not error.schema.isdisjoint(row.properties)]
        if len(rows) == 1 or len(guilty) == len(rows):
            yield from (row.outcome(Status.REJECTED, error.message) for row in rows)
            return
        suspects = [row for row in rows if not error.properties.keys().isdisjoint(row.properties)]
        if guilty:
            yield from (row.outcome(Status.REJECTED, error.message) for row in guilty)
            yield from self._send([row for row in rows if row not in guilty])
            return
        if suspects and len(suspects) < len(rows):
            halves = suspects, [row for row in rows if row not in suspects]
        else:
            halves = list(rows[: len(rows) // 2]), list(rows[len(rows) // 2 :])
        yield from self._send(halves[0])
        yield from self._send(halves[1])


def _row_outcomes(rows: Sequence[Row], answer: Document) -> list[Outcome]:
    """Match the answer's rows by id; HubSpot promises no order and may leave one out."""
    written = {id_of(record): record for record in results_of(answer)}
    refused = _refusals(answer)
    return [_row_outcome(row, written.get(row.id), refused.get(row.id)) for row in rows]


def _row_outcome(row: Row, record: Any, refusal: str | None) -> Outcome:
    if record is None and refusal is not None:
        return row.outcome(Status.REJECTED, refusal)
    if record is None:
        return row.outcome(Status.UNKNOWN, "the answer does not mention the record")
    held = held_by(record)
    unseen = sorted(
        name
        for name, text in row.properties.items()
        if name not in held or not same(row.fields[name], held[name], text)
    )
    if unseen:
        return row.outcome(Status.UNKNOWN, f"the answer does not show {', '.join(unseen)}")
    revision = held.get("lastmodifieddate") or record.get("updatedAt") or ""
    return row.outcome(Status.VERIFIED, revision=str(revision))


def _refusals(answer: Document) -> dict[str, str]:
    """Return record id → category from the errors of a partial success (207)."""
    found: dict[str, str] = {}
    listed = answer.get("errors")
    for error in listed if isinstance(listed, list) else []:
        context = error.get("context") if isinstance(error, dict) else None
        ids = context.get("ids") if isinstance(context, dict) else None
        for record_id in ids if isinstance(ids, list) else []:
            category = code(error.get("category")) or "without saying why"
            found[str(record_id)] = f"HubSpot refuses the record: {category}"
    return found


def _settled(change: UpdateFields, contact: Contact | Poison | None) -> Outcome:
    if contact is None:
        return ended(change, Status.REJECTED, GONE)
    if isinstance(contact, Poison):
        return ended(change, Status.UNKNOWN, UNREADABLE)
    if contact.ref != change.ref:
        reason = f"the contact was merged into {contact.ref.id}"
        return ended(change, Status.CONFLICT, reason)
    if _holds(contact, change.values):
        return ended(change, Status.VERIFIED, revision=contact.revision)
    if _holds(contact, change.expected):
        return ended(change, Status.ABSENT, "the contact still holds the old values")
    return ended(change, Status.CONFLICT, "the contact holds other values by now")


def _holds(contact: Contact, values: Mapping[str, Any]) -> bool:
    return all(same(field, contact.value(field), value) for field, value in values.items())
