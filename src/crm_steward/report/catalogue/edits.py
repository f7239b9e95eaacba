# ruff: noqa: RUF001 -- the typographic apostrophe is how French is written
"""The sentences about edits of rules, in both languages; `words` sets the unbreakable spaces."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "edits.title": "What edits of rules did",
        "edits.rule": "Rule",
        "edits.gained": "Opened",
        "edits.lost": "Resolved",
        "edits.open": "Open",
        "edits.about": "Counted at the first scan after each edit, whose time is given; what "
        "changed in the contacts since the scan before is in it.",
        "edits.more": ("and {n} more rule", "and {n} more rules"),
        "edits.added": "new ({at})",
        "edits.edited": "edited ({at})",
        "edits.removed": "removed ({at})",
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "edits.title": "Ce que les règles modifiées ont changé",
        "edits.rule": "Règle",
        "edits.gained": "Apparues",
        "edits.lost": "Résolues",
        "edits.open": "Ouvertes",
        "edits.about": "Compté au premier passage après chaque modification, dont l’heure est "
        "donnée ; ce qui a changé dans les contacts depuis le passage précédent y est compris.",
        "edits.more": ("et {n} autre règle", "et {n} autres règles"),
        "edits.added": "nouvelle ({at})",
        "edits.edited": "modifiée ({at})",
        "edits.removed": "supprimée ({at})",
    }
)
