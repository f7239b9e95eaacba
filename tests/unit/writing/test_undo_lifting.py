"""Undoing a suppression loosens: asked for by a person, once, and only where nothing else says no."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.writing.conftest import World
from tests.unit.writing.lifted import SILENCES, loosening, silent_soon

from crm_steward.connect.protocol import Capability
from crm_steward.model import (
    AddressStatus,
    Channel,
    Consent,
    ConsentStatus,
    Email,
    LiftSuppression,
    LimitExceededError,
    Plan,
    PlannedChange,
    RecordRef,
    Remedy,
    SuppressChannel,
    binding_consent,
)
from crm_steward.store.evidence import evidence
from crm_steward.store.journal import State
from crm_steward.store.lease import hold
from crm_steward.store.purging import purge
from crm_steward.testing import Fault
from crm_steward.writing import plan_undo
from crm_steward.writing.items import Item
from crm_steward.writing.kept import Kept

OTHER = """
  - id: other
    about: Nobody knows where they live
    check: {kind: required, fields: [city]}
    actions: [suppress: {channel: email}]
    mode: propose
"""
LIFT = LiftSuppression(
    ref=RecordRef("crm", "1"),
    channel=Channel.EMAIL,
    address="p1@example.com",
    before="granted",
    reason="the rule was wrong",
    by="eva",
)


@pytest.fixture
def silenced(any_world: World) -> World:
    """Give a world in which a rule suppressed one address that had a consent."""
    return _silenced(any_world)


@pytest.fixture
def small(world: World) -> World:
    """Give the same on SQLite alone."""
    return _silenced(world)


def _silenced(world: World) -> World:
    world.rules(SILENCES)
    world.crm.add(silent_soon("1"))
    world.run()
    assert not _mailable(world)
    return world


def _mailable(world: World, name: str = "1") -> bool:
    found = binding_consent(world.crm.records[name].consents, Channel.EMAIL)
    return found is not None and found.status.mailable


def _why(world: World) -> str:
    """Return why nothing is lifted."""
    result = world.would_undo("silence")
    assert result.lifts == ()
    ((_, why),) = result.impossible
    assert why.said("fr") != why.value
    return why.value


def test_a_suppression_is_lifted_by_name_and_with_a_reason(silenced: World) -> None:
    """What was said before holds again; the journal and the evidence say who, when and why."""
    (made,) = silenced.journal(state=State.INTENT)
    assert isinstance(made.change, SuppressChannel)
    assert made.change.before == "granted"
    assert [item.planned.change for item in silenced.would_undo("silence").lifts] == [
        replace(LIFT, reason="", by="")
    ]

    silenced.undo("silence", loosening=loosening(1))

    assert _mailable(silenced)
    intent, last = silenced.journal()[-2:]
    assert intent.change == LIFT
    assert (last.state, last.kind, last.undoes) == (State.VERIFIED, "lift", made.seq)
    lifted, suppressed = evidence(silenced.database)
    assert (lifted["what"], lifted["by"], lifted["reason"]) == ("lifted", "eva", LIFT.reason)
    assert (suppressed["what"], suppressed["address"]) == ("suppressed", "p1@example.com")
    assert silenced.would_undo("silence").items == ()


def test_yes_alone_lifts_nothing(silenced: World) -> None:
    """Without a person's word a suppression stays, and what else there is is undone."""
    counts = silenced.undo("silence")

    assert not _mailable(silenced)
    assert (counts.states.total(), counts.left) == (0, 0)


@pytest.mark.parametrize("count", [2, 3])
def test_another_number_than_was_shown_writes_nothing(small: World, count: int) -> None:
    """Whoever does not know how many there are has not looked."""
    before = len(small.journal())
    with pytest.raises(LimitExceededError, match="1 suppressions could be lifted"):
        small.undo("silence", loosening=loosening(count))

    assert not _mailable(small)
    assert len(small.journal()) == before


def test_the_rule_does_not_suppress_again_what_was_lifted(small: World) -> None:
    """The finding stands, and the plan leaves the change out as done."""
    small.undo("silence", loosening=loosening(1))

    small.look()
    assert small.withheld(small.plan()) == ["done"]
    assert _mailable(small)


