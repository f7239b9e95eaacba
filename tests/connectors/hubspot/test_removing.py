"""Unsubscribing, merging and archiving in HubSpot: what no answer may undo, lose or hide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from tests.connectors.hubspot.conftest import Open, calls_to, served

from crm_steward.connect.calls import TooLateError, before_each_call
from crm_steward.sandbox import Server, parse_faults
from crm_steward.sdk import (
    ArchiveRecord,
    AuthError,
    Channel,
    Connector,
    Contact,
    MergeRecords,
    Outcome,
    RecordRef,
    RetryableError,
    Status,
    SuppressChannel,
    UpdateFields,
)
from crm_steward_hubspot.sandbox import SCOPES, HubSpotSandbox, preferences

GIVEN = "Freely given consent from contact"
V4 = "/communication-preferences/v4"
DATED = "/communication-preferences/2026-03"


@pytest.fixture
def account() -> Iterator[tuple[Server, HubSpotSandbox, Open]]:
    """Serve an account without people."""
    with served(contacts=0) as made:
        yield made


def make(crm: HubSpotSandbox, **values: str) -> str:
    """Create a contact and return its id."""
    made: str = crm.by_hand({"do": "create", "values": values})["id"]
    return made


def ref(record_id: str) -> RecordRef:
    """Name a record."""
    return RecordRef("hub", record_id)


def silence(record_id: str, address: str = "", channel: Channel = Channel.EMAIL) -> SuppressChannel:
    """Return the change that stops a channel."""
    return SuppressChannel(ref=ref(record_id), channel=channel, address=address, reason="asked")


def wide(crm: HubSpotSandbox, address: str) -> bool:
    """Whether an address is unsubscribed from everything."""
    return preferences.held(crm, address)["optout"] is not None


def one(outcomes: Iterator[Outcome]) -> Outcome:
    """Return the only outcome."""
    (outcome,) = outcomes
    return outcome


def fresh(connector: Connector, record_id: str) -> Contact:
    """Return a contact as it is now."""
    (contact,) = connector.get([ref(record_id)]).values()
    return contact


# -- unsubscribing ----------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["", "Ann@Example.com", "ann@example.com"])
def test_an_address_is_unsubscribed_from_everything(
    account: tuple[Server, HubSpotSandbox, Open], address: str
) -> None:
    """Named in any case, or the contact's own where none is named.

    No e-mail address goes unescaped into the call's address, and no call ever subscribes.
    """
    server, crm, connect = account
    record_id = make(crm, email="ann@example.com", hs_legal_basis=GIVEN)
    connector = connect()
    assert one(connector.apply([silence(record_id, address)])).status is Status.VERIFIED
    assert wide(crm, "ann@example.com")
    assert not fresh(connector, record_id).consents[0].status.mailable
    assert calls_to(server, r"@") == 0
    assert calls_to(server, "/subscribe|/statuses/[^/]*[?]", "POST") == 0


def test_who_is_unsubscribed_is_left_alone(account: tuple[Server, HubSpotSandbox, Open]) -> None:
    """The flag of the contact, or the status of an additional address, is enough: nothing is sent."""
    server, crm, connect = account
    record_id = make(crm, email="ann@example.com")
    merged = crm.by_hand(
        {"do": "merge", "primary": record_id, "other": make(crm, email="ann@work.example")}
    )["id"]
    for address in ("ann@example.com", "ann@work.example"):
        crm.by_hand({"do": "withdraw", "email": address})
        outcome = one(connect().apply([silence(merged, address)]))
        assert outcome.status is Status.VERIFIED
    assert calls_to(server, "unsubscribe", "POST") == 0


def test_an_additional_address_is_unsubscribed_by_itself(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """The contact's own address stays as it is; settle asks about the address, not the contact."""
    _server, crm, connect = account
    first, other = make(crm, email="a@example.com"), make(crm, email="b@example.com")
    merged = crm.by_hand({"do": "merge", "primary": first, "other": other})["id"]
    connector, change = connect(), silence(merged, "b@example.com")
    assert one(connector.settle([change])).status is Status.ABSENT
    assert one(connector.apply([change])).status is Status.VERIFIED
    assert wide(crm, "b@example.com")
    assert not wide(crm, "a@example.com")
    assert one(connector.settle([change])).status is Status.VERIFIED


