"""Says why a rule catches one record or does not: condition by condition, with the values seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb

from crm_steward.model import Finding, RecordRef
from crm_steward.rules.kinds import Scope
from crm_steward.rules.rule import Rule
from crm_steward.rules.steps import Step, asked


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule catches a record or does not.

    Args:
        rule: The rule's id.
        ref: The record.
        caught: Whether it is caught.
        steps: What was asked, in order; the first that does not hold is the reason.
        findings: What is reported about it.
    """

    rule: str
    ref: RecordRef
    caught: bool
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]


def explain(
    rule: Rule, ref: RecordRef, con: duckdb.DuckDBPyConnection, now: datetime
) -> Explanation:
    """Ask the rule about one record of the table `contacts`.

    Args:
        rule: The rule.
        ref: The record.
        con: A DuckDB connection that holds the table.
        now: The moment durations are counted from.

    Raises:
        LookupError: There is no such record.
    """
    scope = rule.scope(con, now)
    steps = [*_in_connections(rule, ref)]
    if rule.where is not None:
        steps.append(asked(rule.where, ref, con, now))
    steps += _excepted(rule, ref, scope)
    steps += rule.check.explain(scope, ref)
    found = tuple(finding for finding in rule.find(con, now) if ref in finding.refs)
    return Explanation(rule.id, ref, bool(found), tuple(steps), found)


def _in_connections(rule: Rule, ref: RecordRef) -> Iterator[Step]:
    if rule.connections:
        words = f"connection in {', '.join(rule.connections)}"
        yield Step(words, ref.connection in rule.connections, ref.connection)
    named = not rule.connections or ref.connection in rule.connections
    if named and not rule.runs_in(ref.connection):
        yield Step("the connection holds every field of the rule", holds=False, seen=ref.connection)


def _excepted(rule: Rule, ref: RecordRef, scope: Scope) -> Iterator[Step]:
    match rule.exceptions:
        case None:
            return
        case tuple(records):
            yield Step("not among the records of except", ref not in records, str(ref))
        case condition:
            part = asked(condition, ref, scope.con, scope.now)
            yield Step("not except", not part.holds, parts=(part,))
