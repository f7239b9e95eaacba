"""Properties of actions: they come to rest, make nobody more reachable, and know no order of files."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.property.mutants import Raw, acting, actions_of, made, shipped
from tests.property.office import ABLE, WIDE, Office, invented, looser, mailability
from tests.whole import some

from crm_steward.model import (
    FIELDS,
    ArchiveRecord,
    Channel,
    Consent,
    ConsentStatus,
    MergeRecords,
    PlannedChange,
    UpdateFields,
)
from crm_steward.rules import Rule, UpdateAction
from crm_steward.settings import Limits
from crm_steward.testing import FakeCrm
from crm_steward.writing.updating import updated

TWINS: Raw = {
    "id": "twins",
    "about": "x",
    "check": {"kind": "duplicates", "levels": ["same e-mail", "same phone and similar name"]},
}
RAW = [*shipped(), TWINS]
RANDOMS = st.randoms(use_true_random=False)


@contextmanager
def office(draw: random.Random, *, keeps: bool = False) -> Iterator[Office]:
    """Give a base of invented contacts, a few of them one person."""
    count = draw.randrange(1, 25)
    ability = replace(ABLE, keeps_optouts=keeps)
    made_up = Office((invented(draw, number) for number in range(count)), ability)
    try:
        yield made_up
    finally:
        made_up.close()


def acted(raw: Raw) -> list[Rule]:
    """Return the rule with each action it could be given, one by one."""
    given = enumerate(actions_of(raw))
    rules = (made(acting(raw, action) | {"id": f"{raw['id']}-{n}"}) for n, action in given)
    return [rule for rule in rules if rule is not None]


RULES = [rule for raw in RAW for rule in acted(raw)]


# -- (a) fixpoint ---------------------------------------------------------------------------------


@settings(max_examples=some(40, 15))
@given(draw=RANDOMS, rule=st.sampled_from(RULES))
def test_a_rule_comes_to_rest(draw: random.Random, rule: Rule) -> None:
    """What was found and written once is not written again: one round, and there is no more.

    A merged record may resemble a third one, which is a new finding; each merge leaves fewer.
    """
    with office(draw) as here:
        first = here.round([rule])
        event(f"{len(first) > 0} {rule.entries[0].name}")
        for _ in range(len(here.crm.records) if rule.entries[0].name == "merge" else 0):
            if not here.round([rule]):
                break
        assert here.round([rule]) == ()


# -- (b) nobody becomes more reachable ------------------------------------------------------------

ANY_FIELD = st.sampled_from(["email", "phone", "mobile", "extra.optin"]) | st.sampled_from(
    [*FIELDS, "extra.tag", "extra.new"]
)
ANY_VALUE = st.sampled_from(
    ["b@example.org", "+33612345678", "yes", "FR", "BE", "granted", 1, True]
)


def hostile_update() -> st.SearchStrategy[dict[str, Any]]:
    """Return updates of any field whatsoever."""
    return st.fixed_dictionaries(
        {},
        optional={
            "set": st.dictionaries(ANY_FIELD, ANY_VALUE, min_size=1, max_size=3),
            "clear": st.lists(ANY_FIELD, min_size=1, max_size=3),
            "copy": st.dictionaries(ANY_FIELD, ANY_FIELD, min_size=1, max_size=3),
        },
    )


HOSTILE = st.one_of(
    hostile_update().map(lambda update: {"update": update}),
    st.builds(
        lambda field, word: {"tag": {"field": field, "value": str(word)}}, ANY_FIELD, ANY_VALUE
    ),
    st.sampled_from([{"archive": {}}, {"suppress": {"channel": "email"}}]),
)
EVERYBODY = {"kind": "required", "fields": ["full_name"]}


SOME_OF_THEM = st.sampled_from(
    [
        {"field": "owner", "is": "empty"},
        {"field": "language", "equals": "fr"},
        {"field": "consent_email", "in": ["objected", "withdrawn", "complaint"]},
        {"any": [{"field": "connection", "equals": "crm"}]},
    ]
)


def adversary(number: int, where: Raw, actions: Sequence[Raw]) -> Rule | None:
    """Return a rule that does this to many, if it is not refused when it is read."""
    content = {"id": f"hostile-{number}", "about": "x", "check": EVERYBODY, "mode": "apply"}
    content["where"] = where
    return made(content | {"actions": list(actions)})


@settings(max_examples=some(50, 15))
@given(
    draw=RANDOMS,
    keeps=st.booleans(),
    rules=st.lists(st.sampled_from(RULES), max_size=3),
    hostile=st.lists(st.tuples(SOME_OF_THEM, HOSTILE), max_size=4),
)
def test_no_rule_makes_an_address_more_mailable(
    draw: random.Random, keeps: bool, rules: list[Rule], hostile: list[tuple[Raw, Raw]]
) -> None:
    """Whatever rules and adversaries ask for, and a person approves all of it."""
    bad = (adversary(n, where, [action]) for n, (where, action) in enumerate(hostile))
    named = {rule.id: rule for rule in [*rules, *bad] if rule is not None}
    with office(draw, keeps=keeps) as here:
        for _ in range(2):
            contacts = dict(here.crm.records)
            before = mailability(contacts.values())
            changes = here.round(list(named.values()))
            event(" ".join(sorted({type(planned.change).__name__ for planned in changes})))
            gone = [contacts[name] for name in contacts.keys() - here.crm.records.keys()]
            kept = kept_opt_outs([one for contact in gone for one in contact.consents])
            after = mailability(here.crm.records.values(), kept if keeps else ())
            assert looser(before, after) == []
            assert touches(changes, "extra.optin") == []
            for planned in changes:
                lasting = isinstance(planned.change, MergeRecords | ArchiveRecord)
                assert not (lasting and planned.automatic)


def kept_opt_outs(consents: Sequence[Consent]) -> list[Consent]:
    """Return what a CRM remembers of records that are gone: opt-outs from e-mail, by address."""
    return [
        consent
        for consent in consents
        if consent.channel is Channel.EMAIL
        and consent.address
        and consent.status >= ConsentStatus.WITHDRAWN
    ]


def touches(changes: Sequence[PlannedChange], name: str) -> list[PlannedChange]:
    """Return the changes that write a field."""
    return [
        planned
        for planned in changes
        if isinstance(planned.change, UpdateFields) and name in planned.change.values
    ]


@settings(max_examples=some(200, 60))
@given(draw=RANDOMS, update=hostile_update())
def test_an_update_that_no_reader_refused_is_refused_when_it_is_planned(
    draw: random.Random, update: dict[str, Any]
) -> None:
    """The second lock: rules that were never checked write no consent and no other address."""
    action = UpdateAction.model_construct(
        normalise=None,
        set=update.get("set", {}),
        clear=tuple(update.get("clear", ())),
        fill_from=update.get("copy", {}),
    )
    contact = invented(draw, 1)
    before = mailability([contact])
    guarded = {"extra.optin"}
    crm = FakeCrm("crm")
    crm.add(contact)
    for one in updated(action, {}, contact, guarded):
        change = getattr(one, "change", None)
        if isinstance(change, UpdateFields):
            assert guarded.isdisjoint(change.values)
            assert all(n.startswith("extra.") or FIELDS[n].writable for n in change.values)
            crm.edit(contact.ref.id, **change.values)
    assert looser(before, mailability(crm.records.values())) == []


# -- order ----------------------------------------------------------------------------------------


@settings(max_examples=some(15, 5))
@given(draw=RANDOMS, rules=st.lists(st.sampled_from(RULES), min_size=2, max_size=6), data=st.data())
def test_the_order_of_rules_does_not_matter(
    draw: random.Random, rules: list[Rule], data: st.DataObject
) -> None:
    """However files and the rules in them are sorted, findings and plan are the same."""
    named = {rule.id: rule for rule in rules}
    turned = data.draw(st.permutations(list(named.values())))
    limits = data.draw(st.sampled_from([5, 1000]))
    with office(draw) as here:
        here.pull()
        plans = []
        for order in (list(named.values()), turned):
            book = here.scan(order)
            plan = here.plan(book, _limits(limits), save=False)
            plans.append((plan.plan, sorted(map(repr, plan.withheld)), book.digest))
        assert plans[0] == plans[1]
        assert plans[0][0].hash == plans[1][0].hash


def _limits(run: int) -> Limits:
    """Return limits of which only the one per run may bite."""
    return WIDE.model_copy(update={"max_changes_per_run": run})
