"""One person's data as a page for that person: what is kept, part by part."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_steward.model import FIELDS
from crm_steward.report.pages import environment
from crm_steward.report.words import Words

_TITLES: Mapping[str, tuple[str, str]] = {
    "contacts": (
        "Records, as they were read from the CRMs",
        "Fiches, telles que lues dans les CRM",
    ),
    "people": ("Records known to be one person", "Fiches connues comme une seule personne"),
    "findings": ("What rules found", "Ce que les règles ont relevé"),
    "snoozes": ("Findings that wait", "Anomalies en sommeil"),
    "decisions": ("Decisions about duplicates", "Décisions sur les doublons"),
    "plans": ("Changes that were planned", "Modifications prévues"),
    "approvals": ("Approvals of these changes", "Approbations de ces modifications"),
    "journal": ("What was written to the CRMs", "Ce qui a été écrit dans les CRM"),
    "consent_evidence": ("Objections that were heeded", "Oppositions respectées"),
    "quarantine": ("What could not be read or written", "Ce qui n'a pu être lu ou écrit"),
    "halts": ("Pauses of writing that name you", "Pauses des écritures qui vous citent"),
    "erased": ("Earlier erasures", "Effacements antérieurs"),
}
_PIECE = 900
"""Characters of one piece of text: templates cut what is longer."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the page: its title, and per entry the names and values."""

    title: str
    entries: Sequence[Sequence[tuple[str, Sequence[str]]]]


def subject_page(found: Mapping[str, Any], words: Words, made_at: datetime) -> str:
    """Return the page.

    Args:
        found: What `store.access.held` returned.
        words: The person's language.
        made_at: When it was looked up.
    """
    parts = [
        Part(words.either(*title), [list(_entry(entry, words)) for entry in found[name]])
        for name, title in _TITLES.items()
        if found[name]
    ]
    template = environment().get_template("subject.html")
    return template.render(
        t=words, parts=parts, records=found["records"], made=words.moment(made_at)
    )


def _entry(entry: Mapping[str, Any], words: Words) -> Iterator[tuple[str, Sequence[str]]]:
    for name, value in entry.items():
        label = FIELDS[name].label(words.language) if name in FIELDS else name
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield label, [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
