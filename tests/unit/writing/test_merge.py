"""Merging end to end: the survivor is given what would be lost, merged, and read back."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.writing.conftest import World
from tests.unit.writing.test_actions import DAY, TWICE, changes, person, planned, rule, said, why
from tests.whole import stride

from crm_steward.connect.protocol import Account, SourceField
from crm_steward.model import (
    Ability,
    Capability,
    Channel,
    ConsentStatus,
    Contact,
    FieldType,
    LimitExceededError,
    MergeHabits,
    MergeRecords,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    RetryableError,
    UpdateFields,
    change_from_json,
    change_key,
    change_to_json,
)
from crm_steward.rules import MergeAction
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, State
from crm_steward.testing import FakeCrm, Fault
from crm_steward.testing.mortal import Crash, Mortal, bury, spared
from crm_steward.writing import plan_undo
from crm_steward.writing.kept import Kept
from crm_steward.writing.merging import merged
from crm_steward.writing.proposed import Proposed, Refused

MakeWorld = Callable[[Database], World]
MERGE = rule("merge: {keep: [oldest]}", check=TWICE)
ABLE = Ability(fields=None, can=frozenset(Capability))


def place(street: str | None = None, city: str | None = None, **parts: str) -> PostalAddress:
    """Return an address."""
    return PostalAddress(street=street, city=city, **parts)


def record(name: str, **parts: Any) -> Contact:
    """Return a record of one person, the older the smaller its name, the later changed the greater."""
    at = DAY + timedelta(days=int(name))
    consents = parts.pop("consents", ())
    email = parts.pop("email", "a@example.org")
    return person(name, email, *consents, **{"created_at": at, "updated_at": at, **parts})


def outcome(people: list[Contact], ability: Ability = ABLE, **action: Any) -> Proposed | Refused:
    """Return what becomes of a group of which the oldest survives."""
    made = MergeAction.model_validate({"keep": ["oldest"], **action})
    (one,) = merged(made, people, {}, ability=ability, left=(), language="en")
    return one


def golden(people: list[Contact], ability: Ability = ABLE, **action: Any) -> MergeRecords:
    """Return the merge of a group of which the oldest survives."""
    one = outcome(people, ability, **action)
    assert isinstance(one, Proposed)
    assert isinstance(one.change, MergeRecords)
    return one.change


def shown(change: MergeRecords, name: str) -> tuple[Any, str, list[str]]:
    """Return a golden value, how it was chosen, and from which records."""
    one = change.golden[name]
    return one.value, one.chosen.value, [ref.id for ref in one.sources]


# -- which value ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "value", "sources"),
    [
        (None, "Bakery", ["1"]),
        ("survivor", "Bakery", ["1"]),
        ("most recent", "Baker", ["2", "4"]),
        ("oldest", "Bakery", ["1"]),
        ("longest", "Master baker", ["3"]),
        ("most frequent", "Baker", ["2", "4"]),
    ],
)
def test_a_rule_says_whose_value_a_field_holds(
    choice: str | None, value: str, sources: list[str]
) -> None:
    """Survivor 1; the last one changed is 4; each value with its records and the reason."""
    titles = {"1": "Bakery", "2": "Baker", "3": "Master baker", "4": "Baker"}
    people = [record(name, job_title=title) for name, title in titles.items()]
    change = golden(people, fields={"job_title": choice} if choice else {})
    assert change.ref.id == "1"
    found, chosen, refs = shown(change, "job_title")
    assert (found, chosen, sorted(refs)) == (value, choice or "survivor", sources)
    assert change.fill == ({} if value == "Bakery" else {"job_title": value})
    assert change.had == ({} if value == "Bakery" else {"job_title": "Bakery"})
    assert change.expected["1"]["job_title"] == value, "once it was given"


def test_a_survivor_takes_over_what_it_lacks() -> None:
    """From the record that changed last and has it; what nobody has is not spoken of."""
    people = [
        record("1", first_name="Zoé"),
        record("2", first_name="Zoe", company="Acme", extra={"tag": "x"}),
        record("3", company="Acme SA", language=" "),
    ]
    change = golden(people)
    assert [loser.id for loser in change.losers] == ["3", "2"], "the latest goes in first"
    assert shown(change, "company") == ("Acme SA", "filled", ["3"])
    assert change.fill == {"company": "Acme SA", "extra.tag": "x"}
    assert change.golden.keys().isdisjoint({"language", "website"})


def test_an_address_is_taken_over_whole_or_not_at_all() -> None:
    """Nobody lives in a street of one record and a town of another, however often it is filled."""
    lyon = record("1", address=place(city="Lyon", country="FR"))
    paris = record("3", address=place("1 rue A", "Paris", postcode="75001"))
    same = record("2", address=place("2 rue B", "LYON", country="France", postcode="69001"))
    change = golden([lyon, paris, same])
    assert change.fill == {"street": "2 rue B", "postcode": "69001"}
    assert golden([lyon, paris]).fill == {}
    assert golden([record("1"), paris]).fill == {
        "street": "1 rue A", "city": "Paris", "postcode": "75001",
    }  # fmt: skip
    half = record("4", address=place("3 rue C"))
    assert golden([record("1"), paris, half]).fill == {"street": "3 rue C"}


def test_a_union_holds_each_value_once() -> None:
    """The survivor's first; what is there already is not written; the records that add are named."""
    people = [
        record("1", extra={"lists": "news;shop"}),
        record("2", extra={"lists": "Shop; events"}),
        record("3", extra={"lists": "news"}),
    ]
    change = golden(people, fields={"extra.lists": "union"})
    assert shown(change, "extra.lists") == ("news;shop;events", "union", ["1", "2"])
    assert golden(people[::2], fields={"extra.lists": "union"}).fill == {}


