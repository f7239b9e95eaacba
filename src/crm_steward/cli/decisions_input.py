"""What a person types at `crm-steward duplicates`, read: which pairs of records, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import typer

from crm_steward.cli.snooze_input import digits_in, only_one, reason_in

if TYPE_CHECKING:
    from crm_steward.model import RecordRef
    from crm_steward.store.database import Database
    from crm_steward.store.decisions import Pair

_MOST = 50
"""Records of which all pairs are decided about at once: 1,225 pairs."""


def pairs_in(typed: Sequence[str], database: Database) -> list[Pair]:
    """Return the pairs of the records that were typed, and of the records of each finding."""
    pairs: set[Pair] = set()
    for refs in _groups(typed, database):
        if len(refs) > _MOST:
            raise typer.BadParameter(f"{len(refs)} records are too many at once (at most {_MOST}).")
        pairs.update(combinations(sorted(refs), 2))
    return sorted(pairs)


def _groups(typed: Sequence[str], database: Database) -> Iterator[set[RecordRef]]:
    from crm_steward.model import RecordRef
    from crm_steward.store.findings import Findings

    try:
        named = {RecordRef.parse(one) for one in typed if ":" in one}
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if len(named) == 1:
        raise typer.BadParameter("name at least two different records.")
    yield named
    findings = Findings(database)
    for one in typed:
        if ":" not in one:
            mark = only_one(one, findings.named(digits_in(one)), "finding")
            refs = {ref for stored in findings.load([mark]) for ref in stored.finding.refs}
            if len(refs) == 1:
                raise typer.BadParameter(f"the finding '{one}' is about one record only.")
            yield refs


def free_reason_in(reason: str | None) -> str:
    """Return the reason on one line; there need not be one."""
    return reason_in(reason) if reason else ""
