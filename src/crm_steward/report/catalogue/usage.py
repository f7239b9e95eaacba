# ruff: noqa: RUF001 -- the typographic apostrophe is how French is written
"""The sentences about quotas, in both languages; `words` sets the unbreakable spaces."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "quota.title": "What we used of the CRMs’ quotas",
        "quota.connection": "Connection",
        "quota.calls": ("{n} call", "{n} calls"),
        "quota.points": ("{n} point", "{n} points"),
        "quota.share": "Highest in a day",
        "quota.untold": "not told by this CRM",
        "quota.about": "Since last week. Highest in a day: the largest share of the daily quota that "
        "was gone, whoever used it, as the CRM told.",
        "quota.more": ("and {n} more connection", "and {n} more connections"),
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "quota.title": "Quotas des CRM utilisés",
        "quota.connection": "Connexion",
        "quota.calls": ("{n} appel", "{n} appels"),
        "quota.points": ("{n} point", "{n} points"),
        "quota.share": "Maximum sur un jour",
        "quota.untold": "pas indiqué par ce CRM",
        "quota.about": "Depuis la semaine dernière. Maximum sur un jour : la plus grande part du quota "
        "journalier consommée, par qui que ce soit, selon le CRM.",
        "quota.more": ("et {n} autre connexion", "et {n} autres connexions"),
    }
)
