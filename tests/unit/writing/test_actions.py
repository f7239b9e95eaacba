"""Actions: what each makes of a finding, and when it makes nothing of it and says why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from tests.unit.writing.conftest import World

from crm_steward.connect.protocol import Account, Capability, Owner
from crm_steward.model import (
    Ability,
    ArchiveRecord,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    CreateTask,
    Email,
    MergeRecords,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    Reversibility,
    Stage,
    SuppressChannel,
    UpdateFields,
    Value,
)
from crm_steward.pull import pull
from crm_steward.rules import UpdateAction
from crm_steward.scan import scan
from crm_steward.testing import FakeCrm, Fault
from crm_steward.writing import PlanResult, make_plan, plan_undo
from crm_steward.writing.addresses import same_address
from crm_steward.writing.proposed import Refused
from crm_steward.writing.updating import updated
from crm_steward.writing.withheld import Why

RULE = """
  - id: {id}
    about: {{en: What is found, fr: Ce qui est trouvé}}
    check: {check}
    actions: [{actions}]
    mode: {mode}
"""
FOUND = "{kind: required, fields: [job_title]}"
TWICE = "{kind: duplicates, levels: [same e-mail, same phone and similar name]}"
DAY = datetime(2026, 1, 1, tzinfo=UTC)


def rule(
    actions: str, *, check: str = FOUND, name: str = "one", mode: str = "propose", more: str = ""
) -> str:
    """Return a rule that asks for `actions`."""
    text = RULE.format(id=name, check=check, actions=actions, mode=mode)
    return text + f"    {more}\n" if more else text


def planned(world: World, *rules: str) -> PlanResult:
    """Look and plan with these rules."""
    world.rules(*rules)
    world.look()
    return world.plan()


def changes(result: PlanResult) -> list[Any]:
    """Return the planned changes."""
    return [one.change for one in result.plan.changes]


def why(result: PlanResult) -> list[tuple[str, str]]:
    """Return why changes were left out, with the detail."""
    return [(one.why.value, one.detail) for one in result.withheld]


def said(status: ConsentStatus, address: str = "", **parts: Any) -> Consent:
    """Return a consent to e-mail."""
    return Consent(**{"channel": Channel.EMAIL, "status": status, "address": address, **parts})


def person(name: str, email: str | None = None, *consents: Consent, **parts: Any) -> Contact:
    """Return a contact of the fake CRM."""
    emails = (Email(email),) if email else ()
    return Contact(ref=RecordRef("crm", name), emails=emails, consents=consents, **parts)


# -- update -------------------------------------------------------------------------------------


def test_several_fields_of_an_action_are_one_change(world: World) -> None:
    """Set, cleared and copied fields go together, each with what is held; what reads so is left."""
    world.crm.add("1", city="PARIS", region="IDF", company="Acme", language="fr", website="x.fr")
    action = (
        "update: {set: {language: fr, city: Paris}, clear: [website, street], "
        "copy: {region: company}}"
    )

    (change,) = changes(planned(world, rule(action)))

    assert change == UpdateFields(
        ref=RecordRef("crm", "1"),
        values={"city": "Paris", "website": None, "region": "Acme"},
        expected={"city": "PARIS", "website": "x.fr", "region": "IDF"},
    )


def test_what_reads_as_it_should_is_no_change(world: World) -> None:
    """A finding that stands, because the rule looks at something else, asks for nothing more."""
    world.crm.add("1", city="Paris")
    result = planned(world, rule("update: {set: {city: Paris}, clear: [street]}"))
    assert (changes(result), why(result)) == ([], [])


def test_nothing_is_copied_from_an_empty_field(world: World) -> None:
    """The other fields are written, and the plan says which one is not."""
    world.crm.add("1", city="Paris")
    result = planned(world, rule("update: {set: {city: Lyon}, copy: {region: company}}"))
    assert [change.values for change in changes(result)] == [{"city": "Lyon"}]
    assert why(result) == [("empty source", "region")]


def test_rules_that_contradict_each_other_in_one_field_are_both_held_back(world: World) -> None:
    """Also where each writes other fields as well, and where one rule contradicts itself."""
    world.crm.add("1")
    one, two = "update: {set: {city: Paris, region: IDF}}", "update: {set: {city: Lyon}}"

    result = planned(world, rule(one), rule(two, name="two"))
    assert changes(result) == []
    assert sorted(why(result)) == [("conflict", "one"), ("conflict", "two")]

    result = planned(world, rule(f"{one}, {two}"))
    assert (changes(result), why(result)) == ([], [("conflict", "one")] * 2)


def test_what_another_rule_sets_already_is_not_set_twice(world: World) -> None:
    """The rest of the action is its own change, so that nothing has to wait for the next plan."""
    world.crm.add("1")
    one, two = "update: {set: {city: Paris}}", "update: {set: {city: Paris, region: IDF}}"
    result = planned(world, rule(one), rule(two, name="two"))
    assert [(p.rule, p.change.values) for p in result.plan.changes] == [  # type: ignore[union-attr] -- updates
        ("one", {"city": "Paris"}),
        ("two", {"region": "IDF"}),
    ]
    world.apply(result.plan, "all")
    world.clock.forward(seconds=1)
    world.look()
    assert changes(world.plan()) == []


@pytest.mark.parametrize(
    ("consents", "emails", "allowed"),
    [
        ((), ("a@example.org",), True),
        ((said(ConsentStatus.GRANTED),), ("a@example.org",), True),
        ((said(ConsentStatus.OBJECTED),), ("a@example.org",), False),
        ((), ("a@example.org", "b@example.org"), False),
    ],
)
def test_an_address_is_emptied_only_where_no_refusal_is_lost(
    world: World, consents: tuple[Consent, ...], emails: tuple[str, ...], allowed: bool
) -> None:
    """Nor where another address of the person would take its place."""
    held = tuple(map(Email, emails))
    world.crm.add(Contact(ref=RecordRef("crm", "1"), emails=held, consents=consents))
    result = planned(world, rule("update: {clear: [email]}"))
    assert bool(changes(result)) is allowed
    assert why(result) == ([] if allowed else [("consent hangs on it", "email")])


@pytest.mark.parametrize(
    ("held", "other", "same"),
    [
        ("01 23 45 67 89", "+33 1 23 45 67 89", True),
        ("06 1234 5678", "+39 06 1234 5678", True),
        ("12", "+33 1 23 45 67 12", False),
        ("555-0100", "+1 212 555 0100", False),
        ("00", "+33 1 23 45 67 89", False),
        ("", "+33 1 23 45 67 89", False),
        ("+33 1 23 45 67 89", "1", False),
        ("+33 1 23 45 67 89", "+331", False),
        ("412", "+33 412", False),
        ("+33 1 23 45 67 89", 1, False),
        ("1", 1, False),
        ("1.0", 1.0, False),
        ("+33 1 23 45 67 89", True, False),
        ("+33 1 23 45 67 89", None, False),
    ],
)
def test_the_end_of_a_number_is_not_the_number(held: str, other: Value, same: bool) -> None:
    """Only a country's code may come before it: consent to the rest was given by somebody else.

    A few digits are no number, and what is no text is no address.
    """
    contact = Contact(ref=RecordRef("crm", "1"))
    assert same_address(contact, "phone", held, other) is same


@pytest.mark.parametrize("name", ["email", "phone", "mobile"])
@pytest.mark.parametrize("value", ["1", 1, 0, 1.5, True, False])
def test_what_is_no_address_is_written_over_none(name: str, value: Value) -> None:
    """The second lock, for a rule that was never read: a refused address is not replaced by it."""
    contact = person(
        "1",
        "a@example.org",
        *(
            Consent(channel=channel, status=ConsentStatus.OBJECTED)
            for channel in (Channel.EMAIL, Channel.PHONE, Channel.SMS)
        ),
        phones=(Phone("+33199001234"), Phone("+33639980001", PhoneKind.MOBILE)),
    )
    action = UpdateAction.model_construct(normalise=None, set={name: value}, clear=(), fill_from={})
    assert [*updated(action, {}, contact, set())] == [Refused(Why.CONSENT_HANGS, contact.ref, name)]


def test_a_field_that_holds_consent_is_written_by_no_rule(world: World) -> None:
    """Even if the file that says so was loaded without knowing the connections."""
    world.crm.add("1")
    world.rules(
        rule("update: {set: {extra.optin: yes it is}}, tag: {field: extra.optin, value: y}")
    )
    world.look()
    guarded = Ability(
        fields=None, can=frozenset(Capability), consent_fields=frozenset({"extra.optin"})
    )
    result = make_plan(
        world.database,
        world.book,
        limits=world.limits,
        abilities={"crm": guarded},
        clock=world.clock,
    )
    assert changes(result) == []
    assert why(result) == [("consent field", "extra.optin")] * 2


# -- tag ----------------------------------------------------------------------------------------


def test_a_tag_keeps_a_word_in_a_custom_field(world: World) -> None:
    """It is written once; when the finding is gone it stays."""
    world.crm.add("1")
    result = planned(world, rule("tag: {field: extra.steward, value: look}"))
    assert changes(result) == [
        UpdateFields(
            ref=RecordRef("crm", "1"),
            values={"extra.steward": "look"},
            expected={"extra.steward": None},
        )
    ]
    world.apply(result.plan, "all")
    world.clock.forward(seconds=1)
    world.look()
    again = world.plan()
    assert (changes(again), why(again)) == ([], [])

    world.crm.edit("1", job_title="Baker")
    world.look()
    assert changes(world.plan()) == []
    assert world.crm.records["1"].extra == {"steward": "look"}


# -- suppress -----------------------------------------------------------------------------------


def test_a_channel_falls_silent_once(world: World) -> None:
    """The address and the rule's title go to the CRM; afterwards there is nothing to do."""
    world.crm.add(person("1", "a@example.org", said(ConsentStatus.GRANTED)))
    world.language = "fr"
    result = planned(world, rule("suppress: {channel: email}", mode="apply"))
    (one,) = result.plan.changes
    ref = RecordRef("crm", "1")
    assert one.change == SuppressChannel(
        ref=ref,
        channel=Channel.EMAIL,
        address="a@example.org",
        reason="Ce qui est trouvé",
        before="granted",
    )
    assert (one.automatic, one.change.reversibility) == (True, Reversibility.PARTLY)

    world.apply(result.plan)
    world.look()
    again = world.plan()
    assert (changes(again), why(again)) == ([], [])


