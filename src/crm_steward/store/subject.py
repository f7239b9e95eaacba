"""Who is meant by an address or a record: all records of one person, in all connections."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_steward.model import RecordRef
from crm_steward.store.database import Database, chunked
from crm_steward.store.tables import consent_evidence, contacts, journal, people


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What a person is sought by; keys as `normalize` makes them.

    Args:
        emails: E-mail addresses.
        phones: Numbers, E.164.
        refs: Records.
    """

    emails: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    refs: frozenset[RecordRef] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One person.

    Args:
        refs: Their records, also those that are gone or were merged away.
        rows: What the mirror holds of them, as it is stored.
        emails: The keys of their addresses, those they were sought by included.
        phones: The same for numbers.
        written: Their addresses as they are written anywhere, and their full names.
    """

    refs: frozenset[RecordRef]
    rows: tuple[Mapping[str, Any], ...]
    emails: frozenset[str]
    phones: frozenset[str]
    written: frozenset[str] = field(repr=False)

    def mentioned(self, text: str) -> bool:
        """Whether `text` names one of their addresses, or them in full."""
        return bool(self.written) and bool(self.pattern.search(text))

    @property
    def pattern(self) -> re.Pattern[str]:
        """What finds them in a text, in either case; not within a longer word or number."""
        return _pattern(self.written)


@lru_cache(maxsize=4)
def _pattern(written: frozenset[str]) -> re.Pattern[str]:
    named = sorted(written, key=lambda one: (-len(one), one))
    # Text may be JSON: there a quotation mark in a name is written otherwise.
    spelt = dict.fromkeys(
        x for one in named for x in (one, json.dumps(one, ensure_ascii=False)[1:-1])
    )
    words = "|".join(map(re.escape, spelt))
    return re.compile(rf"(?<![\w.+-])(?:{words})(?!\w)", re.IGNORECASE)


def find_subject(reading: sa.Connection, sought: Sought) -> Subject:
    """Return everything that one person is known by.

    The records with one of the addresses, whatever the connection; the other records of the same
    person as the identity map knows them; and those that were merged into any of these.
    """
    refs = set(sought.refs)
    for column, keys in (
        (contacts.c.email_keys, sought.emails),
        (contacts.c.phone_keys, sought.phones),
    ):
        refs |= set(_holding(reading, column, keys))
    refs |= set(_written_to(reading, sought.emails | sought.phones))
    refs |= _same_person(reading, refs)
    refs |= _merged_into(reading, refs)
    rows = tuple(rows_of(reading, refs))
    emails = sought.emails.union(*(_keys(row["email_keys"]) for row in rows))
    phones = sought.phones.union(*(_keys(row["phone_keys"]) for row in rows))
    return Subject(
        refs=frozenset(refs),
        rows=rows,
        emails=emails,
        phones=phones,
        written=frozenset(_written(rows)) | emails | phones,
    )


def rows_of(reading: sa.Connection, refs: Iterable[RecordRef]) -> Iterator[dict[str, Any]]:
    """Yield what the mirror holds of records, those that are gone included."""
    for here in these(contacts, refs):
        yield from (
            dict(row) for row in reading.execute(sa.select(contacts).where(here)).mappings()
        )


def these(
    table: sa.Table, refs: Iterable[RecordRef], connection: str = "connection", record: str = "id"
) -> Iterator[sa.ColumnElement[bool]]:
    """Yield conditions, few enough values each, that a row is about one of `refs`."""
    by_connection: dict[str, list[str]] = {}
    for ref in sorted(refs):
        by_connection.setdefault(ref.connection, []).append(ref.id)
    for name, ids in by_connection.items():
        for chunk in chunked(ids):
            yield (table.c[connection] == name) & table.c[record].in_(chunk)


def sharing(
    reading: sa.Connection,
    column: sa.Column[Any],
    keys: Collection[str],
    refs: Collection[RecordRef],
) -> set[str]:
    """Return those of `keys` that contacts other than `refs` hold, too: a family's, a switchboard's."""
    shared: set[str] = set()
    for key in keys:
        holders = set(_holding(reading, column, [key], live=True))
        if not holders <= set(refs):
            shared.add(key)
    return shared


def naming(text: sa.ColumnElement[Any], written: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a text holds one of `written`, in whatever case of ASCII letters."""
    lowered = sa.func.lower(text)
    spelt = {json.dumps(one, ensure_ascii=False)[1:-1] for one in written} | set(written)
    return sa.or_(
        sa.false(),
        *(lowered.contains(sa.func.lower(one), autoescape=False) for one in sorted(spelt)),
    )