def test_what_cannot_be_stopped_is_refused_with_a_reason(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """Phone, SMS and post have no switch; a contact without an address has none to stop."""
    server, crm, connect = account
    record_id = make(crm, phone="1")
    for channel in (Channel.PHONE, Channel.SMS, Channel.POST):
        outcome = one(connect().apply([silence(record_id, channel=channel)]))
        assert outcome.status is Status.REJECTED
        assert channel.value in outcome.reason
    outcome = one(connect().apply([silence(record_id)]))
    assert (outcome.status, outcome.reason) == (
        Status.REJECTED,
        "the contact has no e-mail address",
    )
    assert calls_to(server, "communication-preferences") == 0


@pytest.mark.parametrize(
    "closed",
    [{V4: 404}, {V4: 410}, {V4: 403}],
)
def test_version_4_s_end_is_survived(closed: dict[str, int]) -> None:
    """The dated successor takes over, is remembered, and answers the same."""
    with served(contacts=0, closed=closed) as (server, crm, connect):
        connector = connect()
        ids = [make(crm, email=f"{n}@example.com") for n in range(3)]
        changes = [silence(record_id) for record_id in ids]
        assert {outcome.status for outcome in connector.apply(changes)} == {Status.VERIFIED}
        assert all(wide(crm, f"{n}@example.com") for n in range(3))
        assert calls_to(server, V4) == 1


def test_where_only_version_3_is_open_each_kind_is_unsubscribed() -> None:
    """One by one, with the legal basis that data privacy settings ask for, and settled so."""
    with served(contacts=0, closed={V4: 403, DATED: 403}) as (server, crm, connect):
        record_id = make(crm, email="ann@example.com", hs_legal_basis=GIVEN)
        crm.by_hand({"do": "withdraw", "email": "ann@example.com", "subscription": "2"})
        connector, change = connect(), silence(record_id)
        assert one(connector.settle([change])).status is Status.ABSENT, "one kind is not all"
        assert one(connector.apply([change])).status is Status.VERIFIED
        assert calls_to(server, "v3/unsubscribe$") == 1, "the other kind was unsubscribed before"
        said = preferences.held(crm, "ann@example.com")["subscriptions"]
        assert {kind["status"] for kind in said.values()} == {"NOT_SUBSCRIBED"}
        assert said["1"]["legalBasis"] == "LEGITIMATE_INTEREST_OTHER"
        assert said["1"]["legalBasisExplanation"] == "crm-steward: asked"
        assert one(connector.settle([change])).status is Status.VERIFIED
        assert one(connector.apply([change])).status is Status.VERIFIED
        assert calls_to(server, "v3/unsubscribe$") == 1, "and nothing is sent twice"
        contact = fresh(connector, record_id)
        assert not any(consent.status.mailable for consent in contact.consents)


def test_an_address_that_was_never_asked_is_not_taken_for_unsubscribed() -> None:
    """Version 3 says NOT_SUBSCRIBED of both; the contact's own flags tell them apart."""
    with served(contacts=0, closed={V4: 403, DATED: 403}) as (_server, crm, connect):
        record_id = make(crm, email="ann@example.com")
        assert one(connect().settle([silence(record_id)])).status is Status.ABSENT
        crm.by_hand({"do": "withdraw", "email": "ann@example.com"})
        assert one(connect().settle([silence(record_id)])).status is Status.VERIFIED


def test_a_token_without_the_scope_is_a_matter_for_a_person() -> None:
    """It says which scope, and nothing was unsubscribed."""
    scopes = [scope for scope in SCOPES if "communication" not in scope]
    with served(contacts=0, scopes=scopes) as (_server, crm, connect):
        record_id = make(crm, email="ann@example.com")
        with pytest.raises(AuthError, match=r"communication_preferences\.read"):
            list(connect().apply([silence(record_id)]))
        assert not wide(crm, "ann@example.com")


@pytest.mark.parametrize(
    ("closed", "path"), [({}, "unsubscribe-all"), ({V4: 403, DATED: 403}, "v3/unsubscribe$")]
)
def test_an_opt_out_that_hubspot_does_not_show_is_in_doubt(
    closed: dict[str, int], path: str
) -> None:
    """A success without effect: not verified, settled as absent, made again."""
    with served(contacts=0, closed=closed) as (server, crm, connect):
        record_id = make(crm, email="ann@example.com")
        crm.by_hand({"do": "opt_in", "email": "ann@example.com"})
        fault = {"path": path, "method": "POST", "nth": 1, "no_op": True}
        server.faults.add(parse_faults(fault))
        connector, change = connect(), silence(record_id)
        assert one(connector.apply([change])).status is Status.UNKNOWN
        assert one(connector.settle([change])).status is Status.ABSENT
        assert one(connector.apply([change])).status is Status.VERIFIED


# -- merging ----------------------------------------------------------------------------------


def merge(*record_ids: str) -> MergeRecords:
    """Return the merge of records into the first."""
    survivor, *losers = map(ref, record_ids)
    return MergeRecords(ref=survivor, losers=tuple(losers))


@pytest.mark.parametrize("keep", [False, True])
def test_a_chain_follows_the_ids_of_the_answers(keep: bool) -> None:
    """Five records, four merges, each into what the last answer named; all ids lead to one."""
    with served(contacts=0, preserve_primary_id=keep) as (server, crm, connect):
        ids = [make(crm, lastname=f"N{n}", email=f"{n}@example.com") for n in range(5)]
        connector = connect()
        outcome = one(connector.apply([merge(*ids)]))
        assert outcome.status is Status.VERIFIED
        assert (outcome.remote_id == ids[0]) is keep
        assert calls_to(server, "/merge$") == 4
        assert {fresh(connector, record_id).ref.id for record_id in ids} == {outcome.remote_id}
        contact = fresh(connector, ids[0])
        assert (contact.last_name, contact.value("email")) == ("N0", "0@example.com")
        assert len(contact.emails) == 5
        again = one(connector.apply([merge(*ids)]))
        assert (again.status, again.remote_id) == (Status.VERIFIED, outcome.remote_id)
        assert calls_to(server, "/merge$") == 4, "a done merge is not sent again"


def test_a_chain_that_was_begun_goes_on_where_it_stopped(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """One loser is in already, under the survivor's new id: only the others are merged."""
    server, crm, connect = account
    ids = [make(crm, lastname=f"N{n}") for n in range(4)]
    crm.by_hand({"do": "merge", "primary": ids[0], "other": ids[2]})
    connector = connect()
    begun = one(connector.settle([merge(*ids)]))
    assert (begun.status, begun.reason) == (Status.CONFLICT, "1 of 3 records were merged")
    assert one(connector.apply([merge(*ids)])).status is Status.VERIFIED
    assert calls_to(server, "/merge$") == 2
    assert one(connector.settle([merge(*ids)])).status is Status.VERIFIED


@pytest.mark.parametrize("broken", ["414", "lost"])
def test_a_chain_that_breaks_says_how_far_it_came(
    account: tuple[Server, HubSpotSandbox, Open], broken: str
) -> None:
    """Refused half way it is a conflict with a count; with a lost answer it is unknown."""
    server, crm, connect = account
    ids = [make(crm, lastname=f"N{n}") for n in range(4)]
    if broken == "414":
        server.faults.add(parse_faults({"path": "/merge$", "nth": 2, "status": 414}))
    else:
        server.faults.add(parse_faults({"path": "/merge$", "nth": 2, "reset": "after"}))
    connector = connect()
    outcome = one(connector.apply([merge(*ids)]))
    if broken == "414":
        assert outcome.status is Status.CONFLICT
        assert outcome.reason.startswith("1 of 3 records were merged: hub: HubSpot refuses")
        assert "414" in outcome.reason
        assert one(connector.settle([merge(*ids)])).reason == "1 of 3 records were merged"
    else:
        assert outcome.status is Status.UNKNOWN
        assert one(connector.settle([merge(*ids)])).reason == "2 of 3 records were merged"
    assert calls_to(server, "/merge$") == 2


def test_too_many_identities_are_refused_before_anything_is_merged(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """The last of a chain would be one too many: not even the first is merged; 250 are."""
    server, crm, connect = account
    ids = [make(crm, lastname=f"N{n}") for n in range(3)]
    many = [str(n) for n in range(1, 248)]
    crm.by_hand({"do": "edit", "id": ids[2], "values": {"hs_merged_object_ids": ";".join(many)}})
    outcome = one(connect().apply([merge(*ids)]))
    assert outcome.status is Status.REJECTED
    assert outcome.reason.startswith("it would come to 251 identities, and HubSpot takes 250")
    assert calls_to(server, "/merge$") == 0
    assert {str(i) for i in crm.active} == set(ids)
    fewer = ";".join(many[:-1])
    crm.by_hand({"do": "edit", "id": ids[2], "values": {"hs_merged_object_ids": fewer}})
    assert one(connect().apply([merge(*ids)])).status is Status.VERIFIED


def test_what_hubspot_counts_is_what_holds(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """HubSpot's own 414, whatever we counted: the merge is rejected, and both records stay."""
    server, crm, connect = account
    ids = [make(crm, lastname=f"N{n}") for n in range(2)]
    server.faults.add(parse_faults({"path": "/merge$", "status": 414}))
    outcome = one(connect().apply([merge(*ids)]))
    assert outcome.status is Status.REJECTED
    assert "414" in outcome.reason
    assert {str(i) for i in crm.active} == set(ids)


def test_records_that_went_elsewhere_are_not_merged(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """A person merged the loser, or the survivor, into a third record: a conflict, nothing sent."""
    server, crm, connect = account
    for moved in (0, 1):
        ids = [make(crm, lastname=f"N{n}") for n in range(3)]
        crm.by_hand({"do": "merge", "primary": ids[2], "other": ids[moved]})
        outcome = one(connect().apply([merge(*ids[:2])]))
        assert outcome.status is Status.CONFLICT
        assert "was merged into" in outcome.reason
    assert calls_to(server, "/merge$") == 0


STATES: dict[str, dict[str, Any]] = {
    "given": {"hs_legal_basis": GIVEN},
    "existing customer": {"hs_legal_basis": "Legitimate interest \u2013 existing customer"},
    "contract only": {"hs_legal_basis": "Performance of a contract"},
    "nothing known": {},
    "out of all": {"hs_legal_basis": GIVEN, "out": ""},
    "out of one kind": {"hs_legal_basis": GIVEN, "out": "2"},
    "complained": {
        "hs_legal_basis": GIVEN,
        "hs_email_quarantined": "true",
        "hs_email_quarantined_reason": "RECIPIENT_COMPLAINT",
    },
    "without an address": {"email": "", "hs_legal_basis": GIVEN},
}
"""What a person may have said under an address."""


def _person(crm: HubSpotSandbox, address: str, state: dict[str, Any]) -> str:
    values = {"email": address, **state}
    out = values.pop("out", None)
    record_id = make(crm, lastname="Lee", **{k: v for k, v in values.items() if v})
    if out is not None:
        crm.by_hand({"do": "withdraw", "email": address, **({"subscription": out} if out else {})})
    return record_id


def _mailable(contact: Contact) -> bool:
    return bool(contact.consents) and contact.consents[0].status.mailable


def _purposes_out(contact: Contact) -> set[str]:
    return {c.purpose for c in contact.consents if c.purpose != "marketing"}


@pytest.mark.parametrize(("first", "second"), list(product(STATES, repeat=2)))
def test_no_merge_makes_anybody_more_contactable(
    account: tuple[Server, HubSpotSandbox, Open], first: str, second: str
) -> None:
    """For every pair of states, nobody is written to who was not before.

    An address that was out stays out; the survivor may be written to only if the address it now
    has could be before and nobody in it had withdrawn; who left one kind of e-mail has left it.
    """
    _server, crm, connect = account
    connector = connect()
    addresses = ("a@example.com", "b@example.com")
    ids = [
        _person(crm, address, STATES[state])
        for address, state in zip(addresses, (first, second), strict=True)
    ]
    before = [fresh(connector, record_id) for record_id in ids]
    out_before = {address for address in addresses if wide(crm, address)}
    outcome = one(connector.apply([merge(*ids)]))
    assert outcome.status is Status.VERIFIED, outcome.reason
    after = fresh(connector, outcome.remote_id)
    assert {address for address in addresses if wide(crm, address)} >= out_before
    objected = {"out of all", "complained"} & {first, second}
    if _mailable(after):
        owner = next(c for c in before if c.value("email") == after.value("email"))
        assert _mailable(owner)
        assert not objected
    if after.emails and not objected:
        said = set[str]().union(*(_purposes_out(c) for c in before))
        assert _purposes_out(after) >= said
    undisturbed = {"given", "existing customer"}
    if {first, second} <= undisturbed:
        assert _mailable(after), "and nothing is restricted without need"


def test_an_opt_out_that_cannot_be_kept_stops_the_merge() -> None:
    """The token may not unsubscribe: refused before anything is merged, and it says why."""
    scopes = [scope for scope in SCOPES if "communication" not in scope]
    with served(contacts=0, scopes=scopes) as (server, crm, connect):
        ids = [make(crm, email=f"{n}@example.com") for n in range(2)]
        crm.by_hand({"do": "withdraw", "email": "1@example.com"})
        outcome = one(connect().apply([merge(*ids)]))
        assert outcome.status is Status.REJECTED
        assert "would lose an opt-out" in outcome.reason
        assert "communication_preferences" in outcome.reason
        assert calls_to(server, "/merge$") == 0
        assert one(connect().apply([merge(*reversed(ids))])).status is Status.VERIFIED, (
            "the other way round nothing is lost, and no scope is needed"
        )


@pytest.mark.parametrize("reset", ["before", "after"])
def test_an_opt_out_in_doubt_leaves_the_records_apart(
    account: tuple[Server, HubSpotSandbox, Open], reset: str
) -> None:
    """Its answer was lost: nothing is merged, settle says so, and the next try comes to the end."""
    server, crm, connect = account
    ids = [make(crm, email=f"{n}@example.com") for n in range(2)]
    crm.by_hand({"do": "withdraw", "email": "1@example.com"})
    server.faults.add(
        parse_faults({"path": "unsubscribe", "method": "POST", "nth": 1, "reset": reset})
    )
    connector = connect()
    assert one(connector.apply([merge(*ids)])).status is Status.UNKNOWN
    assert calls_to(server, "/merge$") == 0
    assert one(connector.settle([merge(*ids)])).status is Status.ABSENT
    outcome = one(connector.apply([merge(*ids)]))
    assert outcome.status is Status.VERIFIED
    assert wide(crm, "0@example.com")


def test_a_legal_basis_that_cannot_be_taken_back_is_said(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """Merged is merged: the outcome names the survivor and what a person has to look at."""
    server, crm, connect = account
    ids = [make(crm, email="0@example.com"), make(crm, email="1@example.com", hs_legal_basis=GIVEN)]
    server.faults.add(parse_faults({"path": r"/contacts/\d+$", "method": "PATCH", "status": 400}))
    outcome = one(connect().apply([merge(*ids)]))
    assert outcome.status is Status.CONFLICT
    assert "got a legal basis" in outcome.reason
    assert str(crm.active[0]) in outcome.reason


def test_a_merge_that_must_wait_was_not_made(account: tuple[Server, HubSpotSandbox, Open]) -> None:
    """Asked to wait too often before the first step: an error without doubt, nothing merged."""
    server, crm, connect = account
    ids = [make(crm, lastname=f"N{n}") for n in range(2)]
    server.faults.add(parse_faults({"path": "/merge$", "status": 423, "retry_after": 0.001}))
    with pytest.raises(RetryableError) as caught:
        list(connect().apply([merge(*ids)]))
    assert not caught.value.sent
    assert {str(i) for i in crm.active} == set(ids)


def test_the_answer_of_a_merge_that_names_nobody_is_in_doubt(
    account: tuple[Server, HubSpotSandbox, Open], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A success without an id: unknown, and settle looks where the ids lead."""
    _server, crm, connect = account
    ids = [make(crm, lastname=f"N{n}") for n in range(2)]
    honest = crm.render

    def nameless(row: Any, names: Any) -> Any:
        shown = honest(row, names)
        return {**shown, "id": None} if "hs_merged_object_ids" in row["properties"] else shown

    with monkeypatch.context() as patched:
        patched.setattr(crm, "render", nameless)
        assert one(connect().apply([merge(*ids)])).status is Status.UNKNOWN
    assert one(connect().settle([merge(*ids)])).status is Status.VERIFIED


# -- archiving --------------------------------------------------------------------------------


def archive(record_id: str) -> ArchiveRecord:
    """Return the change that archives a record."""
    return ArchiveRecord(ref=ref(record_id), reason="test")


def test_two_hundred_and_fifty_contacts_are_archived_by_the_hundred() -> None:
    """Three requests; each outcome is seen by reading, because HubSpot says 204 to everything."""
    with served(contacts=260) as (server, crm, connect):
        ids = [str(record_id) for record_id in crm.active]
        outcomes = list(connect().apply([archive(record_id) for record_id in ids[:250]]))
        assert {outcome.status for outcome in outcomes} == {Status.VERIFIED}
        assert [str(i) for i in crm.active] == ids[250:]
        assert calls_to(server, "batch/archive") == 3


def test_a_204_without_effect_is_not_believed(
    account: tuple[Server, HubSpotSandbox, Open], monkeypatch: pytest.MonkeyPatch
) -> None:
    """HubSpot answers 204 and archives nothing: in doubt, and absent when settled."""
    _server, crm, connect = account
    record_id = make(crm, lastname="Lee")
    monkeypatch.setattr(crm, "archive", lambda _: None)
    assert one(connect().apply([archive(record_id)])).status is Status.UNKNOWN
    assert one(connect().settle([archive(record_id)])).status is Status.ABSENT


def test_an_id_that_leads_to_another_record_archives_nobody(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """Merged away since the plan: a conflict that names the survivor, who stays."""
    server, crm, connect = account
    first, other, third = (make(crm, lastname=f"N{n}") for n in range(3))
    merged = crm.by_hand({"do": "merge", "primary": first, "other": other})["id"]
    outcomes = list(connect().apply([archive(other), archive(third)]))
    assert [outcome.status for outcome in outcomes] == [Status.CONFLICT, Status.VERIFIED]
    assert merged in outcomes[0].reason
    assert [str(i) for i in crm.active] == [merged]
    assert one(connect().settle([archive(other)])).status is Status.CONFLICT
    assert calls_to(server, "batch/archive") == 1


def test_an_opt_out_outlives_the_contact(account: tuple[Server, HubSpotSandbox, Open]) -> None:
    """Archived and created anew: the address is still unsubscribed, and reading shows it."""
    _server, crm, connect = account
    record_id = make(crm, email="ann@example.com")
    connector = connect()
    list(connector.apply([silence(record_id), archive(record_id)]))
    again = make(crm, email="ann@example.com", hs_legal_basis=GIVEN)
    assert not _mailable(fresh(connector, again))


def test_changes_of_all_kinds_end_in_their_order(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """Mixed together, each outcome stands where its change does; settled as well."""
    _server, crm, connect = account
    ids = [make(crm, lastname=f"N{n}", email=f"{n}@example.com") for n in range(6)]
    changes = [
        archive(ids[0]),
        silence(ids[1]),
        merge(ids[2], ids[3]),
        silence(ids[4]),
        archive(ids[5]),
    ]
    connector = connect()
    for outcomes in (list(connector.apply(changes)), list(connector.settle(changes))):
        assert [outcome.status for outcome in outcomes] == [Status.VERIFIED] * 5
        assert len({outcome.key for outcome in outcomes}) == 5
        assert "@" not in json.dumps([outcome.reason for outcome in outcomes])


# -- consent through an update ----------------------------------------------------------------


def change(record_id: str, before: Any, after: Any, field: str = "email") -> UpdateFields:
    """Return the change of one field."""
    return UpdateFields(ref=ref(record_id), values={field: after}, expected={field: before})


@pytest.mark.parametrize("out", ["", "2"])
def test_a_corrected_address_is_out_of_what_the_wrong_one_was_out_of(
    account: tuple[Server, HubSpotSandbox, Open], out: str
) -> None:
    """An opt-out hangs on the address: a new address is out before the contact gets it."""
    _server, crm, connect = account
    record_id = make(crm, email="lee@exmaple.com", hs_legal_basis=GIVEN)
    subscription = {"subscription": out} if out else {}
    crm.by_hand({"do": "withdraw", "email": "lee@exmaple.com", **subscription})
    connector = connect()
    before = fresh(connector, record_id)
    correction = change(record_id, "lee@exmaple.com", "lee@example.com")
    assert one(connector.apply([correction])).status is Status.VERIFIED
    after = fresh(connector, record_id)
    assert after.value("email") == "lee@example.com"
    assert {(c.purpose, c.status) for c in after.consents} == {
        (c.purpose, c.status) for c in before.consents
    }


def test_an_address_changes_only_if_its_opt_out_can_be_kept() -> None:
    """The token may not unsubscribe: that row is refused with the reason, the others are written."""
    scopes = [scope for scope in SCOPES if "communication" not in scope]
    with served(contacts=0, scopes=scopes) as (_server, crm, connect):
        ids = [make(crm, email=f"{n}@exmaple.com") for n in range(2)]
        crm.by_hand({"do": "withdraw", "email": "0@exmaple.com"})
        changes = [change(i, f"{n}@exmaple.com", f"{n}@example.com") for n, i in enumerate(ids)]
        first, second = connect().apply(changes)
        assert (first.status, second.status) == (Status.REJECTED, Status.VERIFIED)
        assert "lose an opt-out" in first.reason
        assert crm.tables["contacts"][ids[0]]["properties"]["email"] == "0@exmaple.com"


def test_somebody_else_s_address_is_not_unsubscribed(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """The corrected address is another contact's: refused, and that one stays subscribed."""
    _server, crm, connect = account
    ids = [make(crm, email=f"{n}@example.com") for n in range(2)]
    crm.by_hand({"do": "withdraw", "email": "0@example.com"})
    outcome = one(connect().apply([change(ids[0], "0@example.com", "1@example.com")]))
    assert outcome.status is Status.REJECTED
    assert ids[1] in outcome.reason
    assert not wide(crm, "1@example.com")


@pytest.mark.parametrize("reset", ["before", "after"])
def test_an_opt_out_in_doubt_leaves_the_address_as_it_was(
    account: tuple[Server, HubSpotSandbox, Open], reset: str
) -> None:
    """Its answer was lost: the address is not changed, and settle says so."""
    server, crm, connect = account
    record_id = make(crm, email="lee@exmaple.com")
    crm.by_hand({"do": "withdraw", "email": "lee@exmaple.com"})
    server.faults.add(
        parse_faults({"path": "unsubscribe", "method": "POST", "nth": 1, "reset": reset})
    )
    connector = connect()
    correction = change(record_id, "lee@exmaple.com", "lee@example.com")
    assert one(connector.apply([correction])).status is Status.UNKNOWN
    assert calls_to(server, "/batch/update$") == 0
    assert one(connector.settle([correction])).status is Status.ABSENT


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (None, GIVEN, Status.REJECTED),
        ("Performance of a contract", GIVEN, Status.REJECTED),
        (GIVEN, None, Status.VERIFIED),
        (GIVEN, "Not applicable", Status.VERIFIED),
    ],
)
def test_a_mapped_legal_basis_is_only_ever_narrowed(
    account: tuple[Server, HubSpotSandbox, Open],
    before: str | None,
    after: str | None,
    status: Status,
) -> None:
    """A rule cannot give consent in a person's name, whatever the settings map."""
    _server, crm, connect = account
    values = {"hs_legal_basis": before} if before else {}
    record_id = make(crm, email="lee@example.com", **values)
    connector = connect(extra={"basis": "hs_legal_basis"})
    outcome = one(connector.apply([change(record_id, before, after, "extra.basis")]))
    assert outcome.status is status, outcome.reason


@pytest.mark.parametrize("name", ["hs_email_optout", "hs_email_optout_2", "hs_email_quarantined"])
def test_no_mapped_opt_out_is_taken_back(
    account: tuple[Server, HubSpotSandbox, Open], name: str
) -> None:
    """Not even sent, whatever the account lets the API write."""
    server, crm, connect = account
    record_id = make(crm, email="lee@example.com")
    connector = connect(extra={"out": name})
    for value in ("false", None):
        outcome = one(connector.apply([change(record_id, "true", value, "extra.out")]))
        assert outcome.status is Status.REJECTED
        assert "only ever restricted" in outcome.reason
    assert calls_to(server, "/batch/update$") == 0


# -- what was sent is known, however late it is ------------------------------------------------


@contextmanager
def late_after(server: Server, path: str) -> Iterator[None]:
    """Let the core's reading have grown old as soon as a call to a path has arrived."""

    def check() -> None:
        if calls_to(server, path):
            raise TooLateError

    with before_each_call(check):
        yield


def test_an_archived_contact_is_read_back_however_late_it_is(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """Otherwise it would count as not sent, and be met as gone by the next try."""
    server, crm, connect = account
    connector, record_id = connect(), make(crm, lastname="Lee")
    with late_after(server, "/batch/archive$"):
        assert one(connector.apply([archive(record_id)])).status is Status.VERIFIED


def test_an_archived_contact_that_cannot_be_read_back_is_in_doubt(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """The request was sent: what cannot be seen afterwards is unknown, and no error."""
    server, crm, connect = account
    record_id = make(crm, lastname="Lee")
    tries = list(range(2, 8))
    server.faults.add(parse_faults({"path": "/batch/read$", "nth": tries, "reset": "before"}))
    outcome = one(connect().apply([archive(record_id)]))
    assert outcome.status is Status.UNKNOWN
    assert one(connect().settle([archive(record_id)])).status is Status.VERIFIED


def test_a_chain_that_was_begun_comes_to_its_end_however_late_it_is(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """Three records, and a legal basis to be taken off again at the end."""
    server, crm, connect = account
    ids = [make(crm, email=f"{n}@example.com") for n in range(2)]
    ids.append(make(crm, email="2@example.com", hs_legal_basis=GIVEN))
    connector = connect()
    with late_after(server, "/merge$"):
        outcome = one(connector.apply([merge(*ids)]))
    assert outcome.status is Status.VERIFIED, outcome.reason
    assert not _mailable(fresh(connector, outcome.remote_id))


def test_a_merge_whose_answer_was_lost_does_not_hide_a_legal_basis(
    account: tuple[Server, HubSpotSandbox, Open],
) -> None:
    """It took effect unseen: who sent it knows that the survivor had no basis, and says so."""
    server, crm, connect = account
    ids = [make(crm, email="0@example.com"), make(crm, email="1@example.com", hs_legal_basis=GIVEN)]
    server.faults.add(parse_faults({"path": "/merge$", "nth": 1, "reset": "after"}))
    connector = connect()
    assert one(connector.apply([merge(*ids)])).status is Status.UNKNOWN
    settled = one(connector.settle([merge(*ids)]))
    assert settled.status is Status.CONFLICT
    assert "legal basis" in settled.reason
    assert settled.remote_id == str(crm.active[0])