def test_what_is_found_anew_after_a_lifting_is_suppressed_again(silenced: World) -> None:
    """The finding was put right and stands again later: that is no longer the mistake."""
    silenced.undo("silence", loosening=loosening(1))
    silenced.crm.edit("1", job_title="Baker")
    silenced.run()
    assert _mailable(silenced)
    silenced.clock.forward(days=1)
    silenced.crm.edit("1", job_title=None)

    silenced.run()

    assert not _mailable(silenced)
    assert len(silenced.would_undo("silence").lifts) == 1


def test_lifting_is_undone_by_suppressing(small: World) -> None:
    """The run that lifted is taken back like any other, and that needs no further word."""
    counts = small.undo("silence", loosening=loosening(1))

    small.undo(counts.run)

    assert not _mailable(small)
    assert small.journal()[-1].kind == "suppress"


# -- what stands against it ----------------------------------------------------------------------


def test_another_rule_that_asks_for_it_stands_against_it(small: World) -> None:
    """Its finding stands, or was resolved after the suppression: lifted, it would stand again."""
    small.rules(SILENCES, OTHER)
    small.look()
    assert _why(small) == "the rule other asks for the same suppression, or did since"

    small.crm.edit("1", city="Lyon")
    small.clock.forward(seconds=1)
    small.look()
    assert "the rule other" in _why(small)


@pytest.mark.parametrize(
    "status",
    [
        ConsentStatus.OBJECTED,
        ConsentStatus.WITHDRAWN,
        ConsentStatus.COMPLAINT,
        ConsentStatus.HARD_BOUNCE,
    ],
)
def test_a_no_on_another_record_of_the_address_stands_against_it(
    small: World, status: ConsentStatus
) -> None:
    """Whatever the record or the CRM: the person, or their mailbox, said no."""
    small.crm.add(replace(silent_soon("2", "P1@Example.com", status), job_title="Baker"))
    small.look()
    assert _why(small).startswith(f"crm:2 says {status.label}")


def test_a_bounce_that_only_the_address_shows_stands_against_it(small: World) -> None:
    """Some CRMs note it with the address and not as a consent."""
    bounced = Email("p1@example.com", AddressStatus.BOUNCED)
    small.crm.records["1"] = replace(small.crm.records["1"], emails=(bounced,))
    small.look()
    assert _why(small).startswith("crm:1 says hard_bounce")


def test_what_could_not_be_used_before_is_not_opened(world: World) -> None:
    """A complaint stood before the suppression: it was none of our mistakes."""
    world.rules(SILENCES)
    world.crm.add(silent_soon("1", status=ConsentStatus.COMPLAINT))
    world.run()
    assert _why(world) == "before, too, the address could not be used: complaint"


def test_our_own_suppressions_for_the_rule_are_no_ground(world: World) -> None:
    """Two records of one address, both suppressed by the mistaken rule: both are lifted."""
    world.rules(SILENCES)
    world.crm.add(silent_soon("1"))
    world.crm.add(silent_soon("2", "p1@example.com"))
    world.run()
    world.look()

    world.undo("silence", loosening=loosening(2))

    assert _mailable(world, "1")
    assert _mailable(world, "2")


def test_what_a_crm_knows_by_now_stands_against_it(small: World) -> None:
    """Objected since the last pull, on another record: read again, refused, nothing written."""
    small.crm.add(replace(silent_soon("2", "p1@example.com"), job_title="Baker"))
    small.look()
    assert len(small.would_undo("silence").lifts) == 1
    small.crm.add(silent_soon("2", "p1@example.com", ConsentStatus.OBJECTED))

    with pytest.raises(LimitExceededError, match="crm:2 says objected"):
        small.undo("silence", loosening=loosening(1))
    assert not _mailable(small)


