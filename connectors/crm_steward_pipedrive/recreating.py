"""Making records anew that went into a merge, from what they held: Pipedrive takes no merge back.

There is no unique key for persons, and a request whose answer was lost must not be sent again. So
before each one is made, the persons that changed since are listed (which is no search): one of the same
name, addresses and numbers, created since the merge, is the one that was meant.

Nobody becomes more reachable: `marketing_status` is *unsubscribed* where the record had refused, and
*no_consent* otherwise, whatever it was before. A refusal that this cannot say is not forgotten: then
the record is not made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from crm_steward.sdk import (
    Contact,
    Outcome,
    RecordRef,
    RecordRejectedError,
    RecreateRecords,
    RetryableError,
    Status,
    ended,
)
from crm_steward_pipedrive.mapping import ContactMap, id_of
from crm_steward_pipedrive.patching import body_of, joined
from crm_steward_pipedrive.records import PAGE, Records
from crm_steward_pipedrive.schema import PersonField
from crm_steward_pipedrive.values import ADDRESS
from crm_steward_pipedrive.wire import Document, Wire, row_of, rows_of

CREATE_COST = 5
_SLACK = timedelta(minutes=10)
"""How far Pipedrive's clock and ours may differ."""
_REFUSALS = frozenset({"complaint", "withdrawn", "objected"})
_PLACES = ("street", *ADDRESS)
_Signature = tuple[str, frozenset[str], frozenset[str]]


class Recreator:
    """Makes persons of one account anew.

    Args:
        wire: The account.
        records: Reads persons.
        contacts: How persons are read.
    """

    def __init__(self, wire: Wire, records: Records, contacts: ContactMap) -> None:
        self._wire = wire
        self._records = records
        self._map = contacts

    def apply(self, change: RecreateRecords) -> Outcome:
        """Make what of a change is not there yet.

        Raises:
            StewardError: Nothing was sent.
        """
        refusal = self._inexpressible(change)
        if refusal:
            return ended(change, Status.REJECTED, refusal)
        made = self._made(change)
        left_out: set[str] = set()
        sent = False
        for old in change.records:
            if old in made:
                continue
            body, without = self._body(change.held[old.id])
            left_out.update(without)
            try:
                made[old] = self._create(body)
            except RetryableError as error:
                if not error.sent and not sent:
                    raise
                return ended(change, Status.UNKNOWN, error.message)
            except RecordRejectedError as error:
                status = Status.CONFLICT if made else Status.REJECTED
                return ended(change, status, _partly(change, made, error.message))
            sent = True
            if not made[old]:
                return ended(change, Status.UNKNOWN, "the answer does not show the record")
        return _done(change, made, sorted(left_out))

    def settle(self, change: RecreateRecords) -> Outcome:
        """Tell which were made whose answer was lost; making again finds those that were."""
        made = self._made(change)
        if len(made) == len(change.records):
            return _done(change, made, [])
        return ended(change, Status.ABSENT, f"{len(made)} of {len(change.records)} were made")

    def _made(self, change: RecreateRecords) -> dict[RecordRef, str]:
        """Return which of a change's records are there anew, under which id."""
        since = datetime.fromisoformat(change.since) - _SLACK
        known = {change.ref.id, *(old.id for old in change.records)}
        fresh: dict[_Signature, list[str]] = {}
        for contact in self._changed(since):
            created = contact.created_at
            if contact.ref.id not in known and created is not None and created >= since:
                fresh.setdefault(_signature_of(contact), []).append(contact.ref.id)
        made: dict[RecordRef, str] = {}
        for old in change.records:
            twins = fresh.get(_signature(change.held[old.id]))
            if twins:
                made[old] = twins.pop(0)
        return made

    def _changed(self, since: datetime) -> list[Contact]:
        """Return the persons that changed at or after a moment, by id."""
        found: list[Contact] = []
        mark = ""
        while True:
            query = {
                "limit": str(PAGE),
                "sort_by": "id",
                "updated_since": f"{since:%Y-%m-%dT%H:%M:%SZ}",
                **({"cursor": mark} if mark else {}),
            }
            answer = self._records.page(query)
            read = [self._map.contact(row) for row in rows_of(answer)]
            found += [one for one in read if isinstance(one, Contact)]
            mark = self._wire.mark_behind(answer, mark)
            if not mark:
                return found

    def _inexpressible(self, change: RecreateRecords) -> str:
        """Return why a record must not be made: a refusal would be forgotten; or empty."""
        for held in change.held.values():
            for said in held.get("consents", ()):
                by_mail = said["channel"] == "email" and self._records.has_campaigns()
                if said["status"] in _REFUSALS and not by_mail:
                    return f"a refusal of {said['channel']} could not be kept on a new record"
        return ""

    def _body(self, held: Mapping[str, Any]) -> tuple[Document, list[str]]:
        """Return what to send for a record, and which of its fields cannot be."""
        name = _name(held)
        body: dict[str, Any] = {"name": name or "?"}
        emails = [address for address, *_ in held.get("emails", ())]
        phones = [(number, kind) for number, kind, *_ in held.get("phones", ())]
        if emails:
            body["emails"] = [
                {"value": one, "primary": at == 0, "label": "work"} for at, one in enumerate(emails)
            ]
        if phones:
            body["phones"] = [
                {"value": one, "primary": at == 0, "label": kind}
                for at, (one, kind) in enumerate(phones)
            ]
        if str(held.get("owner", "")).isdecimal():
            body["owner_id"] = int(held["owner"])
        if emails and self._records.has_campaigns():
            refused = any(one["status"] in _REFUSALS for one in held.get("consents", ()))
            body["marketing_status"] = "unsubscribed" if refused else "no_consent"
        return body, self._fields(body, held)

    def _fields(self, body: dict[str, Any], held: Mapping[str, Any]) -> list[str]:
        """Add the other fields to a body, and return those that cannot be written."""
        source = self._map.sources.of
        names = [n for n in held if source(n) is not None or n in (*_PLACES, "job_title")]
        places = [n for n in names if n in _PLACES and source(n) is None]
        groups = [places, *([n] for n in names if n not in places)]
        without = ["company"] if "company" in held and source("company") is None else []
        for group in filter(None, groups):
            part = _part({n: held[n] for n in group}, source)
            if part is None:
                without += group
                continue
            custom = {**body.get("custom_fields", {}), **part.pop("custom_fields", {})}
            body.update(part)
            if custom:
                body["custom_fields"] = custom
        return without

    def _create(self, body: Mapping[str, Any]) -> str:
        answer = self._wire.call(
            lambda api: api.v2.persons.create_person(dict(body)), cost=CREATE_COST, repeatable=False
        )
        return str(id_of(row_of(answer)) or "")


