"""What is special about reading Salesforce: stamps, the recycle bin, hidden fields, long addresses."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from tests.connectors.salesforce.conftest import Org, Time, served

from crm_steward.sdk import (
    Channel,
    ConfigError,
    Connector,
    ConsentStatus,
    Contact,
    Cursor,
    Page,
    RecordRef,
    RetryableError,
    Stage,
)
from crm_steward.testing.account import Copy
from crm_steward_salesforce import soql
from crm_steward_salesforce.reading import Position


def read(connector: Connector, since: Cursor | None = None) -> Copy:
    """Follow one read."""
    return Copy().follow(connector.read(since))


def contacts(pages: list[Page]) -> list[Contact]:
    """Return what pages bring."""
    return [contact for page in pages for contact in page.contacts]


def statuses(contact: Contact, channel: Channel) -> list[ConsentStatus]:
    """Return what is known of one channel."""
    return [one.status for one in contact.consents if one.channel is channel]


def clone(org: Org, count: int) -> None:
    """Fill the org up to `count` contacts, as a bulk load does, all on one second."""
    table = org.crm.tables["Contact"]
    pattern = org.crm.live("Contact")[0]
    while len(table) < count:
        org.crm.create("Contact", {"LastName": pattern["LastName"], "OwnerId": pattern["OwnerId"]})
    org.do("stamp_all")


# -- paging ---------------------------------------------------------------------------------------


def test_25_000_contacts_of_one_second() -> None:
    """A bulk load's one stamp is walked through by id: everybody once, in 13 calls."""
    with served() as org:
        connector = org.open()
        start = read(connector).cursors[-1]
        clone(org, 25_000)
        before = org.calls("FROM+Contact+")
        brought = contacts(list(connector.read(start)))
        assert len(brought) == len({contact.ref for contact in brought}) == 25_000
        assert org.calls("FROM+Contact+") - before == 13


def test_wide_rows_make_short_pages() -> None:
    """Salesforce cuts pages where rows are wide; no locator is ever asked for."""
    with served(page_rows=7) as org:
        copy = read(org.open())
        assert sorted(copy.contacts) == org.ids()
        assert len(copy.cursors) == 9
        assert org.calls("/query/01g") == 0


def test_a_read_goes_on_from_any_page_of_changes() -> None:
    """In the middle of one second, from the stored cursor, by a new process."""
    with served(page_rows=7) as org:
        start = read(org.open()).cursors[-1]
        org.do("stamp_all")
        cursors = read(org.open(), start).cursors
        assert len(cursors) > 8
        whole: set[str] = set()
        place: Cursor = start
        for _ in cursors:
            page = next(iter(org.open().read(place)))
            whole |= {contact.ref.id for contact in page.contacts}
            place = page.cursor
        assert sorted(whole) == org.ids()


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "[]",
        '{"phase":"contacts"}',
        '{"phase":"elsewhere","start":"2026-01-01T00:00:00+00:00"}',
        '{"phase":"done","start":"soon"}',
        '{"phase":"contacts","start":"2026-01-01T00:00:00+00:00","after":"x\' OR Id != null"}',
        '{"phase":"contacts","start":"2026-01-01T00:00:00+00:00","since":"1 OR Id != null"}',
        '{"phase":"contacts","start":"2026-01-01T00:00:00+00:00","stamp":5}',
    ],
)
def test_a_cursor_that_is_not_ours_reads_everything(org: Org, cursor: str) -> None:
    """And nothing of it gets into a query."""
    assert Position.parse(Cursor(cursor)) is None
    assert sorted(read(org.open(), Cursor(cursor)).contacts) == org.ids()


def test_what_is_no_id_is_never_asked_for(org: Org) -> None:
    """A ref that came from elsewhere cannot become part of a query."""
    connector = org.open()
    wrong = RecordRef("sf", "x') OR Id IN ('" + org.ids()[0])
    assert connector.get([wrong]) == {}
    assert org.calls("OR") == 0
    with pytest.raises(ValueError, match="not an id"):
        soql.quoted("x' OR Id != null")


# -- long addresses -------------------------------------------------------------------------------


def test_addresses_stay_short_enough() -> None:
    """1,200 contacts by id: several calls, none beyond Salesforce's 16,384 bytes."""
    with served(contacts=1_200) as org:
        refs = [RecordRef("sf", record_id) for record_id in org.ids()]
        assert set(org.open().get(refs)) == set(refs)
        lengths = [len(entry["path"]) for entry in org.server.log]
        assert 10_000 < max(lengths) <= 16_384


