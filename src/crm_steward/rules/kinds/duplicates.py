"""`duplicates`: several records that are probably one person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from typing import Annotated, ClassVar, Final, Literal, Self, get_args

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.matching import (
    COLUMNS,
    LEVELS,
    CappedBlock,
    Group,
    Narrowed,
    Wanted,
    Weights,
    Work,
    capped,
    explain_weakest,
    find_groups,
    matched,
    matched_nearby,
    write_found,
)
from crm_steward.model import RecordRef
from crm_steward.rules.kinds.base import (
    Evidence,
    LeftOut,
    Query,
    Scope,
    SqlCheck,
    Wording,
    words_of,
)
from crm_steward.rules.sql import Statement
from crm_steward.rules.steps import Step

Level = Literal[
    "same e-mail and similar name",
    "same birth date and similar name",
    "same phone and similar name",
    "similar e-mail and similar name",
    "same address and similar name",
    "same company and similar name",
    "same e-mail",
]

_NUMBERS: Final = count(1)
"""What one search found is kept in a table of its own until the connection closes."""


class Duplicates(SqlCheck):
    """Finds groups of records that are probably one person.

    Two records are a pair when they qualify for a level, or when all evidence together makes it as
    probable as `at_least` says. Without either, the evidence decides, from 0.5. A name or a value
    that many share proves little; two of one family or one company are told from one person twice.
    A value shared by very many contacts (a switchboard, a placeholder) is not compared, and counted
    as left out.

        check: {kind: duplicates, levels: [same phone and similar name], at_least: 0.5}
    """

    about: ClassVar[tuple[str, str]] = (
        "Several records that are probably one person",
        "Plusieurs fiches qui sont sans doute une même personne",
    )
    groups: ClassVar[bool] = True
    facts: ClassVar[Mapping[str, str]] = {
        "level": "The strongest level.",
        "certainty": "sure: each two members are sure to be one person. review: a person looks first.",
        "pairs": "Each pair with its level, probability and certainty, the least probable first.",
        "chained": "Whether some members are linked by others only.",
        "weakest": "Where a person looks first: what each comparison adds or takes, in bits, for the "
        "least probable pair. Null where the group is sure, or no comparison speaks for it.",
    }

    kind: Literal["duplicates"]
    """Several records that are probably one person."""
    levels: tuple[Level, ...] = ()
    """What makes two records one person, whatever else there is; one level is enough."""
    at_least: Annotated[float, Field(gt=0, lt=1)] | SkipJsonSchema[None] = None
    """The probability from which two records without a level are found; 0.5 is as likely as not.
    With levels and without this, the levels alone decide."""
    sure_from: Annotated[float, Field(ge=0.5, lt=1)] | SkipJsonSchema[None] = None
    """The probability from which a pair is sure: only groups of sure pairs are merged. By default
    0.99; where levels alone decide, they are your word, and every pair is sure."""
    weights: Literal["shipped", "learned"] = "shipped"
    """What evidence weighs. shipped: as measured on an invented population. learned: as
    `crm-steward duplicates train` learned it from this base."""
    within: Literal["connection", "everywhere"] = "everywhere"
    """connection: compare records of one CRM account only. everywhere: across accounts too."""
    engine: Literal["sql", "splink", "splink-spark"] = "sql"
    """sql: this program's own, which knows the levels. splink: a second opinion, trained on these
    contacts. splink-spark: the same on a Spark cluster. The last two are extras to be installed."""

    @model_validator(mode="after")
    def _levels_by_sql(self) -> Self:
        if self.engine != "sql" and (self.levels or self.weights != "shipped"):
            raise PydanticCustomError("levels_engine", "sql only", {"engine": self.engine})
        return self

    @property
    def by_keys(self) -> bool:
        """It can, by this program's own engine."""
        return self.engine == "sql"

    @property
    def links(self) -> bool:
        """It does where it looks across accounts."""
        return self.within == "everywhere"

    def wanted(self, scope: Scope) -> Wanted:
        """Return what makes two records duplicates."""
        by_levels = bool(self.levels) and self.at_least is None
        wanted = Wanted(
            levels=self.levels,
            at_least=None if by_levels else self.at_least or 0.5,
            sure_from=self.sure_from or (0 if by_levels else 0.99),
            within=self.within,
            engine=self.engine,
        )
        return wanted.weighing(_learned(scope)) if self.weights == "learned" else wanted

    def columns(self, scope: Scope) -> tuple[str, ...]:
        """Return what matching reads, and the words of what narrows it."""
        clause = scope.clause(Statement(scope.now))
        return (*COLUMNS, *words_of(clause))

    def query(self, scope: Scope) -> Query:
        """Search, and return the statement that selects what was found."""
        table = f"steward_duplicates_{next(_NUMBERS)}"
        wanted, keys = self.wanted(scope), scope.keys
        if scope.changed is not None and keys is not None:
            with matched_nearby(scope.con, wanted, narrowed(scope), keys) as near:
                write_found(near.work, table, sure_from=wanted.sure_from)
                explain_weakest(near.work, table, wanted)
                scope.changed(near.looked_at)
            return Query(f"SELECT * FROM {table}", {})

        def keep(work: Work) -> None:
            if keys is not None:
                keys.write(work.con, work.schema)

        with matched(scope.con, wanted, narrowed(scope), keyed=keep) as work:
            for block in capped(work):
                scope.leave_out(_left_out(block))
            write_found(work, table, sure_from=wanted.sure_from)
            explain_weakest(work, table, wanted)
            if keys is not None:
                keys.write_pairs(work.con, work.schema)
        return Query(f"SELECT * FROM {table}", {})

    def explain(self, scope: Scope, ref: RecordRef) -> tuple[Step, ...]:
        """Say which group the record is in, pair by pair."""
        matches = find_groups(scope.con, self.wanted(scope), narrowed(scope))
        group = next((group for group in matches.groups if ref in group.refs), None)
        return (_step(group, ref),)

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:
        """Say how many records, and what links them."""
        level = words.known("level", evidence.get("level"))
        return words("says.duplicates", n=members, level=level)


def narrowed(scope: Scope) -> Narrowed:
    """Return which contacts are looked at."""
    statement = Statement(scope.now)
    return Narrowed(scope.clause(statement), statement.values)


def _learned(scope: Scope) -> Weights | None:
    rows = scope.con.execute("SELECT content FROM learned").fetchall()
    if rows:
        return Weights.from_json(json.loads(rows[0][0]))
    scope.leave_out(LeftOut("no weights were learned yet, the shipped ones are used", 0))
    return None


def _left_out(block: CappedBlock) -> LeftOut:
    if block.value:
        return LeftOut(f"same {block.key}: {block.holders} contacts share one value", block.holders)
    return LeftOut(
        f"same {block.key}: {block.holders} contacts with very common values are compared only "
        "where something else agrees",
        block.holders,
    )


def _step(group: Group | None, ref: RecordRef) -> Step:
    if group is None:
        return Step("another record is probably the same person", holds=False)
    parts = tuple(
        Step(f"{pair.level}: {pair.left} and {pair.right}", holds=True, seen=pair.probability)
        for pair in group.pairs
        if ref in {pair.left, pair.right}
    )
    return Step(
        "other records are probably the same person", holds=True, seen=len(group.refs), parts=parts
    )


if set(get_args(Level)) != set(LEVELS):
    raise AssertionError("the levels of matching and of the rules differ")
