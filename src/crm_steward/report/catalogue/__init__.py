"""Every sentence of the report and its pages in both languages, the same keys in each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from crm_steward.report.catalogue import en, fr, record

Phrase = str | tuple[str, str]
"""A sentence with {placeholders}, or one for a single thing and one for several."""

CATALOGUES: Mapping[str, Mapping[str, Phrase]] = MappingProxyType(
    {"en": {**en.PHRASES, **record.EN}, "fr": {**fr.PHRASES, **record.FR}}
)
"""Language → key → phrase."""
