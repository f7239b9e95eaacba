"""Every sentence of the report, its pages and the alerts in both languages, the same keys in each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from crm_steward.report.catalogue import (
    alert,
    consent,
    countries,
    coverage,
    edits,
    en,
    fr,
    hygiene,
    officer,
    owner,
    record,
    reminders,
    retention,
    tasks,
    usage,
    workbook,
)

Phrase = str | tuple[str, str]
"""A sentence with {placeholders}, or one for a single thing and one for several."""

CATALOGUES: Mapping[str, Mapping[str, Phrase]] = MappingProxyType(
    {
        "en": {
            **en.PHRASES,
            **record.EN,
            **alert.EN,
            **owner.EN,
            **workbook.EN,
            **countries.EN,
            **coverage.EN,
            **tasks.EN,
            **edits.EN,
            **usage.EN,
            **consent.EN,
            **retention.EN,
            **hygiene.EN,
            **reminders.EN,
            **officer.EN,
        },
        "fr": {
            **fr.PHRASES,
            **record.FR,
            **alert.FR,
            **owner.FR,
            **workbook.FR,
            **countries.FR,
            **coverage.FR,
            **tasks.FR,
            **edits.FR,
            **usage.FR,
            **consent.FR,
            **retention.FR,
            **hygiene.FR,
            **reminders.FR,
            **officer.FR,
        },
    }
)
"""Language → key → phrase."""