@pytest.mark.parametrize(
    ("consent", "silent"),
    [
        (said(ConsentStatus.WITHDRAWN), True),
        (said(ConsentStatus.OBJECTED, "A@Example.org"), True),
        (said(ConsentStatus.OBJECTED, "other@example.org"), False),
        (said(ConsentStatus.WITHDRAWN, purpose="newsletter"), False),
        (said(ConsentStatus.COMPLAINT), False),
        (said(ConsentStatus.WITHDRAWN, channel=Channel.SMS), False),
    ],
)
def test_only_a_refusal_of_the_whole_channel_makes_it_silent(
    world: World, consent: Consent, silent: bool
) -> None:
    """Another address, another channel or one newsletter is not the whole of it."""
    world.crm.add(person("1", "a@example.org", consent))
    result = planned(world, rule("suppress: {channel: email}"))
    assert bool(changes(result)) is not silent


def test_each_address_that_the_crm_keeps_a_consent_under_falls_silent(world: World) -> None:
    """The primary one in any case; two rules that ask for it ask once."""
    consent = said(ConsentStatus.GRANTED, "b@example.org")
    emails = tuple(map(Email, ("a@example.org", "b@example.org", "c@example.org")))
    world.crm.add(Contact(ref=RecordRef("crm", "1"), emails=emails, consents=(consent,)))
    action = "suppress: {channel: email}"
    result = planned(world, rule(action), rule(action, name="two"))
    assert [change.address for change in changes(result)] == ["a@example.org", "b@example.org"]
    assert why(result) == [("asked for twice", "one")] * 2