def test_fields_that_do_not_fit_come_with_further_calls(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut into small batches, fields make the same contacts."""
    extra = {"reply": "Last_Reply__c", "website": "Account.Website", "number": "Customer_Number__c"}
    whole = read(org.open(extra=extra)).contacts
    calls = org.calls("FROM+Contact+")
    monkeypatch.setattr(soql, "_FIELDS_LENGTH", 200)
    parts = read(org.open(extra=extra)).contacts
    assert org.calls("FROM+Contact+") - calls > calls
    assert parts == whole


# -- what is gone ---------------------------------------------------------------------------------


def test_a_chain_of_merges_is_followed_to_its_end(org: Org) -> None:
    """Merged into one that was merged itself: the survivor is the last; a deleted one is none."""
    connector = org.open()
    start = read(connector).cursors[-1]
    one, two, three, four, five = org.ids()[:5]
    org.do("merge", master=two, losers=[one])
    org.do("merge", master=three, losers=[two])
    org.do("merge", master=five, losers=[four])
    org.do("delete", id=five)
    gone = read(connector, start).gone
    assert gone == {one: three, two: three, four: None, five: None}
    refs = [RecordRef("sf", record_id) for record_id in (one, four)]
    assert {ref.id for ref in connector.get(refs)} == {three}


def test_a_restored_contact_comes_with_the_next_read_of_changes(org: Org) -> None:
    """Undeleting moves the stamp."""
    connector = org.open()
    copy = read(connector)
    back = org.ids()[0]
    org.do("delete", id=back)
    copy.follow(connector.read(copy.cursors[-1]))
    assert back in copy.gone
    org.do("restore", id=back)
    assert back in read(connector, copy.cursors[-1]).contacts


def test_a_purged_contact_is_left_to_the_full_read(org: Org) -> None:
    """Changes say nothing of it, a full read does not bring it."""
    connector = org.open()
    start = read(connector).cursors[-1]
    purged = org.ids()[0]
    org.do("erase", id=purged)
    changes = read(connector, start)
    assert purged not in changes.gone
    assert purged not in changes.contacts
    assert purged not in read(connector).contacts


# -- time -----------------------------------------------------------------------------------------


def test_a_transaction_that_ends_late_is_not_missed(clock: Time) -> None:
    """Stamped eight seconds before the read, seen after it: caught though no overlap is asked for."""
    with served(clock=clock) as org:
        connector = org.open(clock=clock, overlap="0 seconds")
        start = read(connector).cursors[-1]
        clock.pass_(minutes=5)
        org.crm.commit_lag = timedelta(seconds=8)
        org.do("edit", id=org.ids()[0], values={"LastName": "Late"})
        clock.pass_(seconds=4)
        copy = read(connector, start)
        assert not copy.contacts
        clock.pass_(seconds=10)
        copy.follow(connector.read(copy.cursors[-1]))
        assert copy.contacts[org.ids()[0]].last_name == "Late"


def test_quiet_reads_bring_little(clock: Time) -> None:
    """An hour after a bulk load nothing is read again: the next read begins by the org's clock."""
    with served(clock=clock) as org:
        connector = org.open(clock=clock)
        org.do("stamp_all")
        start = read(connector).cursors[-1]
        clock.pass_(hours=1)
        again = read(connector, start)
        assert len(again.contacts) == 60
        assert read(connector, again.cursors[-1]).contacts == {}


# -- consent --------------------------------------------------------------------------------------


def test_what_a_person_says_moves_the_contact(org: Org) -> None:
    """A consent by channel, its deletion, and an Individual's switch each bring the contact."""
    connector = org.open()
    one = org.ids()[0]
    org.do("opt_in", id=one)
    place = read(connector).cursors[-1]
    given = connector.get([RecordRef("sf", one)])[RecordRef("sf", one)]
    assert ConsentStatus.GRANTED in statuses(given, Channel.EMAIL)
    org.crm.offset += timedelta(hours=1)
    said = org.do("consent", id=one, type="Phone", status="OptOut")["id"]
    changes = read(connector, place)
    assert statuses(changes.contacts[one], Channel.PHONE) == [ConsentStatus.WITHDRAWN]
    org.crm.offset += timedelta(hours=1)
    org.do("delete", id=said, object="ContactPointTypeConsent")
    later = read(connector, changes.cursors[-1])
    assert statuses(later.contacts[one], Channel.PHONE) == []
    org.crm.offset += timedelta(hours=1)
    party = org.crm.tables["Contact"][one]["IndividualId"]
    org.do("edit", id=party, values={"HasOptedOutSolicit": True}, object="Individual")
    last = read(connector, later.cursors[-1]).contacts[one]
    assert {c: max(statuses(last, c)) for c in Channel} == dict.fromkeys(
        Channel, ConsentStatus.OBJECTED
    )


def test_not_opted_out_is_no_consent(serving: Any) -> None:
    """An org without Individuals says who opted out, and nothing about the others."""
    with serving(privacy=False) as org:
        for contact in read(org.open()).contacts.values():
            row = org.crm.tables["Contact"][contact.ref.id]
            refused = ConsentStatus.WITHDRAWN in statuses(contact, Channel.EMAIL)
            assert refused is row["HasOptedOutOfEmail"]
            if not row["HasOptedOutOfEmail"] and not row["IsEmailBounced"]:
                assert statuses(contact, Channel.EMAIL) == []


# -- fields ---------------------------------------------------------------------------------------


def test_hidden_fields_are_read_as_empty_and_named(org: Org) -> None:
    """Field-level security: no query fails, and `check` says which and what to do."""
    org.do("hide", fields=["Contact.Phone", "Contact.HasOptedOutOfEmail", "Account.Name"])
    connector = org.open()
    read_all = read(connector).contacts
    assert sorted(read_all) == org.ids()
    assert all(contact.value("phone") is None for contact in read_all.values())
    assert all(contact.company is None for contact in read_all.values())
    missing = connector.check().missing
    for path in ("'Phone' (phone)", "'HasOptedOutOfEmail' (consent)", "'Account.Name' (company)"):
        assert any(path in line and "field-level security" in line for line in missing)


def test_a_field_that_vanishes_under_way_is_noticed(org: Org) -> None:
    """The query is refused, the schema is asked anew, and then the setting is named."""
    connector = org.open(extra={"number": "Customer_Number__c"})
    connector.get([RecordRef("sf", org.ids()[0])])
    org.do("drop_field", field="Customer_Number__c")
    with pytest.raises(RetryableError, match="INVALID_FIELD"):
        connector.get([RecordRef("sf", org.ids()[0])])
    assert connector.get([RecordRef("sf", org.ids()[0])])
    with pytest.raises(ConfigError, match=r"extra\.number"):
        list(connector.read(None))


def test_our_fields_may_stand_elsewhere(org: Org) -> None:
    """Fields of the org's own, and of records a contact refers to; stages by name."""
    connector = org.open(
        fields={
            "stage": "Stage__c",
            "language": "Language__c",
            "website": "Account.Website",
            "last_person_act": "Last_Reply__c",
        },
        stages={"Former": "prospect"},
    )
    found = read(connector).contacts
    for record_id, contact in found.items():
        row = org.crm.tables["Contact"][record_id]
        usual = {"Prospect": Stage.PROSPECT, "Customer": Stage.CUSTOMER, "Former": Stage.PROSPECT}
        assert contact.stage is usual.get(row["Stage__c"], Stage.UNKNOWN)
        assert contact.language == row["Language__c"]
    assert any(contact.website for contact in found.values())
    assert any(contact.last_person_act for contact in found.values())


def test_only_names_that_describe_has_shown_are_asked_for(org: Org) -> None:
    """Every field of every query on contacts is one of those."""
    shown = {f["name"] for f in org.client("GET", "/sobjects/Contact/describe").json()["fields"]}
    read(org.open())
    queries = [entry["path"] for entry in org.server.log if "FROM+Contact+" in entry["path"]]
    assert queries
    for query in queries:
        selected = re.search(r"SELECT\+(.*?)\+FROM", query)
        assert selected
        names = selected[1].replace("%2C+", " ").split()
        assert {name for name in names if "." not in name} <= shown


def test_users_without_contacts_are_told(org: Org) -> None:
    """No Read on Contact: an AuthError with the remedy, not an empty org."""
    org.do("permit", permissions=["ApiEnabled"])
    with pytest.raises(Exception, match="cannot see contacts"):
        read(org.open())
