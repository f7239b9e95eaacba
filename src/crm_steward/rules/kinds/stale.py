"""`stale`: nothing has happened for too long."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Literal

from crm_steward.rules.conditions import Test
from crm_steward.rules.durations import Duration
from crm_steward.rules.kinds.base import Evidence, Report, RowCheck, Wording, moment_of
from crm_steward.rules.sql import Statement, held, iso


class Stale(RowCheck):
    """Finds contacts whose clock stopped too long ago.

    A date that is not known is not an old date: such contacts are left out unless `unknown`
    says otherwise, and then they are told apart in the evidence (`last` is null).

        check: {kind: stale, clock: last_activity, longer_than: 18 months}
    """

    about: ClassVar[tuple[str, str]] = (
        "Nothing has happened for too long",
        "Plus rien depuis trop longtemps",
    )
    facts: ClassVar[Mapping[str, str]] = {
        "clock": "Which date counts.",
        "last": "The date, as far as it is written; null when it is unknown.",
        "limit": "How long ago is too long.",
    }

    kind: Literal["stale"]
    """Nothing has happened for too long."""
    clock: Literal["last_activity", "last_person_act", "updated_at", "created_at"] = "last_activity"
    """Which date counts. last_activity: anything anyone did. last_person_act: the person replied,
    bought, filled a form or clicked. updated_at: the record was edited. created_at: its age."""
    longer_than: Duration
    """How long ago is too long, for example 18 months."""
    unknown: Literal["ignore", "report", "only"] = "ignore"
    """Contacts without that date. ignore: leave them out. report: find them too. only: find
    just them."""

    def tests(self, statement: Statement) -> tuple[Test, ...]:
        """Return the one test that the chosen treatment of unknown dates asks for."""
        clock = held(self.clock, statement)
        seen = partial(held, self.clock)
        none = Test(f"{self.clock} unknown", f"({clock} IS NULL)", seen)
        if self.unknown == "only":
            return (none,)
        limit = statement.bind_time(self.longer_than.before(statement.now))
        old = Test(
            f"{self.clock} older than {self.longer_than}",
            f"coalesce({clock} < {limit}, false)",
            seen,
        )
        if self.unknown == "ignore":
            return (old,)
        return (Test(f"{old.words} or unknown", f"({old.sql} OR {none.sql})", seen),)

    def reports(self, statement: Statement) -> tuple[Report, ...]:
        """Report the date; an unknown one is a finding of its own."""
        clock = held(self.clock, statement)
        evidence = {
            "clock": statement.bind(self.clock),
            "last": iso(clock),
            "limit": statement.bind(str(self.longer_than)),
        }
        return (
            Report(evidence, f"{clock} IS NOT NULL"),
            Report(evidence, f"{clock} IS NULL", about="unknown"),
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """The clock."""
        return (self.clock,)

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:  # noqa: ARG003 -- about one
        """Say since when nothing has happened."""
        last = moment_of(evidence.get("last"))
        return words("says.stale", last=words.day(last)) if last else words("says.stale.never")