def test_only_the_addresses_that_were_refused_fall_silent(world: World) -> None:
    """No other of the record's; and where those changed since the scan, none until the next one."""
    emails = tuple(map(Email, ("a@example.org", "b@example.org")))
    here = said(ConsentStatus.GRANTED, "b@example.org")
    world.crm.add(person("1", "b@example.org", said(ConsentStatus.OBJECTED)))
    world.crm.add(Contact(ref=RecordRef("crm", "2"), emails=emails, consents=(here,)))
    check = "{kind: consent, channel: email, problem: contradicted}"
    result = planned(world, rule("suppress: {channel: email}", check=check))
    assert [(one.ref.id, one.address) for one in changes(result)] == [("2", "b@example.org")]

    world.clock.forward(seconds=1)
    world.crm.edit("2", last_name="Martin")
    pull(world.database, "crm", "fake", world.crm, clock=world.clock, full=True)
    again = world.plan()
    assert (changes(again), why(again)) == ([], [("stale", "")])


def test_without_an_address_there_is_nothing_to_suppress(world: World) -> None:
    """The plan says so; a phone is suppressed by its number, an SMS by the mobile's."""
    world.crm.add("1", phone="+33199001234")
    result = planned(world, rule("suppress: {channel: phone}, suppress: {channel: sms}"))
    assert [change.address for change in changes(result)] == ["+33199001234"]
    assert why(result) == [("no address", "sms")]


