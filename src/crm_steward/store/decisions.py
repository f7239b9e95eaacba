"""Decisions: a person's word that two records are one person, or that they are not."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa

from crm_steward.model import COMPARED, RecordRef
from crm_steward.normalize.text import ascii_words
from crm_steward.store.database import Database, chunked, upsert
from crm_steward.store.tables import contacts, decisions

Pair = tuple[RecordRef, RecordRef]
"""Two records, the lower one first."""


class Verdict(StrEnum):
    """What was decided about two records."""

    SAME = "same"
    DIFFERENT = "different"


class State(StrEnum):
    """What became of a decision."""

    HOLDS = "holds"
    LAPSED = "lapsed"
    """What is compared of one of the records is no longer what it was."""
    GONE = "gone"
    """One of the records is not there. If it comes back as it was, the decision holds again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A person's word about two records.

    Args:
        left, right: The records, `left` before `right`.
        verdict: Whether they are one person.
        lasting: It holds for ever; else until something that is compared changes in either.
        reason: Why, in the person's words; may be empty. Shown to people, never logged.
        by: Who said so.
        at: When.
    """

    left: RecordRef
    right: RecordRef
    verdict: Verdict
    lasting: bool
    reason: str
    by: str
    at: datetime

    def __post_init__(self) -> None:
        if not self.left < self.right:
            raise ValueError("a decision is about two records, the lower one first")

    @property
    def pair(self) -> Pair:
        """The two records."""
        return self.left, self.right


class Decisions:
    """Writes and reads decisions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def decide(self, taken: Collection[Decision]) -> None:
        """Write decisions down; one about the same two records is replaced.

        Raises:
            LookupError: The mirror holds no such record; its argument names it.
        """
        with self._database.write() as writing:
            known = _digests(writing, {ref for one in taken for ref in one.pair})
            for ref in sorted(ref for one in taken for ref in one.pair):
                if ref not in known:
                    raise LookupError(str(ref))
            rows = [_row(one, _of_both(one, known)) for one in taken]
            if rows:
                writing.execute(upsert(self._database, decisions, list(_KEY)), rows)

    def forget(self, pairs: Iterable[Pair]) -> int:
        """Forget what was decided about these pairs, and return how many decisions that were."""
        forgotten = 0
        with self._database.write() as writing:
            for left, right in pairs:
                key = (left.connection, left.id, right.connection, right.id)
                these = (decisions.c[name] == value for name, value in zip(_KEY, key, strict=True))
                forgotten += writing.execute(sa.delete(decisions).where(*these)).rowcount
        return forgotten

    def all(self) -> dict[Decision, State]:
        """Return every decision and what became of it, the last one first."""
        order = (decisions.c.at.desc(), *(decisions.c[name] for name in _KEY))
        with self._database.read() as reading:
            rows = reading.execute(sa.select(decisions).order_by(*order)).mappings().all()
            taken = [(_decision(row), row["digest"]) for row in rows]
            known = _digests(reading, {ref for one, _ in taken for ref in one.pair})
        return {one: _state(one, digest, known) for one, digest in taken}

    def holding(self) -> list[Decision]:
        """Return the decisions that hold, in the order of their records."""
        holding = (one for one, state in self.all().items() if state is State.HOLDS)
        return sorted(holding, key=lambda one: one.pair)


def contradictions(taken: Iterable[Decision]) -> list[Decision]:
    """Return those that part two records which others of `taken` hold together, at whatever length."""
    taken = list(taken)
    together: dict[RecordRef, set[RecordRef]] = {}
    for one in taken:
        if one.verdict is Verdict.SAME:
            joined = together.get(one.left, {one.left}) | together.get(one.right, {one.right})
            together.update(dict.fromkeys(joined, joined))
    return [
        one
        for one in taken
        if one.verdict is Verdict.DIFFERENT and one.right in together.get(one.left, ())
    ]


_KEY = ("left_connection", "left_id", "right_connection", "right_id")


def _row(one: Decision, digest: str) -> dict[str, Any]:
    return {
        "left_connection": one.left.connection,
        "left_id": one.left.id,
        "right_connection": one.right.connection,
        "right_id": one.right.id,
        "verdict": one.verdict.value,
        "lasting": one.lasting,
        "digest": digest,
        "reason": one.reason,
        "by": one.by,
        "at": one.at,
    }


def _decision(row: Mapping[Any, Any]) -> Decision:
    return Decision(
        left=RecordRef(row["left_connection"], row["left_id"]),
        right=RecordRef(row["right_connection"], row["right_id"]),
        verdict=Verdict(row["verdict"]),
        lasting=row["lasting"],
        reason=row["reason"],
        by=row["by"],
        at=row["at"],
    )


def _state(one: Decision, digest: str, known: Mapping[RecordRef, str]) -> State:
    if not known.keys() >= set(one.pair):
        return State.GONE
    return State.HOLDS if one.lasting or _of_both(one, known) == digest else State.LAPSED


def _of_both(one: Decision, known: Mapping[RecordRef, str]) -> str:
    return known[one.left] + known[one.right]


def _digests(connection: sa.Connection, refs: Iterable[RecordRef]) -> dict[RecordRef, str]:
    """Return the digest of what is compared of each record that the mirror holds."""
    wanted: dict[str, list[str]] = {}
    for ref in refs:
        wanted.setdefault(ref.connection, []).append(ref.id)
    here = contacts.c
    columns = (here[name] for name in ("connection", "id", *COMPARED))
    query = sa.select(*columns).where(here.gone_at.is_(None))
    found: dict[RecordRef, str] = {}
    for name, ids in wanted.items():
        for chunk in chunked(ids):
            those = query.where(here.connection == name, here.id.in_(chunk))
            for row in connection.execute(those).mappings():
                found[RecordRef(name, row["id"])] = _digest(row)
    return found


def _digest(row: Mapping[Any, Any]) -> str:
    """Return a digest that differs when what is compared does, not when it is written otherwise.

    The order of addresses does not count, nor do case, accents and spaces.
    """
    addresses: set[str] = set()
    rest = []
    for name in COMPARED:
        held = row[name]
        if name in _ADDRESSES:
            addresses.update(json.loads(held or "[]") if name in _LISTS else [held or ""])
        else:
            rest.append(" ".join(ascii_words(str(held or ""), _LONGEST)))
    content = json.dumps([*rest, sorted(addresses - {""})])
    return blake2b(content.encode(), digest_size=8).hexdigest()


_LISTS = frozenset({"email_keys", "phone_keys"})
_ADDRESSES = _LISTS | {"email_key", "phone_key", "mobile_key"}
_LONGEST = 1000
"""Characters of a text that count."""
