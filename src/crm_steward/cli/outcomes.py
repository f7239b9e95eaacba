"""How a run of apply or undo ended, on a terminal."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from crm_steward.cli.changes import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from crm_steward.store.journal import Line
    from crm_steward.writing import ApplyCounts

_ENDS = MappingProxyType(
    {
        "verified": "written",
        "conflict": "left alone because the record changed",
        "already": "not needed because the record held it already",
        "rejected": "refused by the CRM",
        "unknown": "without an answer",
        "absent": "not written",
    }
)


def print_outcome(out: Console, counts: ApplyCounts) -> None:
    """Print how a run of apply or undo ended, and each change that needs a look."""
    from rich.text import Text

    from crm_steward.store.journal import State

    said = [
        f"{counts.states[State(state)]:,} {name}"
        for state, name in _ENDS.items()
        if counts.states[State(state)] or state == "verified"
    ]
    out.print(Text(f"Run {counts.run}: {', '.join(said)}.", "bold"))
    for line in (*filter(partial(_needs_a_look, counts), counts.lines), *counts.otherwise):
        out.print(_outcome(line))
    anew = [one for one in counts.lines if one.kind == "recreate" and one.state is State.VERIFIED]
    for line in anew:
        out.print(f"{plain(line.ref.connection)}: {plain(line.reason)}.", markup=False)
    settled = ", ".join(f"{number:,} {_ENDS[state]}" for state, number in counts.settled.items())
    if settled:
        out.print(f"Settled from earlier runs: {settled}.")
    if counts.unsettled:
        when = f" in {counts.wait:.0f} seconds" if counts.wait else " by the next run"
        out.print(
            f"{counts.unsettled:,} changes have no answer yet; they are settled{when} "
            "(crm-steward apply), and nothing is sent twice."
        )
    for name, reason in counts.held.items():
        held = f"Nothing is written to {plain(name)}: {plain(reason)}."
        out.print(held, style="yellow", markup=False)
    _print_halts(out, counts)
    for number, what in (
        (counts.resolved, "changes were left out: their findings were resolved meanwhile."),
        (counts.snoozed, "changes were left out: their findings were snoozed meanwhile."),
        (counts.left, "changes were not tried; crm-steward apply --yes goes on."),
        (counts.waiting, "changes wait for approval: crm-steward apply --approve …"),
    ):
        if number:
            out.print(f"{number:,} {what}")


def _needs_a_look(counts: ApplyCounts, line: Line) -> bool:
    """Whether a change is named; that all which was not sent waits is said by its connection."""
    from crm_steward.store.journal import State

    waits = line.state is State.ABSENT and line.ref.connection in counts.failures
    return not waits and line.state not in (State.VERIFIED, State.ALREADY, State.INTENT)


def _print_halts(out: Console, counts: ApplyCounts) -> None:
    """Print what was not written because of a halt, and whether writing stopped or went on."""
    said = [
        f"{number:,} changes were not written. {halt.sentence('en')}. {halt.remedy('en')}"
        for halt, number in counts.halted.items()
    ]
    for halt in counts.turned:
        stopped = f"{halt.scope('en')}, {halt.why('en')}. {halt.remedy('en')}"
        resumed = f"Writing to {halt.connection} goes on: {halt.ended_reason}."
        said.append(stopped if halt.ended_at is None else resumed)
    for text in said:
        out.print(plain(text, 1000), style="yellow", markup=False)


def _outcome(line: Line) -> Text:
    from rich.text import Text

    return Text(
        f"  {line.state.value:8}  {plain(line.ref)}  {line.rule}  {plain(line.reason)}", "yellow"
    )
