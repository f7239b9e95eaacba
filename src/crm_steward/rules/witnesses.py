"""Witnesses: contacts that a rule would probably find, made of what the rule itself says.

Only guesses: whoever makes contacts of them runs the rule on them and sees. A rule for which
nothing is guessed is one that is watched while it writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

from crm_steward.model import FIELDS, FieldType, Value
from crm_steward.rules.actions import UpdateAction
from crm_steward.rules.conditions import AllOf, AnyOf, Comparison, Condition, NotIt
from crm_steward.rules.durations import Duration
from crm_steward.rules.kinds.condition import ConditionCheck
from crm_steward.rules.kinds.format import Format
from crm_steward.rules.kinds.required import Required
from crm_steward.rules.rule import Rule
from crm_steward.rules.sql import type_of

Holding = Mapping[str, Value | datetime]
"""What some fields of a contact hold; nothing is said of the others."""

MOST = 12
"""How many are guessed per rule."""

_ANYTHING: Sequence[Holding] = ({},)
_OPPOSITES = {
    "equals": "not_equals",
    "in": "not_in",
    "less_than": "greater_than",
    "older_than": "newer_than",
    "before": "after",
}
_OPPOSITE = _OPPOSITES | {second: first for first, second in _OPPOSITES.items()}
_SPELT = ("JEANNE", "jeanne", "Jeanne", "1")
"""Of each case, for patterns that ask for one."""
_OFF: Mapping[str, tuple[Value, ...]] = {
    "first_name": ("JEANNE", "jeanne"),
    "last_name": ("DUPONT", "dupont"),
    "email": (" Jeanne@EXAMPLE.com ",),
    "phone": ("01 42 68 53 00",),
    "mobile": ("06 12 34 56 78",),
    "company": ("  Acme  SA ",),
    "street": ("1  rue du Bac",),
    "city": ("Le  Havre",),
    "postcode": (" 75 001",),
    "country": ("France",),
    "language": ("French", "français"),
    "website": ("HTTPS://Example.COM",),
}
"""Field → values that the check kind format corrects; numbers and postcodes are French ones."""
_LONG = timedelta(days=36_525)


def witnesses(rule: Rule, now: datetime) -> list[Holding]:
    """Return what contacts hold that a rule would probably find, and write to.

    Args:
        rule: The rule.
        now: The moment durations are counted from.
    """
    guess = _Guess(now)
    found = guess.both([guess.found_by(rule), guess.holds(rule.where), guess.copied(rule)])
    if rule.exceptions is not None and not isinstance(rule.exceptions, tuple):
        found = guess.both([found, guess.fails(rule.exceptions)])
    return list(islice(found, MOST))


class _Guess:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def found_by(self, rule: Rule) -> Iterable[Holding]:
        check = rule.check
        match check:
            case ConditionCheck():
                return self.holds(check.holds)
            case Required():
                return [dict.fromkeys(check.fields)]
            case Format():
                place = {"country": "FR"} if "country" not in check.fields else {}
                return [{**place, name: off} for name in check.fields for off in _OFF[name]]
            case _:
                return _ANYTHING

    def copied(self, rule: Rule) -> Iterable[Holding]:
        """Guess what is in fields that the rule copies from."""
        sources = {
            source
            for action in rule.actions
            if isinstance(action, UpdateAction)
            for source in action.fill_from.values()
        }
        if not sources:
            return _ANYTHING
        return [{}, *(dict.fromkeys(sources, spelt) for spelt in _SPELT)]

    def holds(self, condition: Condition | None) -> Iterable[Holding]:
        """Guess what makes a condition true."""
        match condition:
            case None:
                return _ANYTHING
            case Comparison():
                return self._compared(condition.field, condition.operator, condition.operand)
            case AllOf(all=parts):
                return self.both([self.holds(part) for part in parts])
            case AnyOf(any=parts):
                return [one for part in parts for one in self.holds(part)]
            case NotIt(not_=part):
                return self.fails(part)

    def fails(self, condition: Condition) -> Iterable[Holding]:
        """Guess what makes a condition false."""
        match condition:
            case Comparison(operator="is"):
                other = "empty" if condition.operand == "set" else "set"
                return self._compared(condition.field, "is", other)
            case Comparison() if condition.operator in _OPPOSITE:
                operator = _OPPOSITE[condition.operator]
                return [*self._compared(condition.field, operator, condition.operand), {}]
            case Comparison():
                return [{}, *self._held(condition.field, ["Other"])]
            case AllOf(all=parts):
                return [one for part in parts for one in self.fails(part)]
            case AnyOf(any=parts):
                return self.both([self.fails(part) for part in parts])
            case NotIt(not_=part):
                return self.holds(part)

    def both(self, choices: Sequence[Iterable[Holding]]) -> list[Holding]:
        """Combine guesses; where two say something of one field, each has its turn to be right."""
        joined: list[Holding] = [{}]
        for choice in choices:
            guesses = list(islice(choice, MOST))
            longer: list[Holding] = [{**one, **two} for one in joined for two in guesses]
            longer += [{**two, **one} for one in joined for two in guesses if one.keys() & two]
            joined = longer[: MOST * MOST]
        return joined

    def _compared(self, field: str, operator: str, operand: Any) -> list[Holding]:
        return self._held(field, list(self._values(field, operator, operand)))

    def _held(self, field: str, values: Iterable[Value | datetime]) -> list[Holding]:
        if field == "email_domain":
            return [{"email": value and f"jeanne@{value}"} for value in values]
        if field in FIELDS and FIELDS[field].computed:
            return [{}]
        if type_of(field) is FieldType.CHOICE:
            values = ("unknown" if value is None else value for value in values)
        return [{field: value} for value in values]

    def _values(self, field: str, operator: str, operand: Any) -> Sequence[Value | datetime]:
        if operator == "is":
            return [None if operand == "empty" else self._something(field)]
        if operator in {"older_than", "newer_than", "before", "after"}:
            return [self._moment(operator, operand)]
        known: Mapping[str, Sequence[Value | datetime]] = {
            "in": operand[:4] if isinstance(operand, tuple) else (),
            "not_equals": [self._something(field), None],
            "not_in": [self._something(field), None],
            "matches": [str(operand).strip("^$"), *_SPELT],
        }
        nudge = {"less_than": -1, "greater_than": 1}.get(operator, 0)
        return known.get(operator, [operand + nudge if nudge else operand])

    def _moment(self, operator: str, operand: Duration | date) -> datetime:
        """Return a moment on the right side, and not far from the edge."""
        if isinstance(operand, Duration):
            edge = operand.before(self._now)
        else:
            edge = datetime.combine(operand, time(), tzinfo=UTC)
        hours = (
            timedelta(hours=36) if operator in {"older_than", "before"} else -timedelta(hours=36)
        )
        return min(edge - hours, self._now) if operator == "newer_than" else edge - hours

    def _something(self, field: str) -> Value | datetime:
        choices = FIELDS[field].choices if field in FIELDS else ()
        match type_of(field):
            case FieldType.CHOICE:
                return choices[0]
            case FieldType.TIME:
                return self._now - _LONG
            case FieldType.FLAG:
                return True
            case FieldType.NUMBER:
                return 1.0
            case FieldType.COUNTRY:
                return "FR"
            case _:
                return "Jeanne"