def test_a_crm_that_cannot_be_asked_stands_against_it(
    small: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not known counts as a no."""

    def fail(_name: str) -> None:
        raise LimitExceededError("no")

    monkeypatch.setattr(small.crm, "on_call", fail)
    with pytest.raises(LimitExceededError, match="could not be asked"):
        small.undo("silence", loosening=loosening(1))


@pytest.mark.parametrize("status", [ConsentStatus.OBJECTED, ConsentStatus.WITHDRAWN])
def test_the_persons_own_no_on_the_record_is_left(small: World, status: ConsentStatus) -> None:
    """The CRM tells it from ours: a conflict, and the channel stays silent."""
    own = Consent(channel=Channel.EMAIL, status=status, address="p1@example.com", source="form")
    here = small.crm.records["1"]
    small.crm.records["1"] = replace(here, consents=(*here.consents, own))

    counts = small.undo("silence", loosening=loosening(1))

    assert counts.states == {State.CONFLICT: 1}
    assert not _mailable(small)


def test_what_somebody_changed_since_is_left(small: World) -> None:
    """A person lifted it in the CRM already: what we wrote is not there."""
    small.crm.records["1"] = silent_soon("1")

    counts = small.undo("silence", loosening=loosening(1))

    assert counts.states == {State.CONFLICT: 1}


def test_a_no_that_came_first_is_not_ours(world: World) -> None:
    """Somebody opted out between the plan and the write: nothing is written, nothing to lift."""
    world.rules(SILENCES)
    world.crm.add(silent_soon("1"))
    world.look()
    plan = world.plan().plan
    world.crm.add(silent_soon("1", status=ConsentStatus.OBJECTED))

    assert world.apply(plan).states == {State.ALREADY: 1}
    assert world.would_undo("silence").lifts == ()


def test_without_the_rules_nothing_is_lifted(small: World) -> None:
    """Whether another one asks for the same cannot be known."""
    ((_, why),) = plan_undo(small.database, "silence", small.abilities).impossible
    assert why is Kept.NO_RULES


def test_what_was_purged_is_not_lifted(small: World) -> None:
    """What stood before is no longer known."""
    small.clock.forward(days=100)
    with hold(small.database, clock=small.clock) as lease:
        now = small.clock()
        purge(small.database, values_before=now, evidence_before=now, now=now, lease=lease)
    assert _why(small) == Kept.PURGED.value


def test_a_connection_says_in_its_own_words_why_it_cannot(small: World) -> None:
    """With the remedy; and without words of its own in ours."""
    small.capabilities = {"crm": frozenset(Capability) - {Capability.LIFT_EMAIL}}
    assert _why(small) == Kept.SUPPRESSED.value
    ability = replace(
        small.abilities["crm"],
        remedies={Capability.LIFT_EMAIL: Remedy(en="ask them", fr="demandez-leur")},
    )
    result = plan_undo(small.database, "silence", {"crm": ability}, book=small.book)
    ((_, why),) = result.impossible
    assert (why.said("en"), why.said("fr")) == ("ask them", "demandez-leur")


def test_lifting_whose_answer_was_lost_is_settled(small: World) -> None:
    """Asked about, not sent again."""
    small.crm.fail(Fault.LOST_ANSWER)

    small.undo("silence", loosening=loosening(1))
    small.undo("silence")

    assert small.states()[-2:] == [State.UNKNOWN, State.VERIFIED]
    assert small.crm.effects.total() == 2


# -- I7: nothing else makes an address mailable ----------------------------------------------------


def test_no_plan_holds_a_lifting(clock: Any) -> None:
    """Neither one that is made, nor one that is read from a file."""
    planned = PlannedChange(change=LIFT, rule="r", finding="f")
    parts = {"created_at": clock(), "expires_at": clock(), "mirror": "1", "rules": "1"}
    with pytest.raises(ValueError, match="no plan lifts a suppression"):
        Plan(changes=(planned,), **parts)
    written = Plan(changes=(), **parts).to_json() | {"changes": [planned.to_json()]}
    with pytest.raises(ValueError, match="no plan lifts a suppression"):
        Plan.from_json(written)


def test_nothing_but_an_undo_sends_a_lifting() -> None:
    """An item that takes nothing back is refused before it is written down."""
    planned = PlannedChange(change=LIFT, rule="r", finding="f")
    with pytest.raises(ValueError, match="only by undoing"):
        Item(planned=planned, plan="p")
    assert Item(planned=planned, plan="", undoes=1).key