def _holding(
    reading: sa.Connection, column: sa.Column[Any], keys: Iterable[str], *, live: bool = False
) -> Iterator[RecordRef]:
    for key in keys:
        quoted = json.dumps(key, ensure_ascii=False)
        query = sa.select(contacts.c.connection, contacts.c.id).where(
            column.contains(quoted, autoescape=True)
        )
        if live:
            query = query.where(contacts.c.gone_at.is_(None))
        yield from (RecordRef(*row) for row in reading.execute(query))


def _written_to(reading: sa.Connection, keys: Iterable[str]) -> Iterator[RecordRef]:
    """Yield the records whose changes name an address: the mirror may have forgotten them."""
    for key in keys:
        for table in (journal, consent_evidence):
            text = sa.func.lower(sa.cast(table.c.change, sa.Text))
            query = sa.select(table.c.connection, table.c.id, table.c.change)
            quoted = f'"{key.lower()}"'
            named = query.where(sa.type_coerce(text, sa.Text).contains(quoted, autoescape=True))
            for row in reading.execute(named):
                yield RecordRef(row.connection, row.id)


def _same_person(reading: sa.Connection, refs: Iterable[RecordRef]) -> set[RecordRef]:
    named: set[str] = set()
    for here in these(people, refs):
        named.update(reading.execute(sa.select(people.c.person).where(here)).scalars())
    found: set[RecordRef] = set()
    for chunk in chunked(sorted(named)):
        query = sa.select(people.c.connection, people.c.id).where(people.c.person.in_(chunk))
        found |= {RecordRef(*row) for row in reading.execute(query)}
    return found


def _merged_into(reading: sa.Connection, refs: Iterable[RecordRef]) -> set[RecordRef]:
    """Return `refs`, what they live on in, and what lives on in them: told by the CRMs, or ours."""
    found = set(refs)
    for here in these(contacts, refs):
        query = sa.select(contacts.c.connection, contacts.c.survivor)
        after = query.where(here, contacts.c.survivor.is_not(None))
        found |= {RecordRef(*row) for row in reading.execute(after)}
    new = set(found)
    while new:
        before: set[RecordRef] = set()
        for here in these(contacts, new, record="survivor"):
            query = sa.select(contacts.c.connection, contacts.c.id).where(here)
            before |= {RecordRef(*row) for row in reading.execute(query)}
        for here in these(journal, new):
            query = sa.select(journal.c.change).where(here, journal.c.kind == "merge")
            for change in reading.execute(query).scalars():
                before |= {RecordRef.parse(one) for one in (change or {}).get("losers", ())}
        new = before - found
        found |= new
    return found


def _keys(held: str | None) -> frozenset[str]:
    return frozenset(filter(None, json.loads(held or "[]")))


def _written(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield from (one[0] for one in row["emails"])
        yield from (one[0] for one in row["phones"])
        names = (row["full_name"], f"{row['first_name'] or ''} {row['last_name'] or ''}")
        # One word alone is too often somebody else's.
        yield from (name.strip() for name in names if name and len(name.split()) > 1)


def subject_in(database: Database, sought: Sought) -> Subject:
    """Return what one person is known by, as it stands now.

    Raises:
        StoreError: The database cannot be read.
    """
    with database.read() as reading:
        return find_subject(reading, sought)
