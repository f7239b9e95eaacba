# ruff: noqa: RUF001 -- the typographic apostrophe is how French is written
"""The sentences about retention, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "retention.title": "Retention: what falls due",
        "retention.past": "Past",
        "retention.period": "{period}: {length}, then {then}",
        "then.archive": "archive",
        "then.delete": "delete",
        "then.restrict": "no more marketing",
        "then.ask": "ask again",
        "then.inform": "inform",
        "then.answer": "answer",
        "retention.more": ("and {n} more rule", "and {n} more rules"),
        "retention.about": "Contacts that reach the end of their period, grace included, as the rules count "
        "on the contacts of today. Whoever gives a sign of life meanwhile falls out.",
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "retention.title": "Conservation : ce qui arrive à échéance",
        "retention.past": "Échus",
        "retention.period": "{period} : {length}, puis {then}",
        "then.archive": "archiver",
        "then.delete": "supprimer",
        "then.restrict": "cesser la prospection",
        "then.ask": "redemander",
        "then.inform": "informer",
        "then.answer": "répondre",
        "retention.more": ("et {n} autre règle", "et {n} autres règles"),
        "retention.about": "Contacts dont la durée prend fin, délai de grâce compris, selon les règles et les "
        "fiches d’aujourd’hui. Qui donne signe de vie entre-temps en sort.",
    }
)
