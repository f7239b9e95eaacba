"""Properties of merging: nothing is invented, nothing depends on order, nobody is reached more."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.property.office import invented, looser, mailability

from crm_steward.model import (
    FIELDS,
    Ability,
    Capability,
    Chosen,
    ConsentStatus,
    Contact,
    MergeHabits,
    MergeRecords,
    Value,
    binding_consent,
    with_value,
)
from crm_steward.model.consent import Channel
from crm_steward.rules import MergeAction
from crm_steward.writing.addresses import CHANNELS, addresses_by
from crm_steward.writing.merging import merged
from crm_steward.writing.proposed import Proposed, Refused
from crm_steward.writing.withheld import Why

RANDOMS = st.randoms(use_true_random=False)
WRITABLE = [n for n, field in FIELDS.items() if field.writable and n not in CHANNELS]
CHOICES = st.sampled_from(["survivor", "most recent", "oldest", "longest", "most frequent"])
RULES = st.dictionaries(st.sampled_from([*WRITABLE, "extra.tag", "extra.size"]), CHOICES)
UNIONS = st.dictionaries(st.sampled_from(["extra.tag", "extra.optin"]), st.just("union"))
KEEP = st.lists(
    st.sampled_from(
        [
            "customer first",
            "most complete",
            "oldest",
            "newest",
            "has owner",
            "strictest consent",
            {"field": "extra.size", "greater_than": 3},
            {"field": "language", "equals": "FR"},
        ]
    ),
    min_size=1,
    max_size=4,
)
HABITS = st.sampled_from(
    [
        MergeHabits(),
        MergeHabits(unites=frozenset(CHANNELS)),
        MergeHabits(fills=frozenset({*FIELDS, "extra"}), unites=frozenset({"email"})),
    ]
)
ACTIONS = st.builds(
    lambda keep, rules, unions: MergeAction.model_validate(
        {"keep": keep, "fields": {**rules, **unions}}
    ),
    KEEP,
    RULES,
    UNIONS,
)


def able(habits: MergeHabits) -> Ability:
    """Return what a connection can do whose merge does this."""
    return Ability(
        fields=None,
        can=frozenset(Capability),
        consent_fields=frozenset({"extra.optin"}),
        merging=habits,
    )


def crowd(draw: random.Random) -> list[Contact]:
    """Return two to five records, alike enough to be merged now and then."""
    people = [invented(draw, number) for number in range(draw.randrange(2, 6))]
    if draw.random() < 0.7:  # most people disagree on consent, and are not merged at all
        people = [replace(one, legal_hold=None, consents=()) for one in people]
    elif draw.random() < 0.7:
        said = people[0].consents
        people = [
            replace(one, legal_hold=None, consents=tuple(replace(c, address="") for c in said))
            for one in people
        ]
    return people


def outcome(
    action: MergeAction, people: Sequence[Contact], habits: MergeHabits
) -> Proposed | Refused:
    """Return what becomes of a group."""
    (one,) = merged(action, people, {}, ability=able(habits), left=(), language="en")
    return one


@settings(max_examples=200)
@given(draw=RANDOMS, action=ACTIONS, habits=HABITS)
def test_the_order_of_the_records_is_nothing(
    draw: random.Random, action: MergeAction, habits: MergeHabits
) -> None:
    """However the members come, the survivor, the losers' order and each value are the same."""
    people = crowd(draw)
    first = outcome(action, people, habits)
    event(type(first).__name__)
    draw.shuffle(people)
    assert outcome(action, people, habits) == first
    assert outcome(action, people[::-1], habits) == first


