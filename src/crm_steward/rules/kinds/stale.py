"""`stale`: nothing has happened for too long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

from crm_steward.model import RecordRef
from crm_steward.rules.conditions import Test
from crm_steward.rules.durations import Duration
from crm_steward.rules.kinds.base import Hit, RowCheck, as_json
from crm_steward.rules.sql import Statement, held


class Stale(RowCheck):
    """Finds contacts whose clock stopped too long ago.

    A date that is not known is not an old date: such contacts are left out unless `unknown`
    says otherwise, and then they are told apart in the evidence (`last` is null).

        check: {kind: stale, clock: last_activity, longer_than: 18 months}
    """

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

    def columns(self, statement: Statement) -> Mapping[str, str]:
        """Return the date."""
        return {"last": held(self.clock, statement)}

    def hits(self, ref: RecordRef, row: Mapping[str, Any]) -> Iterator[Hit]:
        """Report the date; an unknown one is a finding of its own."""
        last = as_json(row["last"])
        evidence = {"clock": self.clock, "last": last, "limit": str(self.longer_than)}
        yield Hit((ref,), evidence, about="" if last else "unknown")
