"""Duplicates side by side: what makes a group matter, what its records hold, how a person decides."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from crm_steward.report.groups import Group
from crm_steward.report.words import Words, plain

_NOTHING = "\N{EN DASH}"


def about(group: Group, words: Words) -> str:
    """Say what makes a group matter."""
    said = [words("twins.probable", n=group.size, probability=words.percent(group.probability))]
    if group.customer:
        said.append(words("twins.customer"))
    if group.acted:
        said.append(words("twins.acted"))
    if group.chained:
        said.append(words("twins.chained"))
    return ", ".join(said)


def judge(verdict: str, group: Group) -> str:
    """Return the command by which a person says whether the weakest link is one person."""
    ends = (quote(plain(f"{one.connection}:{one.id}")) for one in group.people[:2])
    return f"crm-steward duplicates {verdict} {' '.join(ends)}"


def excerpt(group: Group, words: Words) -> list[tuple[str, list[str]]]:
    """Return what is set side by side: a field, and what each record holds of it, never the value."""
    rows = [
        (words.field(name), [_held(number, numbers, words) for number in range(len(numbers))])
        for name, numbers in group.held.items()
        if any(numbers)
    ]
    if any(group.owners):
        owners = [plain(owner, 40) or _NOTHING for owner in group.owners]
        rows.append((words.field("owner"), owners))
    return rows


def _held(which: int, numbers: Sequence[int], words: Words) -> str:
    number = numbers[which]
    if not number:
        return _NOTHING
    if number <= which:
        return words("twins.same", number=number)
    return words("twins.other" if any(numbers[:which]) else "twins.given")
