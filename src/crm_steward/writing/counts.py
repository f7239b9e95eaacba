"""What became of the changes of one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crm_steward.model import Halt, StewardError
from crm_steward.store.journal import Line, State


@dataclass(slots=True, kw_only=True)
class ApplyCounts:
    """What a run of apply, undo or settle did.

    Args:
        run: The run's id.
        states: How many changes of this run ended how.
        settled: How changes of earlier runs, whose answer was lost, turned out.
        unsettled: How many changes are still under way, and cannot be settled yet.
        wait: In how many seconds the first of them can be.
        held: Why changes that were ready were not tried (connection → reason).
        halted: Halt → how many changes were ready and not written because of it.
        turned: Halts by which writing was stopped, or resumed, in this run.
        left: How many changes that were ready were not tried: asked to stop, or not reachable.
        waiting: How many changes wait for approval.
        resolved: How many changes were left out because their finding was resolved meanwhile.
        snoozed: How many changes were left out because their finding was snoozed meanwhile.
        lines: The outcomes of this run, in order.
        failures: Connection → what failed.
        otherwise: Merges that took effect, of this run or an earlier one, and left another survivor
            than planned.
    """

    run: str = ""
    states: Counter[State] = field(default_factory=Counter)
    settled: Counter[State] = field(default_factory=Counter)
    unsettled: int = 0
    wait: float = 0.0
    held: dict[str, str] = field(default_factory=dict)
    halted: Counter[Halt] = field(default_factory=Counter)
    turned: list[Halt] = field(default_factory=list)
    left: int = 0
    waiting: int = 0
    resolved: int = 0
    snoozed: int = 0
    lines: list[Line] = field(default_factory=list)
    failures: Mapping[str, StewardError] = field(default_factory=dict)
    otherwise: list[Line] = field(default_factory=list)

    def add(self, lines: Sequence[Line]) -> None:
        """Count the outcomes of a batch."""
        self.lines.extend(lines)
        self.states.update(line.state for line in lines)
        self.otherwise.extend(filter(_otherwise, lines))

    def resettle(self, lines: Sequence[Line]) -> None:
        """Count what settling found out; an answer that this run had lost is corrected."""
        ours = {line.key: at for at, line in enumerate(self.lines) if line.state is State.UNKNOWN}
        self.otherwise.extend(filter(_otherwise, lines))
        for line in lines:
            if line.key in ours:
                self.states[State.UNKNOWN] -= 1
                self.states[line.state] += 1
                self.lines[ours[line.key]] = line
            else:
                self.settled[line.state] += 1

    @property
    def needs_a_look(self) -> bool:
        """Whether something was refused, remains unknown, or did not end as it was planned."""
        refused = self.states[State.REJECTED] or self.states[State.ABSENT]
        return bool(refused or self.unsettled or self.otherwise)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON-ready values: ids and numbers, no values of records."""
        return {
            "run": self.run,
            **{state.value: self.states[state] for state in State if state is not State.INTENT},
            "settled": {state.value: count for state, count in self.settled.items() if count},
            "unsettled": self.unsettled,
            "wait_seconds": round(self.wait, 1),
            "held": self.held,
            "halted": [{**halt.to_json(), "changes": count} for halt, count in self.halted.items()],
            "left": self.left,
            "waiting_for_approval": self.waiting,
            "resolved": self.resolved,
            "snoozed": self.snoozed,
            "merged_otherwise": len(self.otherwise),
            "failed_connections": {name: type(e).__name__ for name, e in self.failures.items()},
        }


def _otherwise(line: Line) -> bool:
    return line.kind == "merge" and line.state is State.VERIFIED and bool(line.reason)
