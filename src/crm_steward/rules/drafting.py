"""Finds invented contacts that a rule catches, and nearly the same ones that it leaves alone.

A rule that was just written gets its first test so: contacts are drawn from a few values per field,
what is caught is stripped of all that does not matter, and then changed until it is left alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crm_steward.model import Finding
from crm_steward.rules.block import Block
from crm_steward.rules.conditions import Comparison
from crm_steward.rules.rule import Rule
from crm_steward.rules.sql import EXTRA
from crm_steward.rules.trialfile import Person
from crm_steward.rules.trials import Relation

_DRAWN = 800
_AGES = (1, 20, 100, 400, 800, 1200, 2000, 4000)
"""Days ago: one on either side of any threshold a rule is likely to have."""

_VALUES: Mapping[str, Sequence[Any]] = {
    "first_name": ("Zoé", "ZOÉ", "Max"),
    "last_name": ("Martin", "MARTIN", "Petit"),
    "email": ("zoe@example.com", "max@example.com", " Zoe@Example.COM ", "zoe.example.com"),
    "phone": ("+33199001234", "01 99 00 12 34", "123"),
    "mobile": ("+33612345678", "06 12 34 56 78"),
    "company": ("Example SARL", "Muster GmbH"),
    "job_title": ("Buyer", "Director"),
    "street": ("1 rue de l'Exemple",),
    "postcode": ("75001", "7500", "SW1A 1AA"),
    "city": ("Paris", "Berlin"),
    "country": ("FR", "DE", "GB", "CA", "US", "France"),
    "language": ("fr", "de"),
    "website": ("https://example.com", "Example.com "),
    "owner": ("7",),
    "stage": ("prospect", "customer", "former"),
    "kind": ("b2c", "b2b", "sole_trader"),
    "source": ("trade fair",),
    "source_type": ("direct", "third_party", "public"),
    "legal_hold": (True,),
    "purchases": (0, 1, 5),
    "notes": (
        "Called back",
        "Mot de passe : secret1",
        "Souffre de diabète",
        "A menti, quel escroc",
        "4111 1111 1111 1111",
    ),
    "consent": tuple(
        {"email": said} for said in ("granted", "implied", "none", "withdrawn", "objected")
    ),
}
_TIMES = (
    "created_at",
    "updated_at",
    "last_person_act",
    "last_activity",
    "collected_at",
    "informed_at",
    "contract_end",
    "last_login",
    "last_mailed_at",
    "rights_request_at",
)

Fields = dict[str, Any]
"""A contact of a rule test, as it is written: field → value."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The contacts of a rule's first test.

    Args:
        caught: Contacts that the rule catches, and others without which it would not: as few, and
            as few fields, as it takes.
        findings: What it finds about them.
        spared: Nearly the same contacts, which it leaves alone; empty when none were found.
        changed: The field in which they differ.
    """

    caught: tuple[Fields, ...]
    findings: tuple[Finding, ...]
    spared: tuple[Fields, ...]
    changed: str


def draft(rule: Rule, relation: Relation, now: datetime, *, seed: int = 1) -> Draft | None:
    """Return contacts that show `rule` at work, or None when no draw was caught.

    Args:
        rule: The rule.
        relation: Makes the table `contacts` of a few contacts.
        now: The moment the test takes place.
        seed: Of the draws: the same rule gets the same contacts.
    """
    bench = _Bench(rule, relation, now)
    values = _values(rule, now)
    rng = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
    drawn = list(_drawn(values, rng, apart=rule.check.groups))
    found = bench.find(drawn)
    if not found:
        return None
    smallest = min(found, key=lambda one: (len(one.refs), one.refs))
    members = [drawn[int(ref.id) - 1] for ref in smallest.refs]
    caught = _stripped([*members, *_others(members, drawn, bench)], len(members), bench)
    caught = [{"id": number, **_without(one, "id")} for number, one in enumerate(caught, start=1)]
    spared, changed = _spared(caught, values, bench)
    return Draft(tuple(caught), tuple(bench.find(caught)), tuple(spared), changed)


@dataclass(frozen=True, slots=True)
class _Bench:
    """Asks one rule about a few contacts at a time."""

    rule: Rule
    relation: Relation
    now: datetime

    def find(self, people: Sequence[Fields]) -> list[Finding]:
        contacts = [Person.model_validate(one).contact() for one in people]
        with closing(self.relation(contacts)) as con:
            return list(self.rule.find(con, self.now))

    def catches(self, people: Sequence[Fields], members: int) -> bool:
        """Whether something is found about the first `members` of `people` and nobody else."""
        wanted = {str(one["id"]) for one in people[:members]}
        return any({ref.id for ref in found.refs} == wanted for found in self.find(people))


def _values(rule: Rule, now: datetime) -> dict[str, list[Any]]:
    """Return what each field may hold: usual values, and those that the rule itself names."""
    values = {name: list(usual) for name, usual in _VALUES.items()}
    for name in _TIMES:
        values[name] = [(now - timedelta(days=age)).date().isoformat() for age in _AGES]
    for field, value in (pair for part in (rule.where, rule.check) for pair in _named(part)):
        if isinstance(value, str | int | float):
            values.setdefault(field, []).append(value)
    return values


def _named(part: Any) -> Iterator[tuple[str, Any]]:
    """Yield each field and value that a comparison in `part` names."""
    if isinstance(part, Comparison) and part.operator == "is":
        return  # empty and set are no values
    if isinstance(part, Comparison):
        operands = part.operand if isinstance(part.operand, tuple) else (part.operand,)
        yield from ((str(part.field), operand) for operand in operands)
    elif isinstance(part, Block):
        for name in type(part).model_fields:
            yield from _named(getattr(part, name))
    elif isinstance(part, tuple):
        for item in part:
            yield from _named(item)


def _drawn(
    values: Mapping[str, Sequence[Any]], rng: random.Random, *, apart: bool
) -> Iterator[Fields]:
    """Draw contacts, each second one a slip of the pen away from the one before it.

    Args:
        values: What each field may hold.
        rng: Draws.
        apart: Give each pair addresses of its own, so that groups stay small.
    """
    names = [name for name in values if _can_hold(name)]
    person: Fields = {}
    for number in range(1, _DRAWN + 1):
        if number % 2:
            person = {}
            for name in names:
                if rng.getrandbits(1):
                    _put(person, name, rng.choice(values[name]))
            person |= {key: _own(text, number) for key, text in person.items() if apart}
        else:
            person = dict(person)
            _put(person, name := rng.choice(names), rng.choice(values[name]))
        yield {**person, "id": number}


def _own(value: Any, number: int) -> Any:
    """Return an address like `value` that no other pair of contacts has."""
    if not isinstance(value, str):
        return value
    if "@" in value:
        return value.replace("@", f"{number}@")
    return f"{value[:-4]}{number:04d}" if value[-4:].replace(" ", "").isdigit() else value


def _can_hold(name: str) -> bool:
    return name.startswith(EXTRA) or name in Person.model_fields


def _put(person: Fields, name: str, value: Any) -> None:
    if name.startswith(EXTRA):
        person["extra"] = {**person.get("extra", {}), name.removeprefix(EXTRA): value}
    else:
        person[name] = value


def _others(members: list[Fields], drawn: Sequence[Fields], bench: _Bench) -> list[Fields]:
    """Return the other contacts without which the members would not be found, as few as may be."""
    if bench.catches(members, len(members)):
        return []
    others = [one for one in drawn if one not in members]
    step = len(others) // 2
    while step:
        for start in range(0, len(others), step):
            fewer = [*others[:start], *others[start + step :]]
            if bench.catches([*members, *fewer], len(members)):
                others = fewer
                break
        else:
            step //= 2
    return others


def _stripped(people: list[Fields], members: int, bench: _Bench) -> list[Fields]:
    """Take away each field that the finding does not need."""
    for place, person in enumerate(people):
        for name in [name for name in person if name != "id"]:
            less = _without(people[place], name)
            fewer = [*people[:place], less, *people[place + 1 :]]
            if bench.catches(fewer, members):
                people = fewer
    return people


def _without(person: Fields, name: str) -> Fields:
    return {key: value for key, value in person.items() if key != name}


def _spared(
    caught: list[Fields], values: Mapping[str, Sequence[Any]], bench: _Bench
) -> tuple[list[Fields], str]:
    """Change one field of the first contact so that nothing is found any more."""
    first, *others = caught
    mentioned = [name for name in first if name in values]
    for name in dict.fromkeys((*mentioned, *values)):
        for value in values[name] if _can_hold(name) else ():
            other = dict(first)
            _put(other, name, value)
            if other != first and not bench.find([other, *others]):
                return [other, *others], name
    return [], ""
