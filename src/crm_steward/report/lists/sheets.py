"""All lists of the workbook, in the order in which it shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crm_steward.report.lists import changes, counts, findings, people
from crm_steward.report.lists.base import Asking, Sheet

_ALL: Final = (
    findings.open_findings,
    changes.waiting,
    people.tasks,
    findings.duplicates,
    people.unheeded,
    people.ending,
    people.apart,
    people.keeping,
    changes.made,
    changes.unmade,
    changes.unread,
    counts.gaps,
    findings.snoozed,
    counts.rules,
    counts.edits,
    counts.by_connection,
    counts.owners,
    counts.by_country,
    counts.typed,
    counts.register,
    counts.reminders,
)


def sheets(asking: Asking) -> Iterator[Sheet]:
    """Yield each list when the one before is written: none is kept longer than it takes."""
    yield from (made(asking) for made in _ALL)
