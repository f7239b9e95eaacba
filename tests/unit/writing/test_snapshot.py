"""Snapshots: what every record of a merge held is in the journal before the merge is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.writing.conftest import World
from tests.unit.writing.test_undo_archives import MERGES, twin

from crm_steward.model import (
    AddressStatus,
    Channel,
    Consent,
    ConsentStatus,
    Email,
    MergeRecords,
    Phone,
    PhoneKind,
    change_from_json,
    change_key,
    change_to_json,
)
from crm_steward.store.journal import State
from crm_steward.store.lease import hold
from crm_steward.store.purging import purge
from crm_steward.store.verifying import verify
from crm_steward.testing import Fault

SAID = Consent(
    channel=Channel.EMAIL, status=ConsentStatus.GRANTED, address="z@example.com", how="form"
)

TWINS = (Phone("+33612345678"), Phone("+33142999999", PhoneKind.HOME))
"""The loser's numbers, the second one edited."""


@pytest.fixture
def twins(any_world: World) -> World:
    """Give a world with two records of one person, the second one with much that gets lost."""
    any_world.rules(MERGES)
    any_world.crm.add(twin("1", 0, emails=(Email("z@example.com"),), consents=(SAID,)))
    any_world.crm.add(
        twin(
            "2",
            1,
            job_title="Baker",
            emails=(Email("z@example.com"), Email("old@example.com", AddressStatus.BOUNCED)),
            phones=(Phone("+33612345678"), Phone("+33142000000", PhoneKind.HOME)),
            consents=(SAID, replace(SAID, address="old@example.com")),
            extra={"tier": "gold"},
        )
    )
    return any_world


def _merge(world: World) -> MergeRecords:
    """Return the merge that the journal holds."""
    (line,) = [one for one in world.journal(state=State.INTENT) if one.kind == "merge"]
    assert isinstance(line.change, MergeRecords)
    return line.change


def test_a_merge_is_journaled_with_all_that_its_members_held(twins: World) -> None:
    """Every address, every consent and custom field, of the survivor and the loser."""
    twins.run("all")

    snapshot = _merge(twins).snapshot

    assert set(snapshot) == {"1", "2"}
    lost = snapshot["2"]
    assert (lost["first_name"], lost["job_title"], lost["extra.tier"]) == ("Zoé", "Baker", "gold")
    assert lost["emails"] == [["z@example.com", "unknown"], ["old@example.com", "bounced"]]
    assert [number for number, _, _ in lost["phones"]] == ["+33612345678", "+33142000000"]
    said = {"channel": "email", "status": "granted", "purpose": "marketing", "how": "form"}
    assert lost["consents"] == [
        said | {"address": address} for address in ("z@example.com", "old@example.com")
    ]
    assert verify(twins.database).fault is None


def test_it_is_durable_before_the_merge_is_sent(twins: World) -> None:
    """Seen by the CRM's side at the moment of the effect: the journal holds it already."""
    seen: list[int] = []

    def at(step: str) -> None:
        if step == "before effect":
            merges = [one for one in twins.journal(state=State.INTENT) if one.kind == "merge"]
            seen.extend(len(_merge(twins).snapshot) for _ in merges)

    twins.crm.on_call = at
    twins.run("all")
    assert seen == [2]


def test_a_loser_that_moves_between_snapshot_and_merge_is_not_merged(twins: World) -> None:
    """A person edits a field that the merge does not look at: what would be lost is not known."""
    twins.crm.edit("1", job_title="Baker", **{"extra.tier": "gold"})  # nothing to be given before
    calls = 0

    def at(step: str) -> None:
        nonlocal calls
        calls += step == "get"
        if step == "get" and calls == 2:
            twins.crm.records["2"] = replace(twins.crm.records["2"], phones=TWINS)

    twins.look()
    plan = twins.plan().plan
    twins.crm.on_call = at

    counts = twins.apply(plan, "all")

    assert counts.states == {State.CONFLICT: 1}
    assert set(twins.crm.records) == {"1", "2"}
    (last,) = twins.journal(state=State.CONFLICT)
    assert last.reason == "changed meanwhile: phones"


def test_a_snapshot_makes_no_other_merge(twins: World) -> None:
    """The key is the plan's, so that an answer that was lost is settled, and nothing sent twice."""
    twins.run("all")
    change = _merge(twins)
    bare = replace(change, snapshot={})
    assert change_key(change) == change_key(bare)
    assert change_from_json(change_to_json(change)) == change
    assert "snapshot" not in change_to_json(bare)


def test_a_lost_answer_keeps_the_snapshot(twins: World) -> None:
    """Settled afterwards; the intent that was settled holds what was lost."""
    twins.settle_after = timedelta(0)
    twins.crm.fail(None, Fault.LOST_ANSWER)
    twins.run("all")
    assert set(_merge(twins).snapshot) == {"1", "2"}
    assert list(twins.crm.records) == ["1"]


def test_a_snapshot_is_purged_with_the_values(twins: World) -> None:
    """After 90 days nothing of it is left, and the chain still fits."""
    twins.run("all")
    twins.clock.forward(days=91)
    with hold(twins.database, clock=twins.clock) as lease:
        now = twins.clock()
        purge(twins.database, values_before=now, evidence_before=now, now=now, lease=lease)
    change = _merge(twins)
    assert (change.snapshot, change.expected) == ({}, {})
    assert [ref.id for ref in change.losers] == ["2"]
    assert verify(twins.database).fault is None
