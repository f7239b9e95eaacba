"""`retention`: what has been kept for as long as the register allows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator
from pydantic.json_schema import SkipJsonSchema

from crm_steward.rules.conditions import Test
from crm_steward.rules.durations import Duration
from crm_steward.rules.kinds.base import Evidence, Report, RowCheck, Wording, lasting, moment_of
from crm_steward.rules.operators import moment
from crm_steward.rules.periods import Period, PeriodName, clocked
from crm_steward.rules.sql import Statement, held, iso


class Retention(RowCheck):
    """Finds contacts whose period of retention has ended, or is about to.

    How long, and counted from when, stands in the register of processing activities and nowhere
    else: change it there and every rule follows. A date that is not known never makes a contact
    old: such contacts are found only where `unknown` asks for them, with the status no_clock. What
    is under legal hold is never found.

        check: {kind: retention, period: prospects, grace: 30 days}

    And three months before, to ask those who would fall due whether they wish to stay:

        check: {kind: retention, period: prospects, grace: 30 days, warn: 3 months}
    """

    about: ClassVar[tuple[str, str]] = (
        "Kept longer than the register allows",
        "Conservés plus longtemps que ne le permet le registre",
    )
    facts: ClassVar[Mapping[str, str]] = {
        "status": "ended; ending, with warn; no_clock, when the date is unknown.",
        "clock": "Which date counts.",
        "last": "The date; null when it is unknown.",
        "ended": "When the period ends or ended, grace not counted; null when unknown.",
        "period": "The period's name in the register.",
        "length": "Its length.",
    }

    kind: Literal["retention"]
    """What has been kept for as long as the register allows."""
    period: Annotated[PeriodName, AfterValidator(clocked)]
    """The id of a period of the register, which says how long and counted from when."""
    grace: Duration | SkipJsonSchema[None] = None
    """How long after the period's end nothing is found yet, for example 30 days."""
    warn: Duration | SkipJsonSchema[None] = None
    """Find those whose period ends within this time instead, for example 3 months; with grace also
    those whose grace still runs, so that none falls between two rules."""
    unknown: Literal["ignore", "report", "only"] = "ignore"
    """Contacts without the date. ignore: leave them out. report: find them too. only: find just
    them."""

    @property
    def _period(self) -> Period:
        return self.period.found

    @property
    def reads(self) -> tuple[str, ...]:
        """The clock. Where legal hold is not kept, nothing is held."""
        return (self.period.period.clock,) if self.period.period else ()

    def tests(self, statement: Statement) -> tuple[Test, ...]:
        """Return that nothing holds the contact back, and that its time has come."""
        clock = self._clock(statement)
        seen = partial(held, self._period.clock)
        kept = Test("no legal hold", "(legal_hold IS NOT TRUE)", lambda _: "legal_hold")
        none = Test(f"{self._period.clock} unknown", f"({clock} IS NULL)", seen)
        if self.unknown == "only":
            return (kept, none)
        due = Test(self._words, f"coalesce({self._due(statement)}, false)", seen)
        if self.unknown == "ignore":
            return (kept, due)
        return (kept, Test(f"{due.words} or unknown", f"({due.sql} OR {none.sql})", seen))

    @property
    def _words(self) -> str:
        grace = f" and {self.grace}" if self.grace else ""
        when = f"ends within {self.warn}" if self.warn else "has ended"
        return f"{self._period.length}{grace} from {self._period.clock}: {when}"

    def _clock(self, statement: Statement) -> str:
        """Return SQL for the date; one that is none of our calendar is unknown."""
        clock = moment(self._period.clock, statement)
        return f"(CASE WHEN {clock} BETWEEN '0001-01-02' AND '9999-12-30' THEN {clock} END)"

    def _end(self, statement: Statement) -> str:
        """Return SQL for the moment the period ends: forward by the calendar, as the law counts."""
        return f"({self._clock(statement)} + {_interval(self._period.length, statement)})"

    def _due(self, statement: Statement) -> str:
        end = self._end(statement)
        late = f"({end} + {_interval(self.grace, statement)})" if self.grace else end
        over = f"{late} < {statement.bind_time(statement.now)}"
        if self.warn is None:
            return f"({over})"
        return f"({end} < {statement.bind_time(self.warn.after(statement.now))} AND NOT {over})"

    def reports(self, statement: Statement) -> tuple[Report, ...]:
        """Report the dates; an unknown one is a finding of its own."""
        clock = self._clock(statement)
        return (
            Report(
                self._evidence(statement, "ending" if self.warn else "ended"),
                f"{clock} IS NOT NULL",
            ),
            Report(self._evidence(statement, "no_clock"), f"{clock} IS NULL", about="no_clock"),
        )

    def _evidence(self, statement: Statement, status: str) -> dict[str, str]:
        known = status != "no_clock"
        return {
            "status": statement.bind(status),
            "clock": statement.bind(self._period.clock),
            "last": iso(self._clock(statement)) if known else "NULL",
            "ended": iso(self._end(statement)) if known else "NULL",
            "period": statement.bind(self._period.id),
            "length": statement.bind(str(self._period.length)),
        }

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:  # noqa: ARG003 -- about one
        """Say when the period ends, and what it is counted from."""
        period, clock = evidence.get("period") or "", words.field(evidence.get("clock"))
        end = moment_of(evidence.get("ended"))
        if end is None:
            return words.either(
                "{period}: date unknown ({clock})",
                "{period} : date inconnue ({clock})",
                period=period,
                clock=clock,
            )
        length = lasting(evidence.get("length"), words)
        about = {"period": period, "length": length, "end": words.day(end)}
        if evidence.get("status") == "ending":
            return words.either(
                "{period}: {length} end on {end}", "{period} : {length}, terme le {end}", **about
            )
        return words.either(
            "{period}: {length} ended on {end}",
            "{period} : {length}, terme atteint le {end}",
            **about,
        )


def _interval(duration: Duration, statement: Statement) -> str:
    """Return SQL for a duration; a day that a month lacks becomes its last."""
    return f"to_{duration.unit}s({statement.bind(duration.count)}::INTEGER)"