def test_what_the_crm_keeps_by_itself_is_not_written_before() -> None:
    """It fills blanks from the first that goes in; what it would not do is written."""
    fills = replace(ABLE, merging=MergeHabits(fills=frozenset({"company", "street"})))
    lyon = record("1", address=place(city="Lyon"))
    other = record("2", company="Acme", job_title="Baker", address=place("1 rue A", "Paris"))
    change = golden([lyon, other], fills)
    assert change.fill == {"job_title": "Baker"}
    assert shown(change, "company") == ("Acme", "filled", ["2"])
    assert shown(change, "street") == ("1 rue A", "crm", ["2"]), "said, as it cannot be helped"
    third = record("3", company="Other")
    assert shown(golden([lyon, other, third], fills), "company")[2] == ["3"]
    told = golden([lyon, other, third], fills, fields={"company": "oldest"})
    assert told.fill["company"] == "Acme", "the CRM would take it from the other"


def test_what_cannot_be_written_is_not_chosen() -> None:
    """A field that the CRM keeps to itself is lost, and said so; a rule about it is refused."""
    fixed = replace(ABLE, fixed=frozenset({"company"}))
    people = [record("1"), record("2", company="Acme")]
    change = golden(people, fixed)
    assert change.fill == {}
    assert change.golden["company"].lost == (RecordRef("crm", "2"),)
    found = outcome(people, fixed, fields={"company": "longest"})
    assert isinstance(found, Refused)
    assert (found.why.value, found.detail) == ("read-only", "company")


def test_fields_that_hold_consent_are_never_given() -> None:
    """Not by default, nor by a rule that nobody checked."""
    guarded = replace(ABLE, consent_fields=frozenset({"extra.optin"}))
    people = [record("1"), record("2", extra={"optin": "yes"})]
    assert golden(people, guarded, fields={"extra.optin": "longest"}).fill == {}


def test_addresses_are_kept_taken_over_or_named_as_lost() -> None:
    """The survivor's own stays; one it lacks is taken over; where there is no room, it is said."""
    phones = (Phone("+33199001234"),)
    mobile = (Phone("+33612345678", PhoneKind.MOBILE),)
    one = record("1", phones=phones)
    two = record("2", email="b@example.org", phones=(*mobile, Phone("+33199005678")))
    change = golden([one, two])
    assert change.fill == {"mobile": "+33612345678"}
    lost = {
        name: [ref.id for ref in held.lost] for name, held in change.golden.items() if held.lost
    }
    assert lost == {"email": ["2"], "phone": ["2"]}
    united = replace(ABLE, merging=MergeHabits(unites=frozenset({"email", "phone", "mobile"})))
    change = golden([one, two], united)
    assert (change.fill, [held for held in change.golden.values() if held.lost]) == ({}, [])
    assert shown(change, "mobile") == ("+33612345678", "filled", ["2"])


@pytest.mark.parametrize(
    ("mine", "theirs", "merges"),
    [
        ((), (), True),
        ((), (said(ConsentStatus.WITHDRAWN),), False),
        ((said(ConsentStatus.OBJECTED),), (said(ConsentStatus.WITHDRAWN),), True),
        ((said(ConsentStatus.GRANTED),), (said(ConsentStatus.GRANTED),), True),
        ((), (said(ConsentStatus.COMPLAINT, purpose="news"),), False),
    ],
)
def test_an_address_is_not_taken_over_without_its_refusal(
    mine: Any, theirs: Any, merges: bool
) -> None:
    """Else somebody who said no could be written to, if only until the merge is done."""
    people = [record("1", email=None, consents=mine), record("2", consents=theirs)]
    found = outcome(people)
    assert isinstance(found, Proposed) is merges
    if isinstance(found, Refused):
        assert (found.why.value, found.detail) == ("consent conflict", "email")
    kept = replace(ABLE, merging=MergeHabits(unites=frozenset({"email"})))
    assert golden(people, kept).fill == {}


