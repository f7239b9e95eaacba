"""Plan: what gets in, what is left out and why, and that the limits hold."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.writing.conftest import TASKS, World, sights

from crm_steward.connect.protocol import Account, Capability, Owner
from crm_steward.model import (
    CreateTask,
    Finding,
    Plan,
    RecordRef,
    RetryableError,
    Severity,
    UpdateFields,
)
from crm_steward.pull import pull
from crm_steward.rules import Rule
from crm_steward.settings import Limits
from crm_steward.store.findings import Findings
from crm_steward.store.journal import Journal, State
from crm_steward.store.plans import Plans, PlanStatus
from crm_steward.testing import FakeCrm, Fault
from crm_steward.writing import Budget, Why, explain, share
from crm_steward.writing.canary import Flock
from crm_steward.writing.tasking import marker
from crm_steward.writing.wanted import Candidate, Terms

AT_ONCE = timedelta(0)
"""No pause after a canary."""

NAMES = """
  - id: name-case
    about: {en: Names in capitals, fr: Noms en majuscules}
    check: {kind: format, fields: [first_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
"""
TASK = """
  - id: no-email
    about: Nobody can write to them
    severity: high
    check: {kind: required, fields: [email]}
    actions:
      - task:
          to: %s
          due: 14 days
          title: {en: "Ask {full_name} for an e-mail", fr: "Demander un e-mail à {full_name}"}
          body: "Company: {company}"
    mode: propose
"""


def test_a_change_carries_what_was_held_and_why(world: World) -> None:
    """Expected values come from the mirror, the reason from the rule, in the reader's language."""
    world.crm.add("1", first_name="JEANNE")
    world.language = "fr"
    world.look()

    (planned,) = world.plan().plan.changes

    ref = RecordRef("crm", "1")
    wanted = UpdateFields(
        ref=ref, values={"first_name": "Jeanne"}, expected={"first_name": "JEANNE"}
    )
    assert (planned.change, planned.why, planned.automatic) == (wanted, "Noms en majuscules", True)


def test_a_plan_is_the_same_after_storing_and_reading(world: World) -> None:
    """The hash covers all it holds, and survives the store and a JSON file."""
    world.crm.add("1", first_name="JEANNE", last_name="L'ÉCUYER")
    world.look()
    plan = world.plan().plan

    stored = Plans(world.database).get(plan.hash)
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))

    assert stored is not None
    assert stored.plan == plan == again
    assert stored.plan.hash == plan.hash == again.hash
    changed = plan.to_json()
    changed["changes"][0]["change"]["values"]["first_name"] = "Mallory"
    assert Plan.from_json(changed).hash != plan.hash


def test_a_newer_plan_takes_the_place_of_the_old(world: World, clock: Any) -> None:
    """There is one plan at a time; `latest` is it."""
    first = world.plan().plan
    clock.forward(seconds=1)
    second = world.plan().plan
    plans = Plans(world.database)

    assert plans.get(first.hash).status is PlanStatus.SUPERSEDED  # type: ignore[union-attr] -- it was just stored
    assert plans.latest().hash == second.hash  # type: ignore[union-attr] -- same


