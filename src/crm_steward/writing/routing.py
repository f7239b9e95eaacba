"""Routing: who gets a task, out of the people that a connection knows and that still work there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from crm_steward.model import Contact
from crm_steward.normalize import country_code
from crm_steward.rules import Routing


@dataclass(frozen=True, slots=True, order=True)
class Nobody:
    """Somebody whom a rule names and who cannot be given a task: the task is made nevertheless.

    Args:
        rule: The rule.
        connection: Where nobody active is called so.
        person: What the rule calls them.
    """

    rule: str
    connection: str
    person: str

    def to_json(self) -> dict[str, str]:
        """Return it as JSON-ready values."""
        return {"rule": self.rule, "connection": self.connection, "person": self.person}


@dataclass(frozen=True, slots=True)
class People:
    """The users of one CRM account, as the last pull learnt them.

    Args:
        known: The CRM's id of each → name, e-mail and whether they are active.
    """

    known: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def left(self) -> frozenset[str]:
        """The ids of those who are no longer active: CRMs refuse tasks for them."""
        return frozenset(name for name, about in self.known.items() if not _active(about))

    def named(self, person: str) -> str | None:
        """Return the id of the active user who is called so, by id or e-mail, or None.

        Where the account tells of no users at all, an id is taken at its word.
        """
        if not self.known and "@" not in person:
            return person
        if person in self.known:
            return person if _active(self.known[person]) else None
        wanted = person.strip().casefold()
        mine = (n for n, about in sorted(self.known.items()) if _email(about) == wanted)
        return next((name for name in mine if wanted and _active(self.known[name])), None)


def recipient(
    routing: Routing, contact: Contact, people: People, fingerprint: str, unknown: list[str]
) -> str | None:
    """Return the id of whoever gets a task, or None for nobody in particular.

    Args:
        routing: As the rule says.
        contact: The record it is about.
        people: The users of its connection.
        fingerprint: The finding's: it says whose turn it is.
        unknown: Gets those whom the rule names and who are not there.
    """
    for person in _named(routing, contact, fingerprint):
        if person is None:
            if contact.owner and contact.owner not in people.left:
                return contact.owner
        elif (found := people.named(person)) is not None:
            return found
        else:
            unknown.append(person)
    return None


def _named(routing: Routing, contact: Contact, fingerprint: str) -> Iterator[str | None]:
    """Yield whom the routing names, in order; None stands for the owner."""
    code = country_code(contact.address.country) if routing.by_country else None
    if code and code in routing.by_country:
        yield routing.by_country[code]
    if routing.owner:
        yield None
    yield from routing.turns(fingerprint)
    if routing.otherwise is not None:
        yield routing.otherwise


def _active(about: Mapping[str, Any]) -> bool:
    return about.get("active") is not False


def _email(about: Mapping[str, Any]) -> str:
    return str(about.get("email") or "").strip().casefold()