def test_of_consents_the_strictest_holds() -> None:
    """With the records that say so."""
    consents = {"1": ConsentStatus.UNKNOWN, "2": ConsentStatus.OBJECTED, "3": ConsentStatus.NONE}
    people = [record(name, consents=(said(status),)) for name, status in consents.items()]
    assert shown(golden(people), "consent_email") == ("objected", "strictest", ["2"])


def test_a_group_that_a_person_has_to_look_at_is_not_merged() -> None:
    """The check was not sure; findings of before it could say so are."""
    people = [record("1"), record("2")]
    action = MergeAction()
    for certainty, merges in (("review", False), ("sure", True), (None, True)):
        evidence = {} if certainty is None else {"certainty": certainty}
        (one,) = merged(action, people, evidence, ability=ABLE, left=(), language="en")
        assert isinstance(one, Proposed) is merges
        assert merges or (isinstance(one, Refused) and one.why.value == "unsure")


def test_a_merge_reads_as_it_was_written() -> None:
    """Through JSON and back, provenance included; one without reads as before there was any."""
    people = [record("1", phones=(Phone("+33199001234"),)), record("2", company="Acme")]
    change = golden([*people, record("3", email="b@example.org")])
    assert change_from_json(change_to_json(change)) == change
    old = MergeRecords(ref=RecordRef("crm", "1"), losers=(RecordRef("crm", "2"),))
    assert set(change_to_json(old)) == {"kind", "ref", "losers", "expected"}
    assert change_key(change_from_json(change_to_json(old))) == change_key(old)
    assert old.filling is None