def test_a_task_for_an_owner_who_has_left_is_for_nobody_in_particular(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRMs refuse tasks for inactive users: the task is made, and somebody else can take it."""
    world.rules(TASK % "owner")
    owners = {
        "42": Owner(id="42", name="Ann", active=False),
        "43": Owner(id="43", name="Bob", active=True),
    }
    account = Account(id="1", name="A fake CRM", owners=owners)
    monkeypatch.setattr(FakeCrm, "check", lambda _crm: account)
    world.crm.add("1", first_name="Zoé", owner="42")
    world.crm.add("2", first_name="Ines", owner="43")
    world.look()

    tasks = [planned.change for planned in world.plan().plan.changes]
    assert {task.ref.id: getattr(task, "owner", "") for task in tasks} == {"1": None, "2": "43"}


@pytest.mark.parametrize(("to", "owner"), [("owner", "42"), ("7", "7")])
def test_a_task_is_written_for_its_owner(world: World, to: str, owner: str) -> None:
    """Title and body hold the contact's values as plain text; the due date counts from today."""
    world.rules(TASK % f'"{to}"')
    hostile = "=cmd|'/c calc'!A1\u202e\x1b[31m {email}\n" + "x" * 500
    world.crm.add("1", first_name="Zoé", last_name="Ménard", company=hostile, owner="42")
    world.look()

    (planned,) = world.plan().plan.changes

    task = planned.change
    assert isinstance(task, CreateTask)
    assert (task.title, task.owner) == ("Ask Zoé Ménard for an e-mail", owner)
    assert task.due.isoformat() == "2026-11-30"
    assert "\x1b" not in task.body
    assert "\u202e" not in task.body
    assert "{email}" in task.body
    assert len(task.body) < 200


def test_a_finding_that_comes_back_gets_a_new_task(world: World, clock: Any) -> None:
    """One task per opening of a finding: as long as it stands, none is added."""
    world.rules(TASK % "owner")
    world.crm.add("1", first_name="Zoé")
    for _ in range(3):
        clock.forward(days=2)
        world.run("all") if _ == 0 else world.run()
    assert len(world.crm.tasks) == 1

    world.crm.edit("1", email="z@example.com")
    world.look()
    world.crm.edit("1", email=None)
    clock.forward(days=2)
    world.run("all")

    assert len(world.crm.tasks) == 2
    assert len({task.change.marker for task in world.crm.tasks}) == 2


def test_markers_tell_openings_and_actions_apart() -> None:
    """The marker depends on the finding, its opening and the action, and on nothing else."""
    assert marker("f", 1, 0) == marker("f", 1, 0)
    assert len({marker("f", 1, 0), marker("f", 2, 0), marker("f", 1, 1), marker("g", 1, 0)}) == 4


def test_a_rule_that_gets_another_action_makes_no_second_task(world: World) -> None:
    """The task that stands is the rule's task, wherever the edit moved it."""
    rule = NAMES.replace("actions: [", "actions: [task: {to: owner, due: 1 day, title: Look}, ")
    world.rules(rule.replace(", update: {normalise: true}", ""))
    world.crm.add("1", first_name="JEANNE")
    world.run()
    world.rules(
        rule.replace(
            "[task: {to: owner, due: 1 day, title: Look}, update: {normalise: true}",
            "[update: {normalise: true}, task: {to: owner, due: 1 day, title: Look}",
        )
    )
    world.run()

    assert len(world.crm.tasks) == 1
    assert world.crm.records["1"].first_name == "Jeanne"


def test_rules_that_want_different_values_are_both_held_back(world: World) -> None:
    """Neither wins by order; the manager is told which rules to reconcile. Also with --rule."""
    world.rules(NAMES, NAMES.replace("name-case", "other"))
    world.crm.add("1", first_name="JEANNE")
    world.look()
    finding = Finding(
        rule="other",
        kind="format",
        severity=Severity.LOW,
        refs=(RecordRef("crm", "1"),),
        about="first_name",
        evidence={"field": "first_name", "now": "JEANNE", "proposed": "JeAnne"},
    )
    digests = sights(world.book)
    Findings(world.database).record(
        {"other": {"crm"}}, [finding], now=world.clock(), digests=digests
    )

    for options in ({}, {"rules": ["name-case"]}):
        result = world.plan(**options)
        assert result.plan.changes == ()
        assert set(world.withheld(result)) == {"conflict"}

    same = replace(finding, evidence={**finding.evidence, "proposed": "Jeanne"})
    Findings(world.database).record({"other": {"crm"}}, [same], now=world.clock(), digests=digests)
    result = world.plan()
    assert [planned.rule for planned in result.plan.changes] == ["name-case"]
    assert [(one.rule, one.why, one.detail) for one in result.withheld] == [
        ("other", Why.TWICE, "name-case")
    ]


def test_a_new_rule_first_touches_few_records(world: World) -> None:
    """Ten records, then the rest once those went well; an edited rule starts over."""
    world.rules(NAMES)
    world.limits = world.limits.model_copy(update={"canary": 3, "canary_pause": AT_ONCE})
    for number in range(8):
        world.crm.add(str(number), first_name="JEANNE", last_name=f"Martin{number}")

    assert world.run().states.total() == 3
    assert world.run().states.total() == 5

    world.rules(NAMES.replace("[first_name]", "[first_name, last_name]"))
    for number in range(8):
        world.crm.edit(str(number), last_name="MARTIN")
    world.look()
    result = world.plan()
    assert len(result.plan.changes) == 3
    assert Counter(world.withheld(result)) == {"canary": 5}


def test_a_canary_that_was_refused_does_not_let_the_rest_through(world: World) -> None:
    """As long as the CRM refuses what a new rule writes, it stays with few records."""
    world.limits = world.limits.model_copy(update={"canary": 2, "canary_pause": AT_ONCE})
    for number in range(6):
        world.crm.add(str(number), first_name="JEANNE")
    world.crm.fail(Fault.REJECTED)

    world.run()
    world.look()

    assert Journal(world.database).proven() == {}
    assert len(world.plan().plan.changes) == 1


def test_how_far_it_has_come_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page through the findings, then through what is planned, up to the whole."""
    monkeypatch.setattr("crm_steward.store.standing.PAGE", 2)
    world.rules(NAMES, TASKS)
    for number in range(5):
        world.crm.add(str(number), first_name="JEANNE", emails=())
    world.look()
    told: list[tuple[int, int]] = []
    made = world.plan(progress=lambda done, total: told.append((done, total)))

    assert len(made.plan.changes) == 10
    assert told[-1] == (20, 20)
    assert {total for _, total in told} == {10, 20}
    assert len(told) > 4
    assert told == sorted(told)


def test_a_plan_that_is_stopped_is_not_stored(world: World) -> None:
    """Whoever is told may raise; the plan before stays the one that can be applied."""
    world.crm.add("1", first_name="JEANNE")
    world.look()
    before = world.plan().plan

    def stop(_done: int, _total: int) -> None:
        raise RetryableError("Stopped.", sent=False)

    with pytest.raises(RetryableError, match="Stopped"):
        world.plan(progress=stop)
    latest = Plans(world.database).latest()
    assert latest is not None
    assert (latest.hash, latest.status) == (before.hash, PlanStatus.OPEN)


def test_limits_of_day_and_rule(world: World, clock: Any) -> None:
    """What is beyond is counted and named; the day's limit counts what was written already."""
    world.rules(NAMES + "    limits: {max_changes: 4}\n")
    world.limits = world.limits.model_copy(update={"max_changes_per_day": 6})
    for number in range(9):
        world.crm.add(str(number), first_name="JEANNE")
    world.look()
    first = world.plan()
    assert (len(first.plan.changes), Counter(world.withheld(first))) == (4, {"rule limit": 5})
    world.apply(first.plan)

    world.look()
    second = world.plan()
    assert (len(second.plan.changes), Counter(world.withheld(second))) == (2, {"day limit": 3})
    world.apply(second.plan)

    clock.forward(hours=24)
    world.look()
    assert len(world.plan().plan.changes) == 3


def test_a_change_that_nobody_can_tell_any_more_counts_for_the_day(world: World) -> None:
    """Its answer was lost, and somebody edited the record before it was asked about."""
    world.limits = world.limits.model_copy(update={"max_changes_per_day": 2})
    for number in range(3):
        world.crm.add(str(number), first_name="JEANNE")
    world.batch = 1
    world.crm.fail(Fault.LOST_ANSWER)
    world.run()
    (lost,) = [line.ref.id for line in world.journal() if line.state is State.UNKNOWN]
    world.crm.edit(lost, first_name="Zoé")
    world.run()
    world.run()

    assert State.CONFLICT in world.states()
    left = [one for one in world.crm.records.values() if one.first_name == "JEANNE"]
    assert len(left) == 1


def test_a_connection_that_cannot_is_left_out(world: World) -> None:
    """Capabilities are declared: what a connection cannot do is not tried."""
    world.crm.add("1", first_name="JEANNE")
    world.look()

    world.capabilities = {"crm": frozenset({Capability.TASK})}
    assert world.withheld(world.plan()) == ["cannot"]
    world.capabilities = {}
    assert world.withheld(world.plan()) == ["not configured"]


def test_rules_take_turns(world: World) -> None:
    """A rule whose proposals nobody approves does not keep the others out for ever."""
    world.rules(NAMES, TASK % "owner")
    world.limits = world.limits.model_copy(update={"max_changes_per_run": 4})
    for number in range(9):
        world.crm.add(str(number), first_name="JEANNE")
    world.look()

    changes = world.plan().plan.changes

    assert Counter(planned.rule for planned in changes) == {"no-email": 2, "name-case": 2}


def test_a_record_that_changed_since_the_scan_is_left_for_the_next(world: World) -> None:
    """A proposal made from an older value is not planned on a newer one."""
    world.crm.add("1", first_name="JEANNE")
    world.look()
    world.crm.edit("1", first_name="PAULA")
    pull(world.database, "crm", "fake", world.crm, clock=world.clock, full=True)

    assert world.withheld(world.plan()) == ["stale"]


def test_every_reason_can_be_told_in_both_languages() -> None:
    """No reason is without words."""
    for why in Why:
        english, french = (explain(why, "7", language) for language in ("en", "fr"))
        assert english != french
        assert "{" not in english + french


def test_a_share_is_at_least_one_of_something() -> None:
    """Percentages round down, but never to nothing; of an unknown base nothing is allowed."""
    assert [share(n, 5.0) for n in (0, 1, 19, 20, 39, 40)] == [0, 1, 1, 1, 1, 2]
    assert share(100, 0) == 0


@given(
    limits=st.builds(
        Limits,
        max_changes_per_run=st.integers(0, 12),
        max_changes_per_day=st.integers(0, 12),
        max_percent_per_day=st.floats(0, 100),
        canary=st.integers(0, 6),
    ),
    live=st.fixed_dictionaries({"a": st.integers(0, 50), "b": st.integers(0, 50)}),
    written=st.fixed_dictionaries({"a": st.integers(0, 8), "b": st.integers(0, 8)}),
    asked=st.lists(
        st.tuples(st.sampled_from(["r", "s"]), st.sampled_from(["a", "b"]), st.integers(0, 9)),
        max_size=40,
    ),
    most=st.none() | st.integers(0, 6),
    percent=st.none() | st.floats(0, 100),
    proven=st.booleans(),
)
def test_limits_hold_for_any_plan(
    limits: Limits,
    live: dict[str, int],
    written: dict[str, int],
    asked: list[tuple[str, str, int]],
    most: int | None,
    percent: float | None,
    proven: bool,
) -> None:
    """Whatever is asked for, in whatever order, no limit is exceeded by what is admitted."""
    rules = {name: _rule(name, most, percent) for name in ("r", "s")}
    digests = {"r": "old" if proven else "", "s": ""}
    budget = Budget(
        limits=limits,
        live=live,
        written=Counter(written),
        flock=Flock(limits, {"r": "old"}, {}, {}),
    )
    admitted = []
    for rule, connection, record in asked:
        ref = RecordRef(connection, str(record))
        change = UpdateFields(ref=ref, values={}, expected={})
        candidate = Candidate(Terms(rule, rules[rule], "x"), "", ref, change)
        if budget.admit(candidate, digests[rule] or "new") is None:
            admitted.append(candidate)

    refs = [one.ref for one in admitted]
    assert len(admitted) <= limits.max_changes_per_run
    assert not admitted or len(admitted) + sum(written.values()) <= limits.max_changes_per_day
    for connection, contacts in live.items():
        here = sum(ref.connection == connection for ref in refs)
        allowed = share(contacts, limits.max_percent_per_day)
        assert here == 0 or here + written[connection] <= allowed
        for name in rules:
            count = sum(one.rule == name and one.ref.connection == connection for one in admitted)
            assert percent is None or count <= share(contacts, percent)
    for name in rules:
        mine = [one.ref for one in admitted if one.rule == name]
        assert most is None or len(mine) <= most
        assert (name == "r" and proven) or len(set(mine)) <= limits.canary


def _rule(name: str, most: int | None, percent: float | None) -> Rule:
    return Rule.model_validate(
        {
            "id": name,
            "about": "x",
            "check": {"kind": "required", "fields": ["email"]},
            "actions": [{"task": {"title": "x"}}],
            "limits": {"max_changes": most, "max_percent": percent},
        }
    )


@pytest.mark.parametrize(
    "edit",
    [
        "    except: [crm:1]\n",
        "    where: {field: stage, equals: customer}\n",
        "    connections: [crm, other]\n",
    ],
)
def test_a_rule_that_was_edited_writes_nothing_of_what_it_found_before(
    world: World, edit: str
) -> None:
    """It may not find it any more: who excepts a record and plans at once must not see it written."""
    world.rules(NAMES)
    world.crm.add("1", first_name="JEANNE")
    world.look()
    world.rules(NAMES + edit)
    result = world.plan()

    assert result.plan.changes == ()
    assert world.withheld(result) == ["edited"]
    for language in ("en", "fr"):
        assert explain(Why.EDITED, "", language)


def test_what_a_rule_does_may_be_edited_without_a_new_scan(world: World) -> None:
    """Its mode, its actions and its limits say nothing about what it finds."""
    world.rules(NAMES)
    world.crm.add("1", first_name="JEANNE")
    world.look()
    world.rules(NAMES.replace("mode: apply", "mode: propose"))

    assert [planned.automatic for planned in world.plan().plan.changes] == [False]
