"""`unique`: values that should belong to one contact, and belong to several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crm_steward.model import RecordRef
from crm_steward.rules.conditions import Test
from crm_steward.rules.kinds.base import (
    MAX_SHARED,
    Evidence,
    LeftOut,
    Query,
    Scope,
    SqlCheck,
    Wording,
    crowds,
    names_in,
)
from crm_steward.rules.operators import FieldName
from crm_steward.rules.sql import Statement, compared, held, json_object
from crm_steward.rules.steps import Step, looked_at


class Unique(SqlCheck):
    """Finds groups of contacts that share a value of which each contact should have its own.

    Values are compared as they mean: e-mails and phones however they are written, other text
    without regard to case and the spaces around it. Several fields: what is shared is all of them
    together. An empty value is shared with nobody. A value of more than 200 contacts is a
    placeholder: it gives no group and is counted as left out.

        check: {kind: unique, fields: [extra.customer_number]}
    """

    about: ClassVar[tuple[str, str]] = (
        "Values that several contacts share",
        "Des valeurs que plusieurs contacts partagent",
    )
    groups: ClassVar[bool] = True
    facts: ClassVar[Mapping[str, str]] = {
        "fields": "The fields that are shared, in any order.",
        "members": "How many contacts share them.",
    }

    kind: Literal["unique"]
    """Values that should belong to one contact, and belong to several."""
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1, max_length=10)]
    """The field whose value must not be shared; of several, the combination."""
    within: Literal["connection", "everywhere"] = "connection"
    """connection: each CRM account by itself. everywhere: across accounts too."""

    def query(self, scope: Scope) -> Query:
        """Return the statement: groups by the values compared."""
        statement = Statement(scope.now)
        evidence = json_object(
            {"fields": statement.bind(list(self.fields)), "members": "members"}, statement
        )
        # Counted first: lists are made of the few that are shared, not of all.
        sql = (
            f"WITH held AS MATERIALIZED ({self._values(scope, statement)}), shared AS "
            f"(SELECT {self._keys} FROM held GROUP BY ALL "
            f"HAVING count(*) BETWEEN 2 AND {MAX_SHARED}) "
            f"SELECT refs, '' AS about, {evidence} AS evidence, NULL::DOUBLE AS score FROM ("
            "SELECT list({'connection': connection, 'id': id} ORDER BY connection, id) AS refs, "
            f"count(*) AS members FROM held JOIN shared USING ({self._keys}) GROUP BY {self._keys})"
        )
        return Query(sql, statement.values)

    def not_examined(self, scope: Scope) -> Iterator[LeftOut]:
        """Yield the values that too many share."""
        statement = Statement(scope.now)
        sizes = (
            f"SELECT count(*) AS size FROM ({self._values(scope, statement)}) GROUP BY {self._keys}"
        )
        yield from crowds(scope, f"same {', '.join(self.fields)}", sizes, statement.values)

    @property
    def _keys(self) -> str:
        places = [f"value{place}" for place in range(len(self.fields))]
        return ", ".join([*places, "place"])

    def _values(self, scope: Scope, statement: Statement) -> str:
        """Return SQL for the contacts in scope that have a value, with what they may share."""
        values = [compared(name, statement) for name in self.fields]
        columns = ", ".join(f"{value} AS value{place}" for place, value in enumerate(values))
        filled = " AND ".join(f"value{place} IS NOT NULL" for place in range(len(values)))
        place = "connection" if self.within == "connection" else "''"
        return (
            f"SELECT connection, id, {place} AS place, {columns} FROM contacts "
            f"WHERE {scope.clause(statement)} AND {filled}"
        )

    def explain(self, scope: Scope, ref: RecordRef) -> tuple[Step, ...]:
        """Say for one record which fields hold something, and how many share it."""
        statement = Statement(scope.now)
        tests = tuple(
            Test(f"{name} set", f"({compared(name, statement)} IS NOT NULL)", partial(held, name))
            for name in self.fields
        )
        steps = looked_at(scope.con, ref, tests, statement)
        size = self._sharing(scope, ref)
        return (*steps, *_shared(f"{', '.join(self.fields)} shared", size))

    def _sharing(self, scope: Scope, ref: RecordRef) -> int:
        statement = Statement(scope.now)
        values = self._values(scope, statement)
        query = (
            f"WITH held AS ({values}) SELECT count(*) FROM held JOIN (SELECT {self._keys} "
            f"FROM held WHERE connection = {statement.bind(ref.connection)} "
            f"AND id = {statement.bind(ref.id)}) AS own USING ({self._keys})"
        )
        ((size,),) = scope.con.execute(query, statement.values).fetchall()
        return int(size)

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:
        """Name what the contacts share."""
        fields = words.listed([words.field(name) for name in names_in(evidence.get("fields"))])
        return words.either(
            "{n} records with the same {fields}",
            "{n} fiches : même {fields}",
            n=members,
            fields=fields,
        )


def _shared(words: str, size: int) -> Iterator[Step]:
    yield Step(words, holds=size > 1, seen=size)
    if size > MAX_SHARED:
        yield Step(f"by no more than {MAX_SHARED}", holds=False, seen=size)
