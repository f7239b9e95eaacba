"""Duplicates in the digest: the groups that a person looks at first, and why they are taken for one person."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa

from crm_steward.matching.explaining import Part
from crm_steward.model import RecordRef
from crm_steward.report.findings import Names
from crm_steward.report.groups import Group, Link, Twins
from crm_steward.store.database import chunked
from crm_steward.store.live import is_live
from crm_steward.store.ranking import Ranked, looks, ranked
from crm_steward.store.tables import contacts, finding_refs, findings

SHOWN: Final = 3
"""Groups that are shown: as many as a mail has room for, each with its picture."""
_MEMBERS: Final = 3
"""Records of a group that are shown: as many as stand side by side on a phone."""
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "full_name": ("name_key",),
    "email": ("email_key", "email_keys"),
    "phone": ("phone_key", "mobile_key", "phone_keys"),
    "company": ("company_key",),
    "street": ("street_key",),
    "city": ("city_key",),
    "birth_date": ("birth_date",),
}
"""What is set side by side → the columns that say, without regard to how it is written, who holds what."""
_LISTS: Final = frozenset({"email_keys", "phone_keys"})


def twins(reading: sa.Connection, names: Names, merges: AbstractSet[str], now: datetime) -> Twins:
    """Return the duplicates that stand, those first that it is worth most to put right.

    Nothing is compared here: why a pair is taken for one person, the scan wrote down.

    Args:
        reading: A read transaction.
        names: How records may be named.
        merges: The findings whose records the open plan would merge.
        now: The time.
    """
    found = ranked(reading, now=now)
    review = _to_review(found)
    sure = [one for one in found if one.sure]
    return Twins(
        review=len(review),
        groups=_groups(reading, names, review[:SHOWN]),
        sure=len(sure),
        proposed=sum(bool(merges & set(one.findings)) for one in sure),
    )


def reviewed(reading: sa.Connection, now: datetime) -> list[Ranked]:
    """Return the groups that a person looks at first, those first that it is worth most to put right."""
    return _to_review(ranked(reading, now=now))


def _to_review(found: Iterable[Ranked]) -> list[Ranked]:
    """Return those that nobody is sure of; ties stay as `crm-steward duplicates list` has them."""
    unsure = (one for one in found if not one.sure)
    return sorted(unsure, key=attrgetter("impact"), reverse=True)


def _groups(reading: sa.Connection, names: Names, shown: Sequence[Ranked]) -> tuple[Group, ...]:
    marks = [one.fingerprint for one in shown]
    query = sa.select(findings.c.fingerprint, findings.c.rule, findings.c.evidence)
    rows = {
        row.fingerprint: row
        for row in reading.execute(query.where(findings.c.fingerprint.in_(marks)))
    }
    looked = looks(reading)
    records = _records(reading, marks)
    people = names.people(ref for held in records.values() for ref in held)
    groups = []
    for one in shown:
        row, held = rows[one.fingerprint], records[one.fingerprint]
        weakest = _weakest(row.evidence, held)
        first = [*weakest, *(ref for ref in held if ref not in weakest)][:_MEMBERS]
        since = looked.get(row.rule)
        groups.append(
            Group(
                finding=one.fingerprint,
                size=one.size,
                probability=one.probability,
                customer=one.customer,
                acted=one.acted,
                chained=bool(row.evidence.get("chained")),
                people=tuple(people[ref] for ref in first),
                held={name: _numbers([held[ref] for ref in first], name) for name in _FIELDS},
                owners=tuple(_owner(names, ref, held[ref]) for ref in first),
                link=_link(row.evidence, one) if weakest else None,
                edited=since is not None
                and any(record["changed_at"] > since for record in held.values()),
            )
        )
    return tuple(groups)


_Record = Mapping[Any, Any]


def _records(reading: sa.Connection, marks: Sequence[str]) -> dict[str, dict[RecordRef, _Record]]:
    """Return the live records of each group, by fingerprint, in their order."""
    c, refs = contacts.c, finding_refs.c
    keys = [c[name] for columns in _FIELDS.values() for name in columns]
    query = (
        sa.select(refs.fingerprint, c.connection, c.id, c.owner, c.changed_at, *keys)
        .join(contacts, (c.connection == refs.connection) & (c.id == refs.id))
        .where(is_live)
        .order_by(c.connection, c.id)
    )
    found: dict[str, dict[RecordRef, _Record]] = {mark: {} for mark in marks}
    for chunk in chunked(marks):
        for row in reading.execute(query.where(refs.fingerprint.in_(chunk))).mappings():
            found[row["fingerprint"]][RecordRef(row["connection"], row["id"])] = row
    return found


def _weakest(evidence: Mapping[str, Any], live: Collection[RecordRef]) -> tuple[RecordRef, ...]:
    """Return the two records of the weakest link; nothing when one of them is gone."""
    pairs = evidence.get("pairs")
    if not isinstance(pairs, list) or not pairs:
        return ()
    ends = tuple(RecordRef.parse(pairs[0][side]) for side in ("left", "right"))
    return ends if all(ref in live for ref in ends) else ()


def _link(evidence: Mapping[str, Any], one: Ranked) -> Link:
    pair, why = evidence["pairs"][0], evidence.get("weakest")
    known = Link(level=pair["level"], probability=one.probability)
    if not why:
        return known
    return Link(
        level=known.level,
        probability=known.probability,
        bits=why["bits"],
        against=why["against"],
        prior=why["prior"],
        steps=tuple(Part(**part) for part in why["parts"]),
        others=why["others"],
    )


def _numbers(records: Sequence[_Record], name: str) -> tuple[int, ...]:
    """Return for each record the number of the first that holds the same; 0 where it holds nothing."""
    held = [_values(record, _FIELDS[name]) for record in records]
    numbers = []
    for number, mine in enumerate(held, start=1):
        first = next((n for n, others in enumerate(held, start=1) if mine & others), number)
        numbers.append(first if mine else 0)
    return tuple(numbers)


def _values(record: _Record, columns: Sequence[str]) -> set[Any]:
    held = set[Any]()
    for name in columns:
        value = record[name]
        held.update(json.loads(value or "[]") if name in _LISTS else [value])
    return held - {None, ""}


def _owner(names: Names, ref: RecordRef, record: _Record) -> str:
    owner = record["owner"] or ""
    return names.owner(ref.connection, owner) or owner