@settings(max_examples=300)
@given(draw=RANDOMS, action=ACTIONS, habits=HABITS)
def test_every_value_is_somebodys(
    draw: random.Random, action: MergeAction, habits: MergeHabits
) -> None:
    """Each value stands in the records it is said to come from, of a union in parts."""
    people = {one.ref: one for one in crowd(draw)}
    found = outcome(action, list(people.values()), habits)
    if not isinstance(found, Proposed):
        return
    change = found.change
    assert isinstance(change, MergeRecords)
    assert {change.ref, *change.losers} == people.keys()
    for name, one in change.golden.items():
        event(one.chosen.value)
        held = [people[ref].value(name) for ref in one.sources]
        assert bool(held) is (one.value is not None)
        assert set(one.lost) <= set(change.losers)
        if one.chosen is Chosen.UNION and len(one.sources) > 1:
            parts = {part.strip() for value in held for part in str(value).split(";")}
            assert set(str(one.value).split(";")) <= parts
        else:
            assert all(_alike(value, one.value) for value in held)
    assert change.fill.keys() <= change.golden.keys()
    assert "extra.optin" not in change.golden
    for name, value in change.fill.items():
        assert value == change.golden[name].value
        assert change.had[name] == people[change.ref].value(name) != value
        assert name.startswith("extra.") or FIELDS[name].writable


def _alike(one: Value, other: Value) -> bool:
    return str(one).strip().casefold() == str(other).strip().casefold()


@settings(max_examples=300)
@given(draw=RANDOMS, action=ACTIONS, habits=HABITS)
def test_without_a_word_on_a_field_the_survivor_keeps_its_own(
    draw: random.Random, action: MergeAction, habits: MergeHabits
) -> None:
    """What is filled is overwritten only where the rule says so; addresses never."""
    people = {one.ref: one for one in crowd(draw)}
    found = outcome(action, list(people.values()), habits)
    if isinstance(found, Proposed) and isinstance(found.change, MergeRecords):
        survivor = people[found.change.ref]
        for name in found.change.fill:
            own = str(survivor.value(name) or "").strip()
            assert not own or action.fields.get(name) not in {None, "survivor"}
            assert not (own and name in CHANNELS)


@settings(max_examples=300)
@given(draw=RANDOMS, action=ACTIONS, habits=HABITS)
def test_an_address_that_a_survivor_is_given_is_not_more_mailable(
    draw: random.Random, action: MergeAction, habits: MergeHabits
) -> None:
    """Even where the CRM forgets all that the losers said, and even if the merge never comes."""
    people = {one.ref: one for one in crowd(draw)}
    found = outcome(action, list(people.values()), habits)
    if not isinstance(found, Proposed) or not isinstance(found.change, MergeRecords):
        return
    own = given = people[found.change.ref]
    for name, value in found.change.fill.items():
        given = with_value(given, name, value)
    event(f"given {sorted(CHANNELS.keys() & found.change.fill)}")
    known = {channel: set(addresses_by(own, channel)) for channel in Channel}
    before, after = mailability(people.values()), mailability([given])
    new = {
        place: use
        for place, use in after.items()
        if set(addresses_by(given, place[0])) > known[place[0]] and place not in mailability([own])
    }
    assert looser(before, new) == []


@settings(max_examples=300)
@given(draw=RANDOMS, action=ACTIONS, habits=HABITS)
def test_of_consents_the_strictest_is_the_golden_one(
    draw: random.Random, action: MergeAction, habits: MergeHabits
) -> None:
    """Per channel, whatever the rule says of other fields."""
    people = crowd(draw)
    found = outcome(action, people, habits)
    if not isinstance(found, Proposed) or not isinstance(found.change, MergeRecords):
        return
    for channel in Channel:
        bound = [binding_consent(one.consents, channel) for one in people]
        statuses = [one.status for one in bound if one is not None]
        golden = found.change.golden.get(f"consent_{channel}")
        assert (golden is None) is not bool(statuses)
        if golden is not None:
            assert ConsentStatus[str(golden.value).upper()] is max(statuses)


@settings(max_examples=200)
@given(draw=RANDOMS, keep=KEEP, habits=HABITS)
def test_without_a_unique_winner_nothing_is_merged(
    draw: random.Random, keep: list[Any], habits: MergeHabits
) -> None:
    """Two records of which everything that counts is the same: listed with the criteria, not guessed."""
    one = replace(invented(draw, 1), legal_hold=None, consents=())
    twin = replace(one, ref=one.ref._replace(id="2"), website="https://other.example.org")
    one = replace(one, website="https://one.example.org")
    action = MergeAction.model_validate({"keep": keep})
    found = outcome(action, [one, twin], habits)
    assert isinstance(found, Refused)
    assert (found.why, found.detail) == (Why.NO_SURVIVOR, ", ".join(map(str, action.keep)))