def _part(
    values: Mapping[str, Any], source: Callable[[str], PersonField | None]
) -> dict[str, Any] | None:
    try:
        # What a field of Contact Sync held shows that the company has it.
        return body_of(values, {"job_title": None, "postal_address": None}, source)
    except RecordRejectedError:
        return None


def _name(held: Mapping[str, Any]) -> str:
    return joined(held.get("first_name"), held.get("last_name")) or str(held.get("full_name") or "")


def _signature(held: Mapping[str, Any]) -> _Signature:
    emails = frozenset(address.casefold() for address, *_ in held.get("emails", ()))
    return _name(held) or "?", emails, frozenset(n for n, *_ in held.get("phones", ()))


def _signature_of(contact: Contact) -> _Signature:
    name = joined(contact.first_name, contact.last_name) or contact.full_name or "?"
    emails = frozenset(one.address.casefold() for one in contact.emails)
    return name, emails, frozenset(one.number for one in contact.phones)


def _partly(change: RecreateRecords, made: Mapping[RecordRef, str], reason: str) -> str:
    if not made:
        return reason
    return f"{len(made)} of {len(change.records)} records were made: {reason}"


def _done(change: RecreateRecords, made: Mapping[RecordRef, str], left_out: list[str]) -> Outcome:
    told = ", ".join(f"{old.id} is {made[old]} now" for old in change.records)
    without = f"; without {', '.join(left_out)}" if left_out else ""
    new = ",".join(made[old] for old in change.records)
    return ended(change, reason=told + without, remote_id=new)