# -- archive ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "reason"),
    [
        (person("1", "a@example.org", said(ConsentStatus.NONE)), []),
        (person("1", "a@example.org", said(ConsentStatus.HARD_BOUNCE)), []),
        (person("1", legal_hold=True), [("legal hold", "")]),
        (person("1", "a@example.org", said(ConsentStatus.OBJECTED)), [("suppression kept", "email")]),
        (person("1", "a@example.org", said(ConsentStatus.COMPLAINT, "a@example.org")),
         [("suppression kept", "email")]),
        (person("1", "a@example.org", said(ConsentStatus.OBJECTED, "a@example.org")), []),
        (person("1", "a@example.org",
                said(ConsentStatus.OBJECTED, "+33199001234", channel=Channel.PHONE)),
         [("suppression kept", "phone")]),
    ],
)  # fmt: skip
def test_a_record_is_archived_unless_a_refusal_would_go_with_it(
    world: World, contact: Contact, reason: list[tuple[str, str]]
) -> None:
    """Here the CRM keeps opt-outs from e-mail by address, and nothing else."""
    world.crm.add(contact)
    world.rules(rule("archive: {}", mode="apply"))
    world.look()
    world.keeps_optouts = True
    result = world.plan()
    assert why(result) == reason
    assert [(type(p.change), p.automatic) for p in result.plan.changes] == (
        [] if reason else [(ArchiveRecord, False)]
    )


def test_a_crm_that_keeps_no_opt_outs_keeps_the_record(world: World) -> None:
    """Most CRMs hang the opt-out on the record: it would be forgotten with it."""
    consent = said(ConsentStatus.WITHDRAWN, "a@example.org")
    world.crm.add(person("1", "a@example.org", consent))
    result = planned(world, rule("archive: {}"))
    assert (changes(result), why(result)) == ([], [("suppression kept", "email")])


def test_what_became_of_the_record_since_the_plan_forbids_its_archiving(world: World) -> None:
    """A lawyer put it on hold between the approval and the write."""
    world.crm.add("1", first_name="Zoé")
    plan = planned(world, rule("archive: {}")).plan
    world.crm.edit("1", legal_hold=True)
    counts = world.apply(plan, "all")
    assert [line.reason for line in counts.lines] == ["changed meanwhile: legal_hold"]
    assert "1" in world.crm.records


def test_what_changed_since_the_scan_is_looked_at_again_before_it_goes(world: World) -> None:
    """The finding may not hold any more: nothing that lasts is planned on it."""
    for name in ("1", "2"):
        world.crm.add(person(name, "a@example.org"))
    world.rules(rule("archive: {}"), rule("merge: {}", check=TWICE, name="two"))
    world.look()
    world.clock.forward(seconds=1)
    world.crm.edit("2", last_name="Martin")
    pull(world.database, "crm", "fake", world.crm, clock=world.clock, full=True)
    assert sorted(why(world.plan())) == [("stale", "")] * 2


# -- merge --------------------------------------------------------------------------------------


def couple(world: World, one: dict[str, Any], two: dict[str, Any]) -> None:
    """Add two records of one person."""
    for name, parts in (("1", one), ("2", two)):
        consents = parts.pop("consents", ())
        world.crm.add(person(name, parts.pop("email", "a@example.org"), *consents, **parts))


