"""What `crm-steward snooze`, `wake` and `findings --snoozed` say, in English and French."""

from __future__ import annotations

from types import MappingProxyType

_EN = MappingProxyType(
    {
        "fingerprint": "finding",
        "rule": "rule",
        "records": "records",
        "until": "snoozed until",
        "reason": "reason",
        "by": "by",
        "ended": "ended {day}",
        "resolved": "(resolved)",
        "done": "{n} snoozed until {day}. Before that: crm-steward wake {mark}",
        "preview": "Nothing was snoozed. --yes snoozes these {n} until {day}.",
        "longer": "{n} snoozed for longer already: left as they are.",
        "woken": "{n} awake again.",
        "none": "Nothing is snoozed.",
        "hidden": "{n} snoozed; --snoozed shows them",
        "more": "… and {n} more",
    }
)
_FR = MappingProxyType(
    {
        "fingerprint": "anomalie",
        "rule": "règle",
        "records": "fiches",
        "until": "en sommeil jusqu'au",
        "reason": "motif",
        "by": "par",
        "ended": "terminé le {day}",
        "resolved": "(résolue)",
        "done": "{n} en sommeil jusqu'au {day}. Avant cette date : crm-steward wake {mark}",
        "preview": "Rien n'a été mis en sommeil. --yes met ces {n} en sommeil jusqu'au {day}.",
        "longer": "{n} déjà en sommeil pour plus longtemps : laissées telles quelles.",
        "woken": "{n} à nouveau en éveil.",
        "none": "Rien n'est en sommeil.",
        "hidden": "{n} en sommeil ; --snoozed les montre",
        "more": "… et {n} autres",
    }
)


def say(name: str, language: str, /, **values: object) -> str:
    """Return a word or sentence in `language` ("en" or "fr")."""
    return (_FR if language == "fr" else _EN)[name].format(**values)
