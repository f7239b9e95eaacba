"""`conflict`: one person, several records, and values that cannot all be right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from crm_steward.model import FieldType, RecordRef
from crm_steward.normalize import ROLE_NAMES
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
from crm_steward.rules.sql import Statement, compared, held, json_object, type_of
from crm_steward.rules.steps import Step, as_json

Link = Literal["email", "phone and name", "person"]

_READ: Mapping[Link, tuple[str, ...]] = {
    "email": ("email",),
    "phone and name": ("phone",),
    "person": (),
}


def _by_email(scope: Scope, statement: Statement) -> str:
    """Return SQL for the e-mail that links a contact; one of a function is many people's."""
    roles = statement.bind(sorted(ROLE_NAMES))
    return (
        "SELECT connection, id, email_key AS link FROM contacts "
        f"WHERE {scope.clause(statement)} AND email_key IS NOT NULL "
        f"AND NOT list_contains({roles}, split_part(email_key, '@', 1))"
    )


def _by_phone_and_name(scope: Scope, statement: Statement) -> str:
    """Return SQL for the numbers that link a contact, each with its name; up to two a contact."""
    return (
        "SELECT DISTINCT connection, id, name_key || ' ' || number AS link FROM "
        "(SELECT connection, id, name_key, unnest([phone_key, mobile_key]) AS number "
        f"FROM contacts WHERE {scope.clause(statement)}) "
        "WHERE number IS NOT NULL AND name_key IS NOT NULL"
    )


def _by_person(scope: Scope, statement: Statement) -> str:
    """Return SQL for the person that a contact is known to be."""
    return (
        "SELECT connection, id, person AS link FROM contacts JOIN people USING (connection, id) "
        f"WHERE {scope.clause(statement)}"
    )


_LINKS: Mapping[Link, Callable[[Scope, Statement], str]] = {
    "email": _by_email,
    "phone and name": _by_phone_and_name,
    "person": _by_person,
}
"""What makes two records one person → SQL for `connection`, `id` and the links of each. Whatever
links, people are made of it in one way, so that another kind of link is one more entry."""

_PEOPLE = f"""
WITH RECURSIVE links AS ({{links}}),
known AS (
    SELECT links.* FROM links SEMI JOIN (
        SELECT link FROM links GROUP BY link HAVING count(*) BETWEEN 2 AND {MAX_SHARED}
    ) AS shared USING (link)
),
bridged AS (
    SELECT min(link) AS low, max(link) AS high FROM known GROUP BY connection, id HAVING count(*) > 1
),
bridges AS (SELECT low AS near, high AS far FROM bridged UNION SELECT high, low FROM bridged),
roots (link, root) USING KEY (link) AS (
    SELECT DISTINCT near, near FROM bridges
    UNION
    SELECT bridges.far, min(roots.root) FROM roots JOIN bridges ON bridges.near = roots.link
    JOIN recurring.roots AS so_far ON so_far.link = bridges.far
    WHERE roots.root < so_far.root GROUP BY bridges.far
),
grouped AS (
    SELECT DISTINCT known.connection, known.id, coalesce(roots.root, known.link) AS person
    FROM known LEFT JOIN roots ON roots.link = known.link
)
"""
"""The records of each person: those that a link holds together, and links that a record joins."""


