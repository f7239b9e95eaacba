"""`duplicates`: several records that are probably one person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Literal

import duckdb
from pydantic import Field

from crm_steward.matching import LEVELS, CappedBlock, Group, Pair, find_groups
from crm_steward.model import RecordRef
from crm_steward.rules.kinds.base import (
    Check,
    Evidence,
    Hit,
    LeftOut,
    Scope,
    Wording,
    words_of,
)
from crm_steward.rules.sql import Statement
from crm_steward.rules.steps import Step

_READ = "connection, id, email_key, phone_key, mobile_key, first_name_key, last_name_key, name_key"


class Duplicates(Check):
    """Finds groups of records that are probably one person, by named levels.

    A value shared by very many contacts (a switchboard, a placeholder) proves nothing: it is not
    compared, and counted as left out.

        check: {kind: duplicates, levels: [same e-mail, same phone and similar name]}
    """

    about: ClassVar[tuple[str, str]] = (
        "Several records that are probably one person",
        "Plusieurs fiches qui sont sans doute une même personne",
    )
    groups: ClassVar[bool] = True
    facts: ClassVar[Mapping[str, str]] = {
        "level": "The strongest level.",
        "pairs": "Each pair with its level and score.",
        "chained": "Whether some members are linked by others only.",
    }

    kind: Literal["duplicates"]
    """Several records that are probably one person."""
    levels: Annotated[
        tuple[Literal["same e-mail", "same phone and similar name"], ...], Field(min_length=1)
    ]
    """What makes two records one person; one level is enough."""
    within: Literal["connection", "everywhere"] = "everywhere"
    """connection: compare records of one CRM account only. everywhere: across accounts too."""

    @property
    def links(self) -> bool:
        """It does where it looks across accounts."""
        return self.within == "everywhere"

    def columns(self, scope: Scope) -> tuple[str, ...]:
        """Return what matching reads, and the words of what narrows it."""
        clause = scope.clause(Statement(scope.now))
        return (*_READ.split(", "), *words_of(clause))

    def find(self, scope: Scope) -> Iterator[Hit]:
        """Yield the groups, sorted by their first record."""
        with _narrowed(scope) as con:
            matches = find_groups(con, self.levels, within=self.within)
        for block in matches.capped:
            scope.leave_out(_left_out(block))
        for group in matches.groups:
            yield _hit(group)

    def explain(self, scope: Scope, ref: RecordRef) -> tuple[Step, ...]:
        """Say which group the record is in, pair by pair."""
        with _narrowed(scope) as con:
            matches = find_groups(con, self.levels, within=self.within)
        group = next((group for group in matches.groups if ref in group.refs), None)
        words = " or ".join(self.levels)
        if group is None:
            return (Step(words, holds=False),)
        parts = tuple(
            Step(f"{pair.level}: {pair.left} and {pair.right}", holds=True, seen=pair.score)
            for pair in group.pairs
            if ref in {pair.left, pair.right}
        )
        return (Step(words, holds=True, seen=len(group.refs), parts=parts),)

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:
        """Say how many records, and what links them."""
        level = words.known("level", evidence.get("level"))
        return words("says.duplicates", n=members, level=level)


@contextmanager
def _narrowed(scope: Scope) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection whose `contacts` holds only the contacts in scope."""
    with scope.con.cursor() as cursor:
        if scope.narrowed:
            statement = Statement(scope.now)
            # A temporary table belongs to this cursor alone and hides the whole one.
            query = f"CREATE TEMP TABLE narrowed AS SELECT {_READ} FROM contacts WHERE "
            cursor.execute(query + scope.clause(statement), statement.values)
            cursor.execute("ALTER TABLE narrowed RENAME TO contacts")
        yield cursor


def _left_out(block: CappedBlock) -> LeftOut:
    reason = f"{block.level}: {block.holders} contacts share one value"
    return LeftOut(reason, block.holders)


def _hit(group: Group) -> Hit:
    evidence = {
        "level": group.level,
        "pairs": [_pair(pair) for pair in group.pairs],
        "chained": group.chained,
    }
    return Hit(group.refs, evidence, score=group.score)


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "left": str(pair.left),
        "right": str(pair.right),
        "level": pair.level,
        "similarity": pair.similarity,
        "score": pair.score,
    }


if set(LEVELS) != {"same e-mail", "same phone and similar name"}:
    raise AssertionError("the levels of matching and of the rules differ")
