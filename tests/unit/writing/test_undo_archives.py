"""Undoing what went to the recycle bin: brought back while it is kept, else the remedy is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.writing.conftest import World

from crm_steward.connect.protocol import Capability
from crm_steward.model import (
    Ability,
    Contact,
    Email,
    Phone,
    RecordRef,
    RecreateRecords,
    Remedy,
    UndeleteRecords,
)
from crm_steward.store.journal import State
from crm_steward.store.lease import hold
from crm_steward.store.purging import purge
from crm_steward.store.redirects import merged_away, redirects
from crm_steward.testing import Fault
from crm_steward.writing import plan_undo
from crm_steward.writing.inverse import Kept

ARCHIVES = """
  - id: archives
    about: Nobody knows what they do
    check: {kind: required, fields: [job_title]}
    actions: [archive: {}]
    mode: propose
"""
MERGES = """
  - id: merges
    about: One person twice
    check: {kind: duplicates, levels: [same phone and similar name]}
    actions: [merge: {keep: [oldest]}]
    mode: propose
"""
DAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def archived(any_world: World) -> World:
    """Give a world in which a person had two records archived."""
    any_world.rules(ARCHIVES)
    for name in ("1", "2"):
        any_world.crm.add(name, last_name="Martin", email=f"m{name}@example.com")
    any_world.run("all")
    assert any_world.crm.records == {}
    return any_world


def twin(name: str, day: int, **values: object) -> Contact:
    """Return one of several records of Zoé."""
    return replace(
        Contact(
            ref=RecordRef("crm", name),
            first_name="Zoé",
            last_name="Martin",
            phones=(Phone("+33612345678"),),
            created_at=DAY + timedelta(days=day),
        ),
        **values,  # type: ignore[arg-type] # as each field is typed
    )


@pytest.fixture
def merged(any_world: World) -> World:
    """Give a world in which three records were merged, the survivor being given what it lacked."""
    any_world.rules(MERGES)
    any_world.crm.add(twin("1", 0))
    any_world.crm.add(twin("2", 1, job_title="Baker"))
    any_world.crm.add(twin("3", 2, emails=(Email("zoe@example.com"),)))
    any_world.run("all")
    assert list(any_world.crm.records) == ["1"]
    assert any_world.crm.records["1"].job_title == "Baker"
    return any_world


def test_archived_records_come_back(archived: World) -> None:
    """Each under its own id, journaled as taking its archiving back; nothing is left to undo."""
    made = {line.seq for line in archived.journal(state=State.INTENT)}

    archived.undo("archives")

    assert {one.value("email") for one in archived.crm.records.values()} == {
        "m1@example.com",
        "m2@example.com",
    }
    back = [line for line in archived.journal(state=State.VERIFIED) if line.undoes is not None]
    assert {line.undoes for line in back} == made
    assert {line.kind for line in back} == {"undelete"}
    assert archived.would_undo("archives").items == ()


def test_what_came_back_is_not_archived_again(archived: World) -> None:
    """The finding stands and the plan leaves it out as done; nor does undoing the undo do it."""
    counts = archived.undo("archives")

    archived.look()

    assert set(archived.withheld(archived.plan())) == {"done"}
    result = archived.would_undo(counts.run)
    assert result.items == ()
    assert {why for _, why in result.impossible} == {Kept.UNDELETED}


def test_a_record_that_a_person_brought_back_needs_nothing(archived: World) -> None:
    """Verified without an effect of ours."""
    archived.crm.records["1"] = archived.crm.bin.pop("1")
    del archived.crm.gone["1"]

    counts = archived.undo("crm:1")

    assert counts.states == {State.VERIFIED: 1}
    assert not any(isinstance(change, UndeleteRecords) for change in archived.crm.written)


def test_a_record_that_was_purged_is_refused(archived: World) -> None:
    """Somebody emptied the recycle bin: the CRM says so, and the other one comes back."""
    del archived.crm.bin["1"]

    counts = archived.undo("archives")

    assert counts.states == {State.VERIFIED: 1, State.REJECTED: 1}
    assert list(archived.crm.records) == ["2"]


def test_what_the_recycle_bin_no_longer_keeps_is_not_tried(archived: World) -> None:
    """The window of the CRM is over: said before anything is sent."""
    ability = replace(archived.abilities["crm"], undeletes_within=timedelta(days=15))
    last = archived.clock() + timedelta(days=14)
    over = archived.clock() + timedelta(days=15)

    def result(now: datetime) -> tuple[int, set[object]]:
        found = plan_undo(archived.database, "archives", {"crm": ability}, now=now)
        return len(found.items), {why for _, why in found.impossible}

    assert result(last) == (2, set())
    assert result(over) == (0, {Kept.BIN_EMPTIED})


def test_a_crm_that_brings_nothing_back_says_until_when_a_person_can(archived: World) -> None:
    """In its own words, with the last day, in both languages; and afterwards that it is too late."""
    remedy = Remedy(en="restore it there", fr="la restaurer là-bas", within=timedelta(days=30))
    can = frozenset(Capability) - {Capability.UNDELETE}
    abilities = {
        "crm": Ability(fields=None, can=can, remedies={Capability.UNDELETE: remedy}),
    }
    day = archived.clock() + timedelta(days=30)

    def said(now: datetime, language: str) -> str:
        result = plan_undo(archived.database, "crm:1", abilities, now=now)
        ((_, why),) = result.impossible
        return why.said(language)

    now = archived.clock()
    assert said(now, "en") == f"restore it there (until {day:%Y-%m-%d})"
    assert said(now, "fr") == f"la restaurer là-bas (jusqu'au {day:%Y-%m-%d})"
    assert said(day, "en") == f"restore it there (too late since {day:%Y-%m-%d})"
    assert said(day, "fr") == f"la restaurer là-bas (trop tard depuis le {day:%Y-%m-%d})"


def test_undeleting_whose_answer_was_lost_is_settled(archived: World) -> None:
    """Asked about, not sent again."""
    archived.crm.fail(Fault.LOST_ANSWER)

    archived.undo("archives")
    archived.undo("archives")

    assert set(archived.crm.records) == {"1", "2"}
    assert max(archived.crm.effects.values()) == 1


# -- merges --------------------------------------------------------------------------------------


def test_a_merge_is_taken_back_and_then_what_was_given_before_it(merged: World) -> None:
    """The losers come back, the survivor gets back what it held; redirects lead nowhere any more."""
    assert len(merged_away(merged.database)) == 2
    shown = merged.would_undo("merges")
    assert [type(item.planned.change) for item in shown.items] == [UndeleteRecords]
    assert [why for _, why in shown.impossible] == [Kept.FILLED]

    merged.undo("merges")

    assert set(merged.crm.records) == {"1", "2", "3"}
    assert merged.crm.records["1"].job_title is None
    assert merged.crm.records["2"].job_title == "Baker"
    assert merged.would_undo("merges").items == ()
    assert redirects(merged.database) == []


def test_what_the_survivor_was_given_stays_when_the_merge_does(merged: World) -> None:
    """The losers are gone for good: nothing of the survivor is taken away."""
    merged.crm.bin.clear()

    counts = merged.undo("merges")

    assert counts.states == {State.REJECTED: 1}
    assert merged.crm.records["1"].job_title == "Baker"


def test_a_survivor_that_was_edited_since_keeps_the_edit(merged: World) -> None:
    """The losers come back all the same."""
    merged.crm.edit("1", job_title="Master baker")

    counts = merged.undo("merges")

    assert set(merged.crm.records) == {"1", "2", "3"}
    assert merged.crm.records["1"].job_title == "Master baker"
    assert counts.states == {State.VERIFIED: 1, State.CONFLICT: 1}


def test_a_merge_that_was_taken_back_may_be_proposed_again(merged: World) -> None:
    """Only a person approves it; the same one counts as done, until something changes."""
    merged.undo("merges")
    merged.look()
    plan = merged.plan()
    assert all(not planned.automatic for planned in plan.plan.changes)


# -- where no merge is taken back ----------------------------------------------------------------


@pytest.fixture
def anew(merged: World) -> World:
    """Give the same in a CRM that takes no merge back, and lets records be made."""
    can = frozenset(Capability) - {Capability.UNMERGE}
    merged.capabilities = {"crm": can}
    return merged


def test_losers_are_made_anew_under_new_ids(anew: World) -> None:
    """From the snapshot; the survivor gets back what it held; old ids lead to the new ones."""
    (shown,) = anew.would_undo("merges").items
    assert isinstance(shown.planned.change, RecreateRecords)

    counts = anew.undo("merges")

    assert set(anew.crm.records) == {"1", "2-anew", "3-anew"}
    assert anew.crm.records["2-anew"].job_title == "Baker"
    assert anew.crm.records["3-anew"].value("email") == "zoe@example.com"
    assert anew.crm.records["1"].job_title is None
    assert counts.lines[0].remote_id.split(",") == ["2-anew", "3-anew"]
    leads = {one.old.id: one.survivor.id for one in redirects(anew.database)}
    assert leads == {"2": "2-anew", "3": "3-anew"}
    assert anew.would_undo("merges").items == ()


def test_making_whose_answer_was_lost_is_settled(anew: World) -> None:
    """Asked about, not sent again: nobody is there three times."""
    anew.crm.fail(Fault.LOST_ANSWER)

    anew.undo("merges")
    anew.undo("merges")

    assert set(anew.crm.records) == {"1", "2-anew", "3-anew"}
    assert max(anew.crm.effects.values()) == 1


def test_undoing_what_was_made_anew_names_the_way(anew: World) -> None:
    """It is not taken away by machine."""
    counts = anew.undo("merges")

    result = anew.would_undo(counts.run)

    assert [why for _, why in result.impossible if why is not Kept.FILLED] == [Kept.RECREATED]


def test_without_a_snapshot_or_with_consent_in_fields_nothing_is_made(anew: World) -> None:
    """What they held is not known; or they held a consent that only people write."""
    ability = replace(anew.abilities["crm"], consent_fields=frozenset({"job_title"}))
    result = plan_undo(anew.database, "merges", {"crm": ability})
    assert Kept.CONSENT_HELD in {why for _, why in result.impossible}
    anew.clock.forward(days=91)
    with hold(anew.database, clock=anew.clock) as lease:
        now = anew.clock()
        purge(anew.database, values_before=now, evidence_before=now, now=now, lease=lease)
    assert {why for _, why in anew.would_undo("merges").impossible} == {Kept.PURGED}
