"""The survivor of a merge: the first criterion that names one record decides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from crm_steward.model import FIELDS, Channel, Contact, Stage, binding_consent
from crm_steward.rules import Criterion, InFront

_EVER = datetime(1, 1, 1, tzinfo=UTC)
_FILLED = tuple(name for name, field in FIELDS.items() if field.writable or name == "owner")


@dataclass(frozen=True, slots=True)
class Survivor:
    """The record that remains.

    Args:
        contact: The record.
        criterion: What decided.
    """

    contact: Contact
    criterion: Criterion


def survivor_of(
    members: Sequence[Contact], criteria: Sequence[Criterion], left: Collection[str]
) -> Survivor | None:
    """Return the one record that comes first by `criteria`, or None where none is alone in front.

    Args:
        members: The records of a group in one connection.
        criteria: The rule's, in order; each one only sees those that the ones before left equal.
        left: Owners who are no longer active: they look after nobody.
    """
    best = list(members)
    for criterion in criteria:
        ranks = [_rank(criterion, contact, left) for contact in best]
        top = max(ranks)
        best = [contact for contact, rank in zip(best, ranks, strict=True) if rank == top]
        if len(best) == 1:
            return Survivor(best[0], criterion)
    return None


def _rank(criterion: Criterion, contact: Contact, left: Collection[str]) -> Any:
    """Return how well a record meets a criterion: the greater, the better."""
    if isinstance(criterion, InFront):
        return criterion.holds(contact)
    if criterion == "has owner":
        return bool(contact.owner) and contact.owner not in left
    return _RANKS[criterion](contact)


def _filled(contact: Contact) -> int:
    """Count what a record holds: fields, further addresses and custom fields."""
    fields = sum(bool(str(contact.value(name) or "").strip()) for name in _FILLED)
    more = max(len(contact.emails) - 1, 0) + max(len(contact.phones) - 2, 0)
    return fields + more + sum(value not in (None, "") for value in contact.extra.values())


def _strictness(contact: Contact) -> tuple[int, ...]:
    """Return how much the person refused, the strictest first; what is not known is no refusal."""
    bound = (binding_consent(contact.consents, channel) for channel in Channel)
    return tuple(sorted((int(one.status) if one else -1 for one in bound), reverse=True))


def _since(moment: datetime | None) -> float:
    """Return the age of a record as a rank; one whose beginning is not known is no old one."""
    return -((moment or datetime.max.replace(tzinfo=UTC)) - _EVER).total_seconds()


_RANKS: Mapping[str, Callable[[Contact], Any]] = MappingProxyType(
    {
        "customer first": lambda contact: contact.stage is Stage.CUSTOMER,
        "latest act of the person": lambda contact: contact.last_person_act or _EVER,
        "latest activity": lambda contact: contact.last_activity or _EVER,
        "oldest": lambda contact: _since(contact.created_at),
        "newest": lambda contact: contact.created_at or _EVER,
        "most complete": _filled,
        "strictest consent": _strictness,
    }
)

_EN: Mapping[str, str] = MappingProxyType(
    {
        "customer first": "it is the customer",
        "latest act of the person": "the person last did something there",
        "latest activity": "the latest activity is there",
        "oldest": "it is the oldest",
        "newest": "it is the newest",
        "most complete": "it is the most complete",
        "has owner": "somebody looks after it",
        "strictest consent": "its consent is the strictest",
    }
)
_FR: Mapping[str, str] = MappingProxyType(
    {
        "customer first": "c'est le client",
        "latest act of the person": "le dernier acte de la personne s'y trouve",
        "latest activity": "la dernière activité s'y trouve",
        "oldest": "c'est la plus ancienne",
        "newest": "c'est la plus récente",
        "most complete": "c'est la plus complète",
        "has owner": "quelqu'un s'en occupe",
        "strictest consent": "son consentement est le plus strict",
    }
)


def because(criterion: Criterion, language: str) -> str:
    """Say what decided, in `language` ("en" or "fr")."""
    if isinstance(criterion, InFront):
        return f"{'critère' if language == 'fr' else 'criterion'} {criterion}"
    return (_FR if language == "fr" else _EN)[criterion]