class Conflict(SqlCheck):
    """Finds people whose records hold different values: in two CRMs, or in one.

    Values are compared as they mean: phones and e-mails however they are written, countries by
    their code, dates by their day, text without regard to case and accents. An empty field
    contradicts nothing, nor does a consent of which nothing is known. Mailboxes of a function
    (info@) and values of more than 200 contacts link nobody.

        check: {kind: conflict, fields: [job_title, phone, consent_email]}
    """

    about: ClassVar[tuple[str, str]] = (
        "One person, records that contradict each other",
        "Une même personne, des fiches qui se contredisent",
    )
    groups: ClassVar[bool] = True
    facts: ClassVar[Mapping[str, str]] = {
        "field": "The field.",
        "connections": "The connections whose records hold it, in any order.",
        "values": "How many different values there are.",
    }

    kind: Literal["conflict"]
    """One person, several records, and values that cannot all be right."""
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1, max_length=50)]
    """The fields to compare; each that differs gives a finding of its own."""
    link: Link = "email"
    """What makes two records one person. email: the same address. phone and name: the same number,
    phone or mobile, and the same name. person: what rules of the kind duplicates, with `within:
    everywhere`, are sure of (`crm-steward people`); in tests of rules nobody is known."""
    within: Literal["connections", "everywhere"] = "connections"
    """connections: records of different CRM accounts. everywhere: of one account too."""

    @property
    def reads(self) -> tuple[str, ...]:
        """What links records."""
        return _READ[self.link]

    def query(self, scope: Scope) -> Query:
        """Return the statement: people, their values field by field, and where those differ."""
        statement = Statement(scope.now)
        fields = tuple(dict.fromkeys(self.fields))
        columns = [f"value{place}" for place in range(len(fields))]
        values = ", ".join(
            f"{_value(name, statement)} AS {column}"
            for name, column in zip(fields, columns, strict=True)
        )
        some = " OR ".join(f"min({column}) <> max({column})" for column in columns)
        apart = " AND min(connection) <> max(connection)" if self.within == "connections" else ""
        facts = {"field": "field", "connections": "connections", "values": "differing"}
        return Query(
            f"{self._people(scope, statement)}, held AS (SELECT person, connection, id, {values} "
            "FROM contacts JOIN grouped USING (connection, id)), "
            # Few people have any conflict: only theirs is looked at field by field.
            f"doubted AS (SELECT person FROM held GROUP BY person HAVING ({some}){apart}), "
            "listed AS (SELECT person, connection, id, "
            f"unnest({statement.bind(list(fields))}) AS field, unnest([{', '.join(columns)}]) "
            "AS value FROM held SEMI JOIN doubted USING (person)), "
            "found AS (SELECT list({'connection': connection, 'id': id} ORDER BY connection, id) "
            "AS refs, field, list_sort(list(DISTINCT connection)) AS connections, "
            "count(DISTINCT value) AS differing FROM listed WHERE value IS NOT NULL "
            f"GROUP BY person, field HAVING min(value) <> max(value){apart}) "
            f"SELECT refs, field AS about, {json_object(facts, statement)} AS evidence, "
            "NULL::DOUBLE AS score FROM found",
            statement.values,
        )

    def _people(self, scope: Scope, statement: Statement) -> str:
        return _PEOPLE.format(links=_LINKS[self.link](scope, statement))

    def not_examined(self, scope: Scope) -> Iterator[LeftOut]:
        """Yield what links too many to link anybody."""
        statement = Statement(scope.now)
        links = _LINKS[self.link](scope, statement)
        sizes = f"SELECT count(*) AS size FROM ({links}) GROUP BY link"
        yield from crowds(scope, f"same {self.link}", sizes, statement.values)

    def explain(self, scope: Scope, ref: RecordRef) -> tuple[Step, ...]:
        """Say for one record which others are the same person, and field by field what they hold."""
        rows = self._same_person(scope, ref)
        others = {RecordRef(*row[:2]) for row in rows} - {ref}
        linked = Step(f"same {self.link} as others", bool(others), len(others))
        if not others:
            return (linked,)
        parts = tuple(self._differs(place, ref, rows) for place, _ in enumerate(self.fields))
        return (linked, Step("some field differs", any(one.holds for one in parts), parts=parts))

    def _same_person(self, scope: Scope, ref: RecordRef) -> list[tuple[Any, ...]]:
        """Return the records of the person: connection, id, values compared, values held."""
        statement = Statement(scope.now)
        people = self._people(scope, statement)
        columns = [
            *(_value(name, statement) for name in self.fields),
            *(held(name, statement) for name in self.fields),
        ]
        return scope.con.execute(
            f"{people} SELECT connection, id, {', '.join(columns)} FROM contacts "
            "JOIN grouped USING (connection, id) WHERE person = (SELECT person FROM grouped "
            f"WHERE connection = {statement.bind(ref.connection)} AND id = {statement.bind(ref.id)}) "
            "ORDER BY connection, id",
            statement.values,
        ).fetchall()

    def _differs(self, place: int, ref: RecordRef, rows: list[tuple[Any, ...]]) -> Step:
        """Say of one field what each record holds, and whether that is a conflict of `ref`'s."""
        values = {RecordRef(*row[:2]): row[2 + place] for row in rows}
        seen = {RecordRef(*row[:2]): as_json(row[2 + len(self.fields) + place]) for row in rows}
        own = values[ref]
        holders = {one: value for one, value in values.items() if value is not None}
        apart = self.within == "everywhere" or len({one.connection for one in holders}) > 1
        parts = tuple(
            Step(f"{one} differs", None not in {own, value} and own != value, seen[one])
            for one, value in values.items()
            if one != ref
        )
        conflict = own is not None and apart and len(set(holders.values())) > 1
        return Step(f"{self.fields[place]} differs", conflict, seen[ref], parts)

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:  # noqa: ARG003 -- it counts values
        """Say which field differs, and where."""
        return words.either(
            "{field}: {n} different values in {connections}",
            "{field} : {n} valeurs différentes dans {connections}",
            field=words.field(evidence.get("field")),
            n=evidence.get("values") or 2,
            connections=words.listed(names_in(evidence.get("connections"))),
        )


def _value(name: str, statement: Statement) -> str:
    """Return SQL for what a field says, as text; NULL when it says nothing."""
    value = compared(name, statement)
    match type_of(name):
        case FieldType.CHOICE if name.startswith("consent_"):
            return f"nullif({value}, 'none')"
        case FieldType.TEXT | None:
            return f"strip_accents({value})"
        case _:
            return value
