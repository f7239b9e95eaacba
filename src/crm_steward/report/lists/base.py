"""What a list of the workbook is made of, and from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import sqlalchemy as sa

from crm_steward.model import RecordRef
from crm_steward.report.digest import Digest, Titles
from crm_steward.report.findings import Names
from crm_steward.report.followed import telling
from crm_steward.report.groups import Person
from crm_steward.report.render import label, title
from crm_steward.report.spreadsheet import Cell, Linked
from crm_steward.report.words import Words, plain, safe_link
from crm_steward.settings import Settings
from crm_steward.store.database import chunked

RECORD = ("connection", "record", "owner")
"""The columns that a record takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One list.

    Args:
        name: What the catalogue calls it, under `workbook.`.
        columns: What it calls its columns, there too.
        rows: The cells below them.
        more: How many things of this list are left out.
    """

    name: str
    columns: Sequence[str]
    rows: Iterable[Sequence[Cell]]
    more: int = 0


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What the lists are made from.

    Args:
        reading: A read transaction.
        digest: The report that they go with.
        settings: Its settings.
        titles: What each rule is called.
        words: The language of the reader.
    """

    reading: sa.Connection
    digest: Digest
    settings: Settings
    titles: Mapping[str, Titles]
    words: Words

    @cached_property
    def names(self) -> Names:
        """How records and owners may be named."""
        return Names(self.reading, self.settings.report.names)

    @cached_property
    def telling(self) -> frozenset[str]:
        """The connections that tell what became of tasks."""
        return telling(self.settings)

    @property
    def today(self) -> date:
        """The reader's day."""
        return self.day(self.digest.until)

    def day(self, moment: datetime) -> date:
        """Return the day of a moment where the reader is."""
        return moment.astimezone(self.words.zone).date()

    def rule(self, rule: str) -> str:
        """Return what a rule is called."""
        return title(self.titles.get(rule, {"en": rule}), self.words)

    def owner(self, connection: str, owner: str) -> str:
        """Return what an owner is called; the id where the CRM told no name."""
        return plain(self.names.owner(connection, owner) or owner, 60)

    def yes(self, true: bool) -> str:  # noqa: FBT001 -- it is what is said
        """Return yes, or nothing: what matters stands out."""
        return self.words("workbook.yes") if true else ""

    def lines(self, each: Iterable[Line]) -> Iterator[Sequence[Cell]]:
        """Yield rows in which records have their columns, looked up many at once."""
        for chunk in chunked(each):
            known = self.names.owned(line.record for line in chunk)
            for line in chunk:
                person, owner = known[line.record]
                owner = owner if line.owner is None else line.owner
                connection = line.record.connection
                yield (
                    *line.before,
                    plain(connection, 60),
                    shown(person),
                    self.owner(connection, owner),
                    *line.after,
                )


@dataclass(frozen=True, slots=True)
class Line:
    """A row about a record.

    Args:
        before: The cells before those of `RECORD`.
        record: The record.
        after: The cells after them.
        owner: The id of whom the line is about instead of the record's owner.
    """

    before: Sequence[Cell]
    record: RecordRef
    after: Sequence[Cell] = ()
    owner: str | None = None


def shown(person: Person) -> Linked:
    """Return a record as a cell that leads to it in its CRM."""
    return Linked(label(person), safe_link(person.url))
