"""A slip in a rule file never writes more than the limits allow, and first touches few records."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.property.mutants import Raw, acting, actions_of, made, mutants, shipped
from tests.property.office import Office, invented
from tests.whole import portion

from crm_steward.rules import Rule, RuleBook
from crm_steward.settings import Limits
from crm_steward.writing import PlanResult, members, share

CONTACTS = 200
USUAL = Limits(max_percent_per_day=20)
NO_CANARY = Limits(canary=CONTACTS)
RAW = shipped()


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    """Give a base of two hundred contacts, read once."""
    draw = random.Random(20261122)  # noqa: S311 -- invented people, the same in each run
    made_up = Office(invented(draw, number) for number in range(CONTACTS))
    made_up.pull()
    yield made_up
    made_up.close()


def within(result: PlanResult, rule: Rule, limits: Limits) -> int:
    """Return how many changes a plan has, after looking at each limit."""
    changes = result.plan.changes
    records = {ref for planned in changes for ref in members(planned.change)}
    here = Counter(planned.change.ref.connection for planned in changes)
    assert len(changes) <= min(limits.max_changes_per_run, limits.max_changes_per_day)
    assert all(n <= share(CONTACTS, limits.max_percent_per_day) for n in here.values())
    assert len(records) <= limits.canary
    if rule.limits.max_changes is not None:
        assert len(changes) <= rule.limits.max_changes
    if rule.limits.max_percent is not None:
        assert all(n <= share(CONTACTS, rule.limits.max_percent) for n in here.values())
    return len(changes)


@pytest.mark.parametrize("raw", RAW, ids=[raw["id"] for raw in RAW])
def test_no_slip_writes_beyond_the_limits(office: Office, raw: Raw) -> None:
    """Inverted, dropped, ÷ 100, apply, no limits, all at once, any action; canary and after it."""
    right, wrong = made(raw), slips(raw)
    assert right is not None
    assert len(wrong) >= 4
    rules = [right, *portion(wrong, raw["id"], one_in=3)]
    office.scan(rules)
    for rule in rules:
        for limits in (USUAL, NO_CANARY):
            within(office.plan(RuleBook((rule,)), limits, save=False), rule, limits)


def slips(raw: Raw) -> list[Rule]:
    """Return what slips make of a rule, as far as it is not refused when it is read."""
    wide = {key: part for key, part in raw.items() if key != "where"}
    contents = [
        *(content for _, content in mutants(raw)),
        *(acting(wide, action) for action in actions_of(raw)),
    ]
    rules = (made(content | {"id": f"slip-{n}"}) for n, content in enumerate(contents))
    return [rule for rule in rules if rule is not None]


def test_the_limits_bite(office: Office) -> None:
    """The base is one in which a slip would touch more than each limit allows."""
    raw = {
        "id": "slip",
        "about": "x",
        "check": {"kind": "required", "fields": ["full_name"]},
        "actions": [{"tag": {"field": "extra.steward", "value": "x"}}],
        "mode": "apply",
    }
    rule = made(raw)
    assert rule is not None
    book = office.scan([rule])
    counted = {}
    for name, limits in (("canary", USUAL), ("share", NO_CANARY)):
        counted[name] = within(office.plan(book, limits, save=False), rule, limits)
    assert counted == {"canary": 10, "share": 10}
