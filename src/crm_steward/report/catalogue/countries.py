"""The sentences about countries, in both languages; `words` sets the unbreakable spaces."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "countries.title": "Findings by country",
        "countries.rest": ("{n} more country", "{n} more countries"),
        "countries.unknown": "Country not known",
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "countries.title": "Anomalies par pays",
        "countries.rest": ("{n} autre pays", "{n} autres pays"),
        "countries.unknown": "Pays inconnu",
    }
)
