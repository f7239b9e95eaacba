"""What an edit of rules will change, seen on the mirror before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb

from crm_steward.model import Finding
from crm_steward.rules.loading import RuleBook
from crm_steward.rules.rule import Rule

Edit = Literal["added", "removed", "edited"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleImpact:
    """What an edit does to one rule.

    Args:
        rule: The rule's id.
        edit: Whether it is added, removed or edited.
        old: The rule before, None when it is added.
        new: The rule after, None when it is removed.
        before: What it finds before: fingerprint → finding.
        after: What it finds after.
    """

    rule: str
    edit: Edit
    old: Rule | None
    new: Rule | None
    before: Mapping[str, Finding]
    after: Mapping[str, Finding]

    @property
    def gained(self) -> list[Finding]:
        """What is found only after."""
        return [one for mark, one in self.after.items() if mark not in self.before]

    @property
    def lost(self) -> list[Finding]:
        """What was found only before."""
        return [one for mark, one in self.before.items() if mark not in self.after]


def impact(
    old: RuleBook, new: RuleBook, con: duckdb.DuckDBPyConnection, now: datetime
) -> tuple[RuleImpact, ...]:
    """Run the rules that differ, before and after, over the table `contacts` of `con`.

    Rules of which only the wording changed find and do the same: they are left out.

    Args:
        old: The rules before.
        new: The rules after.
        con: A DuckDB connection that holds the table.
        now: The moment durations are counted from.
    """
    before, after = _by_id(old.rules), _by_id(new.rules)
    return tuple(
        RuleImpact(
            rule=name,
            edit="added" if name not in before else "removed" if name not in after else "edited",
            old=before.get(name),
            new=after.get(name),
            before=_found(before.get(name), con, now),
            after=_found(after.get(name), con, now),
        )
        for name in {**before, **after}
        if name not in before or name not in after or before[name].digest != after[name].digest
    )


def _by_id(rules: Iterable[Rule]) -> dict[str, Rule]:
    return {rule.id: rule for rule in rules}


def _found(rule: Rule | None, con: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, Finding]:
    return {} if rule is None else {one.fingerprint: one for one in rule.find(con, now)}
