"""`duplicates`: several records that are probably one person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Annotated, Any, ClassVar, Final, Literal, get_args

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from crm_steward.matching import (
    COLUMNS,
    LEVELS,
    CappedBlock,
    Group,
    Narrowed,
    Wanted,
    Weights,
    capped,
    find_groups,
    matched,
    write_found,
)
from crm_steward.model import RecordRef
from crm_steward.rules.block import Block
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


class Score(Block):
    """All evidence together, weighed by how common each value is in this base."""

    at_least: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """The probability from which two records are found: 0.5 is as likely as not."""
    weights: Literal["shipped", "learned"] = "shipped"
    """shipped: as measured on an invented population. learned: as `crm-steward duplicates train`
    learned them from this base."""


class Duplicates(SqlCheck):
    """Finds groups of records that are probably one person.

    Two records are a pair when they qualify for a level, or when all evidence together makes it at
    least as probable as `score` says. Without both, the score alone decides. A name or a value that
    many share proves little; two of one family or one company are told from one person twice. A
    value shared by very many contacts (a switchboard, a placeholder) is not compared, and counted
    as left out.

        check: {kind: duplicates, levels: [same phone and similar name], score: {at_least: 0.5}}
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
    }

    kind: Literal["duplicates"]
    """Several records that are probably one person."""
    levels: tuple[Level, ...] = ()
    """What makes two records one person, whatever the score says; one level is enough."""
    score: Score | SkipJsonSchema[None] = None
    """What the evidence together must be worth for two records without a level."""
    sure_from: Annotated[float, Field(gt=0.5, lt=1)] = 0.99
    """The probability from which a pair is sure: only groups of sure pairs are merged."""
    within: Literal["connection", "everywhere"] = "everywhere"
    """connection: compare records of one CRM account only. everywhere: across accounts too."""

    @property
    def links(self) -> bool:
        """It does where it looks across accounts."""
        return self.within == "everywhere"

    def wanted(self, scope: Scope) -> Wanted:
        """Return what makes two records duplicates."""
        score = self.score or (None if self.levels else Score())
        wanted = Wanted(
            levels=self.levels,
            at_least=score and score.at_least,
            sure_from=self.sure_from,
            within=self.within,
        )
        if score and score.weights == "learned":
            return wanted.weighing(_learned(scope))
        return wanted

    def columns(self, scope: Scope) -> tuple[str, ...]:
        """Return what matching reads, and the words of what narrows it."""
        clause = scope.clause(Statement(scope.now))
        return (*COLUMNS, *words_of(clause))

    def query(self, scope: Scope) -> Query:
        """Search, and return the statement that selects what was found."""
        table = f"steward_duplicates_{next(_NUMBERS)}"
        with matched(scope.con, self.wanted(scope), narrowed(scope)) as work:
            for block in capped(work):
                scope.leave_out(_left_out(block))
            write_found(work, table, sure_from=self.sure_from)
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
    return Step("other records are probably the same person", True, len(group.refs), parts)


if set(get_args(Level)) != set(LEVELS):
    raise AssertionError("the levels of matching and of the rules differ")