@pytest.mark.parametrize(
    ("criterion", "worse", "better"),
    [
        ("customer first", {"stage": Stage.PROSPECT}, {"stage": Stage.CUSTOMER}),
        ("latest act of the person", {}, {"last_person_act": DAY}),
        ("latest activity", {"last_activity": DAY}, {"last_activity": DAY + timedelta(days=1)}),
        ("oldest", {"created_at": DAY + timedelta(days=1)}, {"created_at": DAY}),
        ("oldest", {}, {"created_at": DAY}),
        ("newest", {"created_at": DAY}, {"created_at": DAY + timedelta(days=1)}),
        ("most complete", {"company": "  "}, {"company": "Acme"}),
        ("most complete", {}, {"extra": {"size": 3}}),
        ("has owner", {}, {"owner": "7"}),
        (
            "strictest consent",
            {"consents": (said(ConsentStatus.NONE),)},
            {"consents": (said(ConsentStatus.HARD_BOUNCE),)},
        ),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_first_criterion_that_names_one_record_decides(
    world: World, criterion: str, worse: dict[str, Any], better: dict[str, Any], turned: bool
) -> None:
    """Whatever the order of the records; the plan says which criterion it was."""
    sides = [dict(worse), dict(better)]
    couple(world, *(sides[::-1] if turned else sides))
    action = f"merge: {{keep: [{criterion}]}}"
    (one,) = planned(world, rule(action, check=TWICE, mode="apply")).plan.changes
    change = one.change
    assert isinstance(change, MergeRecords)
    kept, lost = ("1", "2") if turned else ("2", "1")
    assert (change.ref.id, [loser.id for loser in change.losers]) == (kept, [lost])
    assert set(change.expected) == {"1", "2"}
    assert change.expected["1"]["email"] == "a@example.org"
    assert one.detail
    assert not one.automatic
    assert change.reversibility is Reversibility.IRREVERSIBLE


def test_ties_go_to_the_next_criterion_and_a_draw_is_no_merge(world: World) -> None:
    """Three customers, two of them active on one day, one of those older: it stays."""
    parts = {"stage": Stage.CUSTOMER, "last_person_act": DAY}
    for name, age in (("1", 3), ("2", 2)):
        made = DAY - timedelta(days=age)
        world.crm.add(person(name, "a@example.org", created_at=made, **parts))
    world.crm.add(person("3", "a@example.org", created_at=DAY - timedelta(days=9)))
    result = planned(world, rule("merge: {}", check=TWICE))
    assert [(change.ref.id, len(change.losers)) for change in changes(result)] == [("1", 2)]

    draw = planned(world, rule("merge: {keep: [customer first, newest]}", check=TWICE))
    assert [change.ref.id for change in changes(draw)] == ["2"]
    draw = planned(world, rule("merge: {keep: [customer first]}", check=TWICE))
    assert (changes(draw), why(draw)) == ([], [("no survivor", "customer first")])


GRANTED, WITHDRAWN = said(ConsentStatus.GRANTED), said(ConsentStatus.WITHDRAWN)


@pytest.mark.parametrize(
    ("one", "two", "channels"),
    [
        ({"consents": (GRANTED,)}, {"consents": (WITHDRAWN,)}, "email"),
        ({"consents": (GRANTED,)}, {"consents": (said(ConsentStatus.UNKNOWN),)}, "email"),
        ({"consents": (WITHDRAWN,)}, {"consents": (said(ConsentStatus.OBJECTED),)}, ""),
        ({"consents": (GRANTED,)}, {"consents": ()}, ""),
        (
            {"consents": (said(ConsentStatus.GRANTED, channel=Channel.SMS),)},
            {"consents": (said(ConsentStatus.OBJECTED, channel=Channel.SMS),)},
            "sms",
        ),
        (
            {"consents": (GRANTED, said(ConsentStatus.WITHDRAWN, purpose="news"))},
            {"consents": (GRANTED, said(ConsentStatus.GRANTED, purpose="news"))},
            "email",
        ),
    ],
)
def test_records_that_disagree_on_consent_are_not_merged(
    world: World, one: dict[str, Any], two: dict[str, Any], channels: str
) -> None:
    """A person finds out what holds; a consent for the same address is no disagreement."""
    couple(world, {**one, "created_at": DAY}, two)
    result = planned(world, rule("merge: {}", check=TWICE))
    assert why(result) == ([("consent conflict", channels)] if channels else [])
    assert bool(changes(result)) is not bool(channels)


def test_a_consent_is_not_lent_to_the_persons_other_address(world: World) -> None:
    """One agreed under one address; the record with the other never did."""
    phones = (Phone("+33199001234"),)
    names = {"first_name": "Zoé", "last_name": "Martin", "phones": phones}
    couple(
        world,
        {"consents": (GRANTED,), "created_at": DAY, **names},
        {"email": "b@example.org", **names},
    )
    assert why(planned(world, rule("merge: {}", check=TWICE))) == [("consent conflict", "email")]


def test_a_record_on_legal_hold_is_not_merged_but_may_be_corrected(world: World) -> None:
    """Nothing that lasts is done to it; updates and tasks are."""
    couple(world, {"legal_hold": True, "created_at": DAY}, {})
    result = planned(
        world,
        rule("merge: {}", check=TWICE),
        rule("update: {set: {city: Paris}}, task: {title: Look}", name="two"),
    )
    assert why(result) == [("legal hold", "")]
    assert {type(change) for change in changes(result)} == {UpdateFields, CreateTask}


def test_a_chain_is_shown_and_not_merged(world: World) -> None:
    """The first and the last have nothing in common."""
    names = {"first_name": "Zoé", "last_name": "Martin"}
    phones = (Phone("+33199001234"),)
    world.crm.add(person("1", "a@example.org", **names, created_at=DAY))
    world.crm.add(person("2", "a@example.org", **names, phones=phones))
    world.crm.add(person("3", "b@example.org", **names, phones=phones))
    result = planned(world, rule("merge: {}", check=TWICE))
    assert (changes(result), why(result)) == ([], [("chained", "")])


def test_rules_that_want_to_merge_and_to_archive_one_record_are_both_held_back(
    world: World,
) -> None:
    """Neither wins by order; two rules that want the same merge ask for it once."""
    couple(world, {"created_at": DAY, "job_title": "Baker"}, {})
    merge = rule("merge: {}", check=TWICE)
    result = planned(world, merge, rule("archive: {}", name="two"))
    assert (changes(result), sorted(why(result))) == ([], [("clash", "one"), ("clash", "two")])
    result = planned(world, merge, rule("merge: {}", check=TWICE, name="two"))
    assert (len(changes(result)), why(result)) == (1, [("asked for twice", "one")])


def test_a_merge_is_written_once_a_person_agrees(world: World) -> None:
    """The losers go, the survivor keeps its values, and there is nothing more to do."""
    couple(world, {"created_at": DAY, "first_name": "Zoé"}, {"first_name": "ZOE"})
    world.rules(rule("merge: {}", check=TWICE, mode="apply"))
    assert world.run().states.total() == 0
    assert world.run("all").states.total() == 1
    assert {c.ref.id: c.first_name for c in world.crm.records.values()} == {"1": "Zoé"}
    world.look()
    again = world.plan()
    assert (changes(again), why(again)) == ([], [])


# -- several connections ------------------------------------------------------------------------


class Two:
    """Two CRMs; the second can do less."""

    def __init__(self, world: World) -> None:
        self.world, self.other = world, FakeCrm("other", clock=world.clock)
        self.able = Ability(fields=None, can=frozenset(Capability))
        self.unable = Ability(fields=None, can=frozenset({Capability.TASK, Capability.UPDATE}))

    def plan(self, text: str) -> PlanResult:
        """Look into both and plan."""
        world = self.world
        world.rules(text)
        for crm in (world.crm, self.other):
            pull(world.database, crm.connection, "fake", crm, clock=world.clock, full=True)
        scan(world.database, world.book, clock=world.clock)
        return make_plan(
            world.database,
            world.book,
            limits=world.limits,
            abilities={"crm": self.able, "other": self.unable},
            clock=world.clock,
        )

    def add(self, crm: FakeCrm, *names: str) -> None:
        """Add records of one person, the first one the oldest."""
        for age, name in enumerate(names):
            made = DAY + timedelta(days=age)
            contact = person(name, "a@example.org", created_at=made)
            crm.add(replace(contact, ref=RecordRef(crm.connection, name)))


@pytest.fixture
def two(world: World) -> Two:
    """Give two CRMs."""
    return Two(world)


def test_a_group_is_merged_inside_each_connection(two: Two) -> None:
    """Never across; where a connection cannot merge, the plan says so."""
    two.add(two.world.crm, "1", "2")
    two.add(two.other, "3", "4")
    result = two.plan(rule("merge: {}", check=TWICE))
    assert [(str(change.ref), change.losers) for change in changes(result)] == [
        ("crm:1", (RecordRef("crm", "2"),))
    ]
    assert [(str(one.ref), one.why.value) for one in result.withheld] == [("other:3", "cannot")]


def test_a_task_stands_in_only_where_something_cannot_be_done(two: Two) -> None:
    """Where everything can be done, nobody has to do it by hand."""
    text = rule("merge: {}, task: {title: Merge them}", check=TWICE, more="if_unable: task")
    two.add(two.world.crm, "1", "2")
    assert [type(change) for change in changes(two.plan(text))] == [MergeRecords]

    two.add(two.other, "3", "4")
    result = two.plan(text)
    assert [type(change) for change in changes(result)] == [MergeRecords, CreateTask]
    assert why(result) == []


def test_a_task_stands_in_for_a_merge_across_connections(two: Two) -> None:
    """Each record is in a connection of its own: nothing can be merged, and without it, it is said."""
    text = rule("merge: {}, task: {title: Merge them}", check=TWICE, more="if_unable: task")
    two.add(two.world.crm, "1")
    two.add(two.other, "3")
    result = two.plan(text)
    assert ([type(change) for change in changes(result)], why(result)) == ([CreateTask], [])
    result = two.plan(text.replace("if_unable: task", "if_unable: skip"))
    assert [type(change) for change in changes(result)] == [CreateTask]
    assert why(result) == [("apart", "")]


def test_a_rule_does_in_each_connection_what_its_mode_there_allows(two: Two) -> None:
    """report: nothing; propose: with approval; apply: without."""
    for name in ("1", "2"):
        two.add(two.world.crm, name)
        two.add(two.other, name)
    text = rule("update: {set: {city: Paris}}", mode="{default: report, other: apply}")
    result = two.plan(text)
    assert {(p.change.ref.connection, p.automatic) for p in result.plan.changes} == {
        ("other", True)
    }
    assert why(result) == []


def test_a_finding_has_one_task_wherever_it_stands(two: Two) -> None:
    """A group whose task stands in one CRM gets no second one when the rule only reports there now."""
    two.add(two.world.crm, "1")
    two.add(two.other, "3")
    text = rule("task: {title: Merge them}", check=TWICE)
    first = two.plan(text)
    assert [str(change.ref) for change in changes(first)] == ["crm:1"]
    two.world.apply(first.plan, "all")
    two.world.clock.forward(seconds=1)
    again = two.plan(text.replace("mode: propose", "mode: {default: propose, crm: report}"))

    assert changes(again) == []
    assert [(str(one.ref), one.why.value) for one in again.withheld] == [("other:3", "task stands")]


# -- tasks --------------------------------------------------------------------------------------

STAFF = {
    "41": Owner(id="41", name="Ann", email="ann@example.com", active=False),
    "42": Owner(id="42", name="Bob", email="Bob@Example.com"),
    "43": Owner(id="43", name="Eve", email="eve@example.com"),
}


@pytest.mark.parametrize(
    ("routing", "contact", "owner", "unknown"),
    [
        ("bob@example.com", {}, "42", []),
        ('"43"', {}, "43", []),
        ("owner", {"owner": "42"}, "42", []),
        ("owner", {"owner": "41"}, None, []),
        ("{owner: true, otherwise: eve@example.com}", {"owner": "41"}, "43", []),
        ("ann@example.com", {}, None, ["ann@example.com"]),
        ("{round_robin: [ann@example.com, bob@example.com]}", {}, "42", None),
        (
            "{by_country: {DE: eve@example.com}, owner: true}",
            {"owner": "42", "country": "DE"},
            "43",
            [],
        ),
        (
            "{by_country: {DE: eve@example.com}, owner: true}",
            {"owner": "42", "country": "FR"},
            "42",
            [],
        ),
        (
            "{by_country: {DE: zoe@example.com}, otherwise: bob@example.com}",
            {"country": "Allemagne"},
            "42",
            ["zoe@example.com"],
        ),
    ],
)
def test_a_task_goes_to_whoever_is_there(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    routing: str,
    contact: dict[str, Any],
    owner: str | None,
    unknown: list[str] | None,
) -> None:
    """Who left or is not known is passed over, said once, and the task is made all the same."""
    account = Account(id="1", name="A fake CRM", owners=STAFF)
    monkeypatch.setattr(FakeCrm, "check", lambda _crm: account)
    for name in ("1", "2"):
        world.crm.add(name, **contact)
    result = planned(world, rule(f"task: {{to: {routing}, title: Look}}"))
    assert [task.owner for task in changes(result)] == [owner] * 2
    if unknown is not None:
        assert [(one.connection, one.person) for one in result.nobody] == [
            ("crm", name) for name in unknown
        ]


def test_a_round_robin_shares_and_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several people get some each; the next plan gives every task to the same one."""
    account = Account(id="1", name="A fake CRM", owners=STAFF)
    monkeypatch.setattr(FakeCrm, "check", lambda _crm: account)
    for number in range(20):
        world.crm.add(str(number))
    routing = "{round_robin: [bob@example.com, eve@example.com]}"
    first = changes(planned(world, rule(f"task: {{to: {routing}, title: Look}}")))
    second = changes(world.plan())
    assert {task.owner for task in first} == {"42", "43"}
    assert [task.owner for task in first] == [task.owner for task in second]


def test_a_due_date_counts_in_the_time_zone_of_the_settings(world: World) -> None:
    """Late in the evening in Paris it is tomorrow already in Auckland."""
    world.crm.add("1")
    world.clock.forward(hours=12)
    world.rules(rule("task: {due: 5 working days, title: Look}"))
    world.look()
    days = [
        changes(world.plan(zone=zone))[0].due.isoformat()
        for zone in (UTC, timezone(timedelta(hours=13)))
    ]
    assert days == ["2026-11-23", "2026-11-24"]


# -- what cannot be taken back, and what it touches ----------------------------------------------


def test_what_is_not_undone_by_machine_says_who_can(world: World) -> None:
    """A suppression, an archiving and a merge are named, each with what is left to do."""
    couple(world, {"created_at": DAY, "job_title": "Baker"}, {"job_title": "Baker"})
    world.crm.add(person("3", "c@example.org"))
    world.crm.add(person("4", "d@example.org", address=PostalAddress(country="FR")))
    french = "{field: country, equals: FR}"
    world.rules(
        rule("merge: {}", check=TWICE, name="merges"),
        rule("archive: {}", name="archives", more=f"where: {french}"),
        rule("suppress: {channel: email}", name="silences", more=f"where: {{not: {french}}}"),
    )
    world.run("all")
    told = {
        line.kind: reason
        for name in ("merges", "archives", "silences")
        for line, reason in plan_undo(world.database, name).impossible
    }
    assert {kind: reason.split(":")[0] for kind, reason in told.items()} == {
        "merge": "a merge cannot be taken back",
        "archive": "restore the record from the CRM's recycle bin",
        "suppress": "no suppression of this connection is lifted by machine",
    }


def test_a_canary_counts_every_record_of_a_merge(world: World) -> None:
    """A new rule first touches ten records, not ten groups of any size."""
    for number in range(12):
        made = DAY + timedelta(days=number)
        world.crm.add(person(str(number), f"{number // 3}@example.org", created_at=made))
    world.limits = world.limits.model_copy(update={"canary": 7})
    result = planned(world, rule("merge: {}", check=TWICE))
    assert [len(change.losers) for change in changes(result)] == [2, 2]
    assert why(result) == [("canary", "7")] * 2


def test_a_merge_under_way_keeps_its_records_from_other_changes(world: World) -> None:
    """The losers too: what became of them is not known yet."""
    couple(world, {"created_at": DAY, "job_title": "Baker"}, {})
    plan = planned(world, rule("merge: {}", check=TWICE)).plan
    world.crm.fail(Fault.LOST_ANSWER)
    world.settle_after = timedelta(hours=1)
    world.apply(plan, "all")
    result = world.plan()
    world.rules(rule("merge: {}", check=TWICE), rule("update: {set: {city: Paris}}", name="two"))
    scan(world.database, world.book, clock=world.clock)
    result = world.plan()
    assert changes(result) == []
    assert set(why(result)) == {("under way", "")}


@pytest.mark.parametrize(
    "actions",
    [
        "update: {set: {job_title: to be asked}}",
        "update: {copy: {job_title: company}}",
        "update: {clear: [job_title]}",
        "tag: {field: extra.group, value: asked}",
    ],
)
def test_what_a_person_wrote_since_the_scan_is_not_taken_for_what_was_found(
    world: World, actions: str
) -> None:
    """A pull brings the salesperson's title before the next scan resolves the finding: it stays."""
    world.crm.add("1", company="Acme", extra={"group": None})
    planned(world, rule(actions))
    world.clock.forward(minutes=10)
    world.crm.edit("1", job_title="Buyer")
    pull(world.database, "crm", "fake", world.crm, clock=world.clock)
    result = world.plan()

    assert result.plan.changes == ()
    assert world.withheld(result) == ["stale"]


def test_a_scan_of_changes_lets_a_record_that_changed_be_written(world: World) -> None:
    """It looked, and the finding stands: nothing waits for the next scan of everything."""
    world.crm.add("1", company="Acme")
    planned(world, rule("update: {set: {job_title: to be asked}}"))
    world.clock.forward(minutes=10)
    world.crm.edit("1", company="Acme Ltd")
    pull(world.database, "crm", "fake", world.crm, clock=world.clock)
    assert world.withheld(world.plan()) == ["stale"]
    world.clock.forward(minutes=1)
    scan(world.database, world.book, clock=world.clock, changed=True)

    assert len(world.plan().plan.changes) == 1
