"""Fighting: rules that would undo each other's writes for ever are found before they write.

Shown by doing: contacts that some rules would find are made of what the rules say, the rules are
run on them, what they ask for is written to them, and again. Where a contact comes back to what it
held, each of the rules on the way undoes another. What no witness shows is stopped at the second
swing, while it writes (`swings`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import combinations, islice

from crm_steward.model import (
    ConfigError,
    Contact,
    Problem,
    RecordRef,
    UpdateFields,
    Value,
    with_value,
)
from crm_steward.rules import Rule, RuleBook, TagAction, UpdateAction
from crm_steward.rules.fitting import written
from crm_steward.rules.kinds.format import Format
from crm_steward.rules.messages import say
from crm_steward.rules.witnesses import Holding, witnesses
from crm_steward.store.relation import relation_of_contacts
from crm_steward.store.rows import content_of
from crm_steward.writing.compare import same
from crm_steward.writing.foresee import asked

_MOST = 2000
"""Witnesses that are made for rules which write the same fields."""
_STEPS = 4
"""To and fro, and once more: two rules have come round by then, and so have four."""
_WAYS = 1000
"""Ways that are followed from one contact: many rules may write the same field."""
_ANYWHERE = "crm"


@dataclass(frozen=True, slots=True)
class Fight:
    """Two rules of which each undoes the other.

    Args:
        first, second: The rules.
        field: What they write.
        example: What a contact holds that both of them find.
    """

    first: Rule
    second: Rule
    field: str
    example: Holding


def refuse_fights(
    book: RuleBook, *, language: str, now: datetime, connections: Iterable[str] = ()
) -> None:
    """Refuse rules that can be shown to undo each other.

    Args:
        book: The rules.
        language: Of the messages.
        now: The moment durations are counted from.
        connections: The connections there are.

    Raises:
        ConfigError: Some do; holds one problem for each two of them.
    """
    problems = [
        Problem(
            say(
                "rules_fight",
                language,
                field=fight.field,
                other=fight.first.id,
                where=fight.first.where_written,
                example=_words(fight.example),
            ),
            where=fight.second.where_written,
            rule=fight.second.id,
        )
        for fight in fights(book.rules, now=now, connections=tuple(connections))
    ]
    if problems:
        raise ConfigError(problems)


def fights(
    rules: Iterable[Rule], *, now: datetime, connections: Sequence[str] = ()
) -> Iterator[Fight]:
    """Yield each two rules that can be shown to undo each other.

    Args:
        rules: The rules; those that only report write nothing.
        now: The moment durations are counted from.
        connections: The connections there are; without, those that the rules name.
    """
    writers = [rule for rule in rules if rule.active and _fields(rule)]
    named = sorted({name for rule in writers for name in rule.connections})
    shown: set[tuple[str, str]] = set()
    for connection in connections or named or (_ANYWHERE,):
        for group in _sharing([rule for rule in writers if rule.asks_in(connection)]):
            for fight in _Ring(connection, group, now).fights():
                pair = (fight.first.id, fight.second.id)
                if pair not in shown:
                    shown.add(pair)
                    yield fight


def _fields(rule: Rule) -> frozenset[str]:
    """Return the fields that a rule may write."""
    names = set[str]()
    for action in rule.actions:
        if isinstance(action, UpdateAction | TagAction):
            names.update(written(action))
        if isinstance(action, UpdateAction) and action.normalise and isinstance(rule.check, Format):
            names.update(rule.check.fields)
    return frozenset(names)


def _sharing(rules: Iterable[Rule]) -> Iterator[list[Rule]]:
    """Yield the rules that write a field which another of them writes, together."""
    left = sorted(rules, key=lambda rule: rule.id)
    while left:
        group = [left.pop(0)]
        fields = set(_fields(group[0]))
        while near := [rule for rule in left if fields & _fields(rule)]:
            group += near
            fields.update(*map(_fields, near))
            left = [rule for rule in left if rule not in near]
        if len(group) > 1:
            yield group


def _fixed(rule: Rule, name: str) -> bool:
    """Whether a rule always writes the same to a field."""
    return any(
        name in action.set or name in action.clear
        if isinstance(action, UpdateAction)
        else isinstance(action, TagAction) and action.field == name and action.value is not None
        for action in rule.actions
    )


_Wants = dict[str, Mapping[str, Value]]
"""Rule, by id → what it would write: field → value."""


@dataclass(frozen=True, slots=True)
class _Move:
    """What one rule makes of what a contact holds.

    Args:
        rule: The rule, by id.
        fields: What it writes.
        to: What the contact holds then, as a hash.
    """

    rule: str
    fields: frozenset[str]
    to: str


@dataclass(slots=True)
class _Ring:
    """Rules that write the same fields, let loose on witnesses in one connection.

    Args:
        connection: Its name.
        rules: The rules.
        now: The moment durations are counted from.
    """

    connection: str
    rules: Sequence[Rule]
    now: datetime
    _examples: dict[str, Holding] = field(default_factory=dict)
    """Hash of what a contact holds → what it was made of."""
    _moves: dict[str, list[_Move]] = field(default_factory=dict)

    def fights(self) -> Iterator[Fight]:
        """Yield what the witnesses show."""
        fresh = self._begun()
        for _ in range(_STEPS):
            contacts = list(fresh.values())
            wants = self._wants(contacts) if contacts else []
            yield from self._at_once(fresh, wants)
            fresh = self._moved(fresh, wants)
        for start in self._moves:
            yield from self._come_round(start)

    def _begun(self) -> dict[str, Contact]:
        guesses = {rule.id: witnesses(rule, self.now) for rule in self.rules}
        pairs = list(combinations(self.rules, 2))
        each = max(4, _MOST // len(pairs))
        begun: dict[str, Contact] = {}
        for first, second in pairs:
            for holding in islice(_together(guesses[first.id], guesses[second.id]), each):
                contact = self._contact(holding)
                mark = content_of(contact)[1]
                begun[mark] = contact
                self._examples.setdefault(mark, holding)
        return begun

    def _rule(self, rule_id: str) -> Rule:
        return next(rule for rule in self.rules if rule.id == rule_id)

    def _contact(self, holding: Holding) -> Contact:
        contact = Contact(ref=RecordRef(self.connection, "1"))
        for name, value in holding.items():
            contact = with_value(contact, name, value)
        return contact

    def _wants(self, contacts: Sequence[Contact]) -> list[_Wants]:
        """Return, for each of some contacts, which rule would write what."""
        numbered = [
            replace(contact, ref=RecordRef(self.connection, str(number)))
            for number, contact in enumerate(contacts)
        ]
        wants: list[_Wants] = [{} for _ in contacts]
        with closing(relation_of_contacts(numbered)) as con:
            for rule in self.rules:
                found = list(rule.find(con, self.now))
                for change in asked(rule, found, numbered, self.now):
                    if isinstance(change, UpdateFields):
                        mine = wants[int(change.ref.id)].get(rule.id, {})
                        wants[int(change.ref.id)][rule.id] = {**mine, **change.values}
        return wants

    def _at_once(self, marks: Iterable[str], wants: Iterable[_Wants]) -> Iterator[Fight]:
        """Yield rules that always write different values to one field of one contact."""
        for mark, wanted in zip(marks, wants, strict=True):
            for (one_id, one), (two_id, two) in combinations(wanted.items(), 2):
                first, second = self._rule(one_id), self._rule(two_id)
                for name in sorted(one.keys() & two.keys()):
                    differ = not same(one[name], two[name])
                    if differ and _fixed(first, name) and _fixed(second, name):
                        yield Fight(first, second, name, self._examples[mark])

    def _moved(self, fresh: Mapping[str, Contact], wants: Sequence[_Wants]) -> dict[str, Contact]:
        """Write what each rule wants, and return what is held then for the first time."""
        moved: dict[str, Contact] = {}
        for (mark, contact), wanted in zip(fresh.items(), wants, strict=True):
            moves = self._moves.setdefault(mark, [])
            for rule, values in wanted.items():
                after = contact
                for name, value in values.items():
                    after = with_value(after, name, value)
                reached = content_of(after)[1]
                moves.append(_Move(rule, frozenset(values), reached))
                if reached not in self._moves and reached not in fresh:
                    moved[reached] = after
                    self._examples.setdefault(reached, self._examples[mark])
        return moved

    def _come_round(self, start: str) -> Iterator[Fight]:
        """Yield the rules by which a contact comes back to what it holds now."""
        ways: list[tuple[_Move, ...]] = [(move,) for move in self._moves[start]]
        for _ in range(_STEPS - 1):
            on = ((*way, move) for way in ways for move in self._moves.get(way[-1].to, ()))
            ways = list(islice(on, _WAYS))
            for way in ways:
                last = way[-1]
                for move in way[:-1] if last.to == start else ():
                    if move.rule != last.rule and (common := move.fields & last.fields):
                        first, second = map(self._rule, sorted((move.rule, last.rule)))
                        yield Fight(first, second, min(common), self._examples[start])


def _together(firsts: Collection[Holding], seconds: Collection[Holding]) -> Iterator[Holding]:
    """Yield what a contact may hold that two rules find, one after the other or at once."""
    for one in firsts:
        for two in seconds:
            yield {**one, **two}
            if any(two.get(name, value) != value for name, value in one.items()):
                yield {**two, **one}


def _words(example: Holding) -> str:
    """Return what an example holds, as it stands in rules: nothing of it is a contact's."""
    said = (
        f"{name}: {value.date() if isinstance(value, datetime) else value}"
        for name, value in sorted(example.items())
        if value is not None
    )
    return ", ".join(said) or "-"
