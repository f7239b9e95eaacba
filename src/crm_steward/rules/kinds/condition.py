"""`condition`: contacts for which a condition of the author's own holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from crm_steward.model import RecordRef
from crm_steward.rules.conditions import Condition, Test, compiled_condition, fields_of
from crm_steward.rules.kinds.base import Evidence, Report, RowCheck, Scope, Wording, names_in
from crm_steward.rules.sql import Statement
from crm_steward.rules.steps import Step, asked


class ConditionCheck(RowCheck):
    """Finds contacts for which a condition holds: what no other kind looks for.

    `where` says which contacts are looked at, `holds` what is wrong with them.

        check: {kind: condition, holds: {field: website, starts_with: "http://"}}
    """

    about: ClassVar[tuple[str, str]] = (
        "A condition of your own that should not hold",
        "Votre propre condition : ce qui ne devrait pas être vrai",
    )
    facts: ClassVar[Mapping[str, str]] = {
        "fields": "The fields that the condition looks at, in any order."
    }

    kind: Literal["condition"]
    """Contacts for which a condition holds."""
    holds: Condition
    """What is wrong: a condition like that of where."""

    def tests(self, statement: Statement) -> tuple[Test, ...]:
        """Return the one test: the condition."""
        sql = compiled_condition(self.holds, statement)
        return (Test("holds", sql, lambda _: "NULL"),)

    def reports(self, statement: Statement) -> tuple[Report, ...]:
        """Report which fields were looked at; their values stay where they are."""
        return (Report({"fields": statement.bind(list(fields_of(self.holds)))}),)

    def explain(self, scope: Scope, ref: RecordRef) -> tuple[Step, ...]:
        """Say for one record, part by part of the condition, what holds and what is seen."""
        return (asked(self.holds, ref, scope.con, scope.now),)

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:  # noqa: ARG003 -- about one
        """Name the fields that were looked at."""
        fields = [words.field(name) for name in names_in(evidence.get("fields"))]
        return words.either("see {fields}", "voir {fields}", fields=words.listed(fields))