# -- a criterion of one's own ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criterion", "better", "worse"),
    [
        ("{field: extra.deals, greater_than: 0}", {"deals": "2"}, {"deals": "0"}),
        ("{field: extra.deals, less_than: 1}", {"deals": 0}, {"deals": 1}),
        ("{field: extra.deals, is: set}", {"deals": "x"}, {"deals": " "}),
        ("{field: extra.deals, is: empty}", {}, {"deals": "x"}),
        ("{field: extra.deals, equals: OPEN}", {"deals": "open "}, {"deals": "won"}),
        ("{field: extra.deals, equals: 2}", {"deals": "2.0"}, {"deals": "2x"}),
        ("{field: extra.deals, in: [open, won]}", {"deals": "won"}, {"deals": None}),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_field_of_ones_own_decides(
    world: World, criterion: str, better: Any, worse: Any, turned: bool
) -> None:
    """An open deal, for example; the plan says which criterion it was."""
    sides = [better, worse]
    for name, extra in zip("12", sides[::-1] if turned else sides, strict=True):
        world.crm.add(person(name, "a@example.org", extra=extra))
    text = rule(f"merge: {{keep: [has owner, {criterion}]}}", check=TWICE)
    (one,) = planned(world, text).plan.changes
    assert one.change.ref.id == ("2" if turned else "1")
    assert one.detail.startswith("criterion extra.deals ")


# -- written --------------------------------------------------------------------------------------


def pair(world: World, **parts: Any) -> None:
    """Add two records of one person, the older without what the younger has."""
    world.crm.add(record("1", first_name="Zoé"))
    world.crm.add(record("2", company="Acme", extra={"tag": "x"}, **parts))


def test_the_survivor_is_given_merged_and_read_back(any_world: World) -> None:
    """Two writes, each with its intent before; the survivor holds the golden record."""
    pair(any_world)
    any_world.rules(MERGE)
    counts = any_world.run("all")
    assert (counts.states[State.VERIFIED], counts.otherwise) == (2, [])
    kept = any_world.crm.records
    assert {name: one.company for name, one in kept.items()} == {"1": "Acme"}
    assert kept["1"].extra == {"tag": "x"}
    lines = [(line.kind, line.state.value, line.reason) for line in any_world.journal()]
    assert lines == [
        ("update", "intent", ""),
        ("update", "verified", ""),
        ("merge", "intent", ""),
        ("merge", "verified", ""),
    ]
    any_world.look()
    assert (changes(any_world.plan()), why(any_world.plan())) == ([], [])


def test_nothing_is_given_without_an_approval(world: World) -> None:
    """Mode apply is not enough: what is written first is part of the merge."""
    pair(world)
    world.rules(MERGE.replace("mode: propose", "mode: apply"))
    assert world.run().states.total() == 0
    assert world.crm.effects.total() == 0


def test_a_survivor_that_could_not_be_given_it_is_not_merged(world: World) -> None:
    """The CRM refuses the value: the merge would lose it, and waits for a person."""
    pair(world)
    world.rules(MERGE)
    world.crm.refuses = lambda change: "no such company" if isinstance(change, UpdateFields) else ""
    counts = world.run("all")
    assert counts.states == {State.REJECTED: 1, State.CONFLICT: 1}
    last = world.journal()[-1]
    assert last.reason == "the survivor was not given what the merge would lose: company, extra.tag"
    assert set(world.crm.records) == {"1", "2"}
    for _ in range(5):
        world.clock.forward(days=1)
        world.run("all")
    assert world.withheld(world.plan()) == ["set aside"]


@pytest.mark.parametrize("edited", ["1", "2"])
def test_an_edit_between_the_two_writes_stops_the_merge(world: World, edited: str) -> None:
    """Of the value that was given, or of where it came from: nobody's word goes under."""
    pair(world)
    world.rules(MERGE)
    plan = planned(world, MERGE).plan
    seen: list[str] = []

    def meddle(step: str) -> None:
        seen.append(step)
        if step == "answer" and seen.count("answer") == 1:
            world.crm.edit(edited, company="Meddled")

    world.crm.on_call = meddle
    counts = world.apply(plan, "all")
    assert counts.states == {State.VERIFIED: 1, State.CONFLICT: 1}
    assert set(world.crm.records) == {"1", "2"}


def test_what_was_given_can_be_undone_only_as_long_as_the_other_record_is_there(
    world: World,
) -> None:
    """Not merged: taken back. Merged: the survivor alone holds it, and keeps it."""
    pair(world)
    world.rules(MERGE)
    world.crm.refuses = lambda change: "no" if isinstance(change, MergeRecords) else ""
    world.run("all")
    assert world.crm.records["1"].company == "Acme"
    world.undo("crm:1")
    assert world.crm.records["1"].company is None

    world.crm.refuses = lambda _: ""
    world.crm.edit("2", job_title="Baker")
    world.crm.edit("1", company="Other", extra=None)
    world.crm.records["1"] = replace(world.crm.records["1"], extra={})
    world.run("all")
    assert set(world.crm.records) == {"1"}
    result = plan_undo(world.database, "one")
    assert result.items == ()
    assert {line.kind for line, _ in result.impossible} == {"update", "merge"}
    assert {reason for _, reason in result.impossible} == {Kept.FILLED, Kept.MERGED}


def test_a_survivor_that_holds_otherwise_is_named_and_left(world: World) -> None:
    """The CRM's own merge, or a workflow of its own, made something else of it."""
    pair(world)
    world.rules(MERGE)

    def meddle(step: str) -> None:
        if step == "after effect" and "2" not in world.crm.records:
            world.crm.edit("1", company="Workflow Ltd")

    world.crm.on_call = meddle
    counts = world.run("all")
    assert counts.states == {State.VERIFIED: 2}
    (line,) = counts.otherwise
    assert line.reason == "merged, but the survivor holds otherwise than planned: company"
    assert (counts.needs_a_look, counts.to_json()["merged_otherwise"]) == (True, 1)
    assert world.crm.records["1"].company == "Workflow Ltd"
    assert "Workflow" not in line.reason


def test_a_refusal_that_a_merge_lost_is_named(world: World) -> None:
    """Whoever wrote the CRM's merge: of a lost objection somebody hears."""
    phone = said(ConsentStatus.OBJECTED, channel=Channel.PHONE)
    world.crm.add(record("1"))
    world.crm.add(record("2", consents=(phone,)))
    world.rules(MERGE)

    def forget(step: str) -> None:
        if step == "after effect":
            world.crm.records["1"] = replace(world.crm.records["1"], consents=())

    world.crm.on_call = forget
    (line,) = world.run("all").otherwise
    assert line.reason.endswith(": consent_phone")


@pytest.mark.parametrize("holds", [True, False])
def test_a_survivor_that_cannot_be_read_back_is_settled_later(world: World, holds: bool) -> None:
    """The merge was made and is not made again; what it left is looked at by the next run."""
    pair(world)
    world.rules(MERGE)
    broken: list[str] = []

    def fail(step: str) -> None:
        if step == "get" and "2" not in world.crm.records and not broken:
            broken.append(step)
            raise RetryableError("The CRM is gone.")

    world.crm.on_call = fail
    world.settle_after = timedelta(seconds=10)
    counts = world.run("all")
    assert counts.unsettled == 1
    assert world.journal()[-1].reason == "merged; the survivor cannot be read"
    if not holds:
        world.crm.edit("1", company="Other")
    world.clock.forward(seconds=20)
    counts = world.run()
    assert counts.settled == {State.VERIFIED: 1}
    assert len(counts.otherwise) == (0 if holds else 1)
    assert Journal(world.database).under_way() == []


def test_a_lost_answer_holds_the_merge_back_until_it_is_known(world: World) -> None:
    """What was given first may have taken effect: nothing follows before that is settled."""
    pair(world)
    world.rules(MERGE)
    plan = planned(world, MERGE).plan
    world.crm.fail(Fault.MISSING_ROW)
    counts = world.apply(plan, "all")
    assert set(world.crm.records) == {"1", "2"}
    assert [line.state for line in counts.lines] == [State.VERIFIED, State.ABSENT]
    world.apply(plan)
    assert set(world.crm.records) == {"1"}
    assert max(world.crm.effects.values()) == 1


def test_a_merge_that_writes_twice_counts_twice(world: World) -> None:
    """Limits are of writes: one more would be over it, and waits for another plan."""
    pair(world)
    world.limits = world.limits.model_copy(update={"max_changes_per_run": 1})
    assert why(planned(world, MERGE)) == [("run limit", "1")]
    world.limits = world.limits.model_copy(update={"max_changes_per_run": 2})
    assert len(changes(planned(world, MERGE))) == 1


def test_fields_that_the_crm_calls_read_only_are_not_filled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the last full pull learnt it; before that, custom fields are left as they are."""
    pair(world, email="a@example.org")
    ability = replace(ABLE, sources={"extra.tag": "Tag__c"})
    monkeypatch.setattr(World, "abilities", {"crm": ability})
    field = SourceField(name="Tag__c", label="Tag", type=FieldType.TEXT, writable=False)
    account = Account(id="crm", name="Fake", fields={"Tag__c": field})
    monkeypatch.setattr(FakeCrm, "check", lambda _: account)
    assert changes(planned(world, MERGE))[0].fill == {"company": "Acme"}
    account = replace(account, fields={"Tag__c": replace(field, writable=True)})
    monkeypatch.setattr(FakeCrm, "check", lambda _: account)
    assert changes(planned(world, MERGE))[0].fill == {"company": "Acme", "extra.tag": "x"}


# -- whenever the process dies --------------------------------------------------------------------

FAULTS: list[list[Fault | None]] = [
    [],
    [Fault.LOST_ANSWER],
    [None, Fault.LOST_ANSWER],
    [Fault.SILENT_NOOP],
    [None, Fault.NOT_SENT],
]


@pytest.mark.parametrize(
    "turn", range(len(FAULTS)), ids=["none", "lost", "second", "noop", "unsent"]
)
def test_dying_at_every_step(make_world: MakeWorld, tmp_path: Path, turn: int) -> None:
    """Before, between and after both writes and the look back: each takes effect once.

    In a share each step is tried with one of the faults.
    """
    faults, step = FAULTS[turn], stride(len(FAULTS))
    template, path = tmp_path / "template.db", tmp_path / "steward.db"
    with Database.open(f"sqlite:///{template}") as database:
        first = make_world(database)
        pair(first)
        plan = planned(first, MERGE).plan
        book = first.book
    at, died = turn % step, True
    while died:
        shutil.copy(template, path)
        path.with_name("steward.db.epoch").unlink(missing_ok=True)  # another world, no older copy
        database = Mortal.open(f"sqlite:///{path}")
        assert isinstance(database, Mortal)
        spared(database)
        world = make_world(database)
        world.book = book
        pair(world)
        world.crm.on_call = database.live
        world.crm.fail(*faults)
        database.step, database.dies_at, died = 0, at, False
        try:
            world.apply(plan, "all")
        except Crash:
            died = True
        database.dead, database.dies_at = False, -1
        bury(database)
        world.crm.faults.clear()
        for _ in range(3):
            with suppress(LimitExceededError):  # it is done
                world.apply(plan, "all")

        assert {name: one.company for name, one in world.crm.records.items()} == {"1": "Acme"}, at
        assert set(world.crm.effects.values()) == {1}, at
        assert len(world.crm.written) == 2, at
        verified = Counter(line.key for line in world.journal(state=State.VERIFIED))
        assert list(verified.values()) == [1, 1], at
        assert Journal(database).under_way() == [], at
        database.close()
        at += step
    assert at > 15, "the steps were not enumerated"
