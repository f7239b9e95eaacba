"""Snapshots: all that is known of the records of a merge, as they were just before it.

A merge cannot be taken back everywhere, and what a CRM's own merge drops is gone. So what each
record held is read right before, and is durable in the journal before anything is sent; the merge
does not happen unless every loser still holds it then. It is purged and erased like every other
value in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crm_steward.model import FIELDS, Consent, Contact, MergeRecords, RecordRef
from crm_steward.writing.compare import members, same


def with_snapshot(change: MergeRecords, fresh: Mapping[RecordRef, Contact]) -> MergeRecords:
    """Return a merge with what its members hold.

    Args:
        change: The merge.
        fresh: Its records, just read; one that is gone, or lives on in another, is left out.
    """
    held = {
        ref.id: snapshot_of(fresh[ref])
        for ref in members(change)
        if ref in fresh and fresh[ref].ref == ref
    }
    return replace(change, snapshot=held)


def moved_since(change: MergeRecords, fresh: Mapping[RecordRef, Contact]) -> list[str]:
    """Return what a loser no longer holds as the snapshot has it: names of fields."""
    names: set[str] = set()
    for ref in change.losers if change.snapshot else ():
        before, now = change.snapshot.get(ref.id, {}), snapshot_of(fresh[ref])
        names.update(
            name for name in {*before, *now} if not _alike(before.get(name), now.get(name))
        )
    return sorted(names)


def snapshot_of(contact: Contact) -> dict[str, Any]:
    """Return everything that is known of a contact, by field, as JSON-ready values.

    Each canonical field and custom one (`extra.<name>`) that holds anything; all its `emails` and
    `phones`, and what was said of each as `consents`.
    """
    names = (*FIELDS, *(f"extra.{name}" for name in contact.extra))
    values: dict[str, Any] = {
        name: value for name in names if (value := contact.value(name)) not in (None, "")
    }
    lists = {
        "emails": [[one.address, one.status.value] for one in contact.emails],
        "phones": [[one.number, one.kind.value, one.status.value] for one in contact.phones],
        "consents": [_said(one) for one in contact.consents],
    }
    return values | {name: held for name, held in lists.items() if held}


def _said(consent: Consent) -> dict[str, Any]:
    times = {"given_at": consent.given_at, "withdrawn_at": consent.withdrawn_at}
    parts = {
        "channel": consent.channel.value,
        "status": consent.status.label,
        "address": consent.address,
        "purpose": consent.purpose,
        "basis": consent.basis,
        "how": consent.how,
        "text_version": consent.text_version,
        "source": consent.source,
        "evidence": consent.evidence,
        **{name: at.isoformat() for name, at in times.items() if at is not None},
    }
    return {name: part for name, part in parts.items() if part}


def _alike(one: Any, other: Any) -> bool:
    return bool(one == other) if isinstance(one, list) else same(one, other)
