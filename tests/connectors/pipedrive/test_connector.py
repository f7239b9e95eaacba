"""What is special about Pipedrive: marks, deletions, one name, consent that moves once, merging."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.connect.discovery import open_connection, paced_calls
from crm_steward.sandbox import Server, parse_faults, serve
from crm_steward.sdk import (
    ArchiveRecord,
    Channel,
    ConfigError,
    Connector,
    Contact,
    CreateTask,
    Cursor,
    MergeRecords,
    Page,
    RecordRef,
    RetryableError,
    Status,
    SuppressChannel,
    UpdateFields,
)
from crm_steward_pipedrive import PipedriveSettings, reading, records, tasks, wire
from crm_steward_pipedrive.sandbox import PipedriveSandbox
from crm_steward_pipedrive.sandbox.schema import USERS, code_of

QUICK = RetryPolicy(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=5))
Open = Callable[..., Connector]


@contextmanager
def _served(**more: Any) -> Iterator[tuple[Server, PipedriveSandbox, Open]]:
    """Serve a company without limits, and give what opens connections to it."""
    wide = {"burst": 10**6, "daily": 10**9, "patience": 10**6}
    crm = PipedriveSandbox(**{"contacts": 50, "seed": 7, **wide, **more})
    with serve(crm) as server:

        def connect(calls: Calls | None = None, **settings: Any) -> Connector:
            given = {**crm.connection(server.url), **settings}
            read = PipedriveSettings.model_validate(given)
            return open_connection("pipe", read, calls=calls or Calls("pipe", policy=QUICK))

        yield server, crm, connect


def _made(crm: PipedriveSandbox, name: str = "Ann Example", **values: Any) -> str:
    return str(crm.by_hand({"do": "create", "values": {"name": name, **values}})["id"])


def _ref(record_id: str) -> RecordRef:
    return RecordRef("pipe", record_id)


def _update(record_id: str, expected: Any = None, **values: Any) -> UpdateFields:
    return UpdateFields(
        ref=_ref(record_id), values=values, expected=expected or dict.fromkeys(values)
    )


def _calls_to(server: Server, method: str, pattern: str) -> list[str]:
    made = (one for one in server.log if one["method"] == method)
    return [one["path"] for one in made if re.search(pattern, one["path"])]


def _contacts(pages: list[Page]) -> list[Contact]:
    return [contact for page in pages for contact in page.contacts]


def _one(connector: Connector, change: Any) -> Any:
    (outcome,) = connector.apply([change])
    return outcome


# -- reading --------------------------------------------------------------------------------------


def test_thousands_of_one_instant_cost_a_page_each_five_hundred() -> None:
    """2,600 contacts share one second: all are read once, in six pages of each version."""
    with _served(contacts=2_600) as (server, crm, connect):
        connector = connect()
        start = list(connector.read(None))[-1].cursor
        crm.by_hand({"do": "stamp_all"})
        server.log.clear()
        read = _contacts(list(connector.read(start)))
        assert len(read) == len({contact.ref for contact in read}) == 2_600
        assert len(_calls_to(server, "GET", r"/persons\?")) == 6
        assert len(_calls_to(server, "GET", r"/recents\?")) == 6


def test_an_edit_while_we_page_pushes_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits move update times, not ids: nobody is skipped and nobody comes twice."""
    monkeypatch.setattr(reading, "PAGE", 20)
    with _served(contacts=100) as (_server, crm, connect):
        connector = connect()
        start = list(connector.read(None))[-1].cursor
        crm.by_hand({"do": "stamp_all"})
        seen: list[str] = []
        for page in connector.read(start):
            seen += [contact.ref.id for contact in page.contacts]
            for record_id in seen[-20:-10]:
                crm.by_hand({"do": "edit", "id": record_id, "values": {"job_title": "x"}})
        assert len(seen) == len(set(seen)) == 100


def test_a_mark_that_grew_too_old_costs_pages_and_no_contact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The walk begins again and passes over what was brought; nobody comes twice."""
    monkeypatch.setattr(reading, "PAGE", 20)
    with _served(contacts=100, mark_life=timedelta(hours=1)) as (server, crm, connect):
        first: list[Page] = []
        for page in connect().read(None):
            first.append(page)
            if len(first) == 3:
                break
        crm.offset = timedelta(hours=2)
        server.log.clear()
        rest = list(connect().read(first[-1].cursor))
        ids = [contact.ref.id for contact in _contacts([*first, *rest])]
        assert len(ids) == len(set(ids)) == 100
        assert len(_calls_to(server, "GET", r"/persons\?")) <= 1 + 1 + 5


def test_marks_that_are_never_taken_end_the_read_with_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not begin again for ever."""
    monkeypatch.setattr(reading, "PAGE", 20)
    with _served(contacts=100, mark_life=timedelta(seconds=-5)) as (server, _crm, connect):
        with pytest.raises(Exception, match="Pipedrive refuses this \\(400 ERR_BAD_REQUEST\\)"):
            list(connect().read(None))
        assert len(_calls_to(server, "GET", r"/persons\?")) < 6


def test_a_mark_that_leads_to_itself_ends_the_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that names itself as the next one would be read for ever."""
    monkeypatch.setattr(reading, "PAGE", 20)
    monkeypatch.setattr(wire, "mark_of", lambda _: "again")
    with _served(contacts=100) as (_server, crm, connect):
        monkeypatch.setattr("crm_steward_pipedrive.sandbox.listing.read_mark", _first_mark)
        assert crm.ids
        with pytest.raises(RetryableError, match="not Pipedrive's JSON"):
            list(connect().read(None))


def _first_mark(_: str) -> dict[str, Any]:
    return {"field": "id", "sortDirection": "asc", "fieldValue": 0, "id": 0}


def test_an_unreadable_cursor_reads_everything() -> None:
    """A cursor of another version or a damaged one loses nothing."""
    with _served() as (_server, crm, connect):
        for cursor in ("", "junk", "[]", '{"phase":"nowhere","start":1}', '{"phase":"done"}'):
            assert len(_contacts(list(connect().read(Cursor(cursor))))) == len(crm.ids)


def test_without_recent_changes_deletions_are_left_to_full_reads() -> None:
    """Version 1 shrinks: the read ends well without it, and `check` says what that means."""
    with _served(recents=False) as (_server, crm, connect):
        connector = connect()
        start = list(connector.read(None))[-1].cursor
        crm.by_hand({"do": "delete", "id": str(crm.ids[0])})
        pages = list(connector.read(start))
        assert pages[-1].complete
        assert [gone for page in pages for gone in page.gone] == []
        assert len(_contacts(list(connector.read(None)))) == len(crm.ids) - 1
        (line,) = connector.check().missing
        assert "found by full reads" in line


def test_a_merge_of_ours_is_known_to_the_next_read() -> None:
    """Pipedrive does not tell who survived; what we merged ourselves we know."""
    with _served() as (_server, crm, connect):
        connector = connect()
        survivor, loser, strange, stranger = (_made(crm) for _ in range(4))
        start = list(connector.read(None))[-1].cursor
        change = MergeRecords(ref=_ref(survivor), losers=(_ref(loser),))
        assert _one(connector, change).status is Status.VERIFIED
        crm.by_hand({"do": "merge", "survivor": strange, "loser": stranger})
        gone = {item.ref.id: item for page in connector.read(start) for item in page.gone}
        assert gone[loser].survivor == _ref(survivor)
        assert gone[stranger].survivor is None
        assert set(connector.get([_ref(loser)])) == {_ref(survivor)}


def test_one_token_each_for_a_few_and_ten_for_a_hundred() -> None:
    """Up to ten records are read one by one; more of them come as a list by id."""
    with _served(contacts=150) as (server, crm, connect):
        connector = connect()
        ids = [str(number) for number in crm.ids]
        connector.get([_ref(ids[0])])
        server.log.clear()
        connector.get([_ref(record_id) for record_id in ids[:9]])
        assert len(_calls_to(server, "GET", r"/persons/[0-9]+")) == 9
        server.log.clear()
        assert len(connector.get([_ref(record_id) for record_id in ids[:140]])) == 140
        assert len(_calls_to(server, "GET", r"/persons\?.*ids=")) == 2
        assert _calls_to(server, "GET", r"/persons/[0-9]+") == []


def test_many_companies_are_walked_few_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hundred a call for a full read; by id, and once each, for the rest."""
    monkeypatch.setattr(records, "_WALK", 0.1)
    with _served(contacts=120) as (server, crm, connect):
        connector = connect()
        read = _contacts(list(connector.read(None)))
        names = {str(row["id"]): row["name"] for row in crm.tables["organizations"].values()}
        held = {str(row["id"]): row["org_id"] for row in crm.tables["persons"].values()}
        assert {contact.ref.id: contact.company for contact in read} == {
            key: names.get(str(org_id)) for key, org_id in held.items()
        }
        walked = _calls_to(server, "GET", r"/organizations")
        assert len(walked) == 1
        assert "ids=" not in walked[0]
        server.log.clear()
        with_company = [_ref(key) for key, org_id in held.items() if org_id][:5]
        connector.get(with_company)
        assert _calls_to(server, "GET", r"/organizations") == [], "they are known by now"


def test_a_company_that_was_renamed_shows_with_the_next_read() -> None:
    """Names are kept during one read, not from one to the next."""
    with _served() as (_server, crm, connect):
        connector = connect()
        list(connector.read(None))
        row = next(row for row in crm.tables["persons"].values() if row["org_id"])
        crm.by_hand({"do": "rename_company", "id": str(row["org_id"]), "name": "Renamed Ltd"})
        read = {c.ref.id: c.company for c in _contacts(list(connector.read(None)))}
        assert read[str(row["id"])] == "Renamed Ltd"


def test_a_done_activity_dates_a_contact() -> None:
    """One that is not done does not; ticked off by a person it counts, but not as the person's act."""
    with _served() as (_server, crm, connect):
        connector = connect()
        person = _made(crm)
        task = CreateTask(
            ref=_ref(person), title="Look", body="", due=date(2026, 12, 1), marker="feed"
        )
        made = _one(connector, task)
        assert connector.get([_ref(person)])[_ref(person)].last_activity is None
        crm.by_hand({"do": "done", "id": made.remote_id})
        contact = connector.get([_ref(person)])[_ref(person)]
        assert contact.last_activity is not None
        assert contact.last_person_act is None


@pytest.mark.parametrize("refuse", [True, False])
def test_without_campaigns_contacts_are_read_all_the_same(*, refuse: bool) -> None:
    """Whether Pipedrive refuses the field or leaves it out: one call more at most."""
    with _served(campaigns=False, refuse_marketing=refuse) as (server, crm, connect):
        read = _contacts(list(connect().read(None)))
        assert len(read) == len(crm.ids)
        assert {contact.consents for contact in read} == {()}
        assert len(_calls_to(server, "GET", r"/persons\?")) == 1 + refuse


# -- updates --------------------------------------------------------------------------------------


def test_an_update_keeps_everything_else() -> None:
    """The primary address and the phone change; other entries, labels and fields stay."""
    emails = [
        {"value": "a@example.com", "primary": True, "label": "work"},
        {"value": "b@example.com", "primary": False, "label": "home"},
    ]
    phones = [{"value": "1", "primary": True, "label": "mobile"}]
    with _served() as (_server, crm, connect):
        person = _made(crm, emails=emails, phones=phones, **{"Customer number": "K-7"})
        change = _update(
            person,
            expected={"email": "a@example.com", "phone": None},
            email="c@example.com",
            phone="2",
        )
        assert _one(connect(), change).status is Status.VERIFIED
        row = crm.tables["persons"][person]
        assert row["emails"] == [{**emails[0], "value": "c@example.com"}, emails[1]]
        assert [entry["value"] for entry in row["phones"]] == ["1", "2"]
        assert row["custom"][code_of("Customer number")] == "K-7"


def test_a_person_who_was_faster_keeps_what_they_wrote() -> None:
    """Read again just before writing: the old value is not there any more, nothing is sent."""
    with _served() as (server, crm, connect):
        person = _made(crm, job_title="Buyer")
        crm.by_hand({"do": "edit", "id": person, "values": {"job_title": "Head of buying"}})
        outcome = _one(connect(), _update(person, {"job_title": "Buyer"}, job_title="Purchaser"))
        assert outcome.status is Status.CONFLICT
        assert outcome.reason == "changed meanwhile: job_title"
        assert _calls_to(server, "PATCH", "") == []


def test_another_field_edited_meanwhile_is_no_conflict() -> None:
    """The update time moved, the value did not: it is written, and the other edit stays."""
    with _served() as (_server, crm, connect):
        person = _made(crm, job_title="Buyer")
        crm.by_hand({"do": "edit", "id": person, "values": {"phone": "1"}})
        outcome = _one(connect(), _update(person, {"job_title": "Buyer"}, job_title="Purchaser"))
        assert outcome.status is Status.VERIFIED
        assert crm.tables["persons"][person]["phones"][0]["value"] == "1"


def test_a_name_that_pipedrive_parts_otherwise_is_noticed_once() -> None:
    """The first is in doubt and settled as a conflict; the next is refused before it is sent."""
    with _served(names="last") as (server, crm, connect):
        first, second = _made(crm), _made(crm)
        connector = connect()
        names = {"last_name": "Example"}
        change = _update(first, names, last_name="van Example")
        outcome = _one(connector, change)
        assert (outcome.status, outcome.reason) == (
            Status.UNKNOWN,
            "the answer does not show last_name",
        )
        (settled,) = connector.settle([change])
        assert settled.status is Status.CONFLICT
        server.log.clear()
        refused = _one(connector, _update(second, names, last_name="van Example"))
        assert refused.status is Status.REJECTED
        assert "parts names otherwise" in refused.reason
        assert _calls_to(server, "PATCH", "") == []
        assert _one(connector, _update(second, names, last_name="Other")).status is Status.VERIFIED


def test_mapped_fields_are_written_and_cleared() -> None:
    """By the name on screen, with labels for options; the answer shows it."""
    mapped = {"extra": {"interests": "Interests", "seats": "Seats"}}
    with _served() as (_server, crm, connect):
        person = _made(crm)
        connector = connect(**mapped, fields={"language": "language"})
        values = {"extra.interests": "Fairs, Newsletter", "extra.seats": "5", "language": "German"}
        change = UpdateFields(ref=_ref(person), values=values, expected=dict.fromkeys(values))
        assert _one(connector, change).status is Status.VERIFIED
        custom = crm.tables["persons"][person]["custom"]
        assert custom[code_of("Interests")] == [51, 52]
        assert (custom[code_of("Seats")], custom[code_of("Language")]) == (5, 32)
        cleared = _update(person, values, **dict.fromkeys(values))
        assert _one(connector, cleared).status is Status.VERIFIED
        assert crm.tables["persons"][person]["custom"] == {}


def test_what_does_not_fit_is_refused_unsent() -> None:
    """An option that is not there, a field that is none, an address without Contact Sync."""
    with _served(contact_sync=False) as (server, crm, connect):
        person = _made(crm)
        connector = connect(extra={"language": "Language"})
        for change in (
            UpdateFields(ref=_ref(person), values={"extra.language": "Klingon"}, expected={}),
            _update(person, company="Other Ltd"),
            _update(person, city="Lyon"),
            _update("not-a-number", last_name="x"),
        ):
            outcome = _one(connector, change)
            assert outcome.status is Status.REJECTED
            assert outcome.reason
            assert "Klingon" not in outcome.reason
        assert _calls_to(server, "PATCH", "") == []


def test_a_write_that_was_never_sent_is_an_error_and_no_doubt() -> None:
    """Refused before it took effect, too often: nothing happened, so no outcome claims UNKNOWN."""
    with _served() as (server, crm, connect):
        fault = {"method": "PATCH", "path": "persons", "status": 429, "retry_after": 0.001}
        server.faults.add(parse_faults(fault))
        with pytest.raises(RetryableError) as caught:
            _one(connect(), _update(_made(crm), job_title="x"))
        assert not caught.value.sent


# -- tasks ----------------------------------------------------------------------------------------


def _task(person: str, **more: Any) -> CreateTask:
    given: dict[str, Any] = {
        "ref": _ref(person),
        "title": "Check the phone",
        "body": "Reads <b>like</b> a fax & more.\nSecond line.",
        "due": date(2026, 7, 1),
        "marker": "1a2b3c4d5e6f7081",
    }
    return CreateTask(**{**given, **more})


def test_a_task_is_what_a_person_wants_to_see() -> None:
    """On the contact, for its owner, due on the day, safe HTML, marked discreetly."""
    with _served() as (_server, crm, connect):
        person = _made(crm)
        owner = USERS[2]["id"]
        outcome = _one(connect(), _task(person, owner=str(owner)))
        row = crm.tables["activities"][outcome.remote_id]
        assert (row["subject"], row["type"]) == ("Check the phone", "task")
        assert (row["owner_id"], row["due_date"]) == (owner, "2026-07-01")
        assert row["participants"] == [{"person_id": int(person), "primary": True}]
        assert row["note"] == (
            "Reads &lt;b&gt;like&lt;/b&gt; a fax &amp; more.<br>Second line.<br><br>"
            "[crm-steward 1a2b3c4d5e6f7081]"
        )


def test_where_tasks_are_switched_off_the_first_type_serves() -> None:
    """Admins may switch types off; without any, the task is refused with the reason."""
    with _served() as (_server, crm, connect):
        person = _made(crm)
        crm.by_hand({"do": "drop_type", "key": "task"})
        made = _one(connect(), _task(person))
        assert crm.tables["activities"][made.remote_id]["type"] == "call"
        for key in list(crm.tables["types"]):
            crm.by_hand({"do": "drop_type", "key": key})
        refused = _one(connect(), _task(person, marker="other"))
        assert (refused.status, refused.reason) == (
            Status.REJECTED,
            "Pipedrive has no active activity type",
        )


def test_a_task_of_nobody_s_is_refused() -> None:
    """An owner from another CRM, a contact that is gone."""
    with _served() as (_server, crm, connect):
        person, gone = _made(crm), _made(crm)
        crm.by_hand({"do": "delete", "id": gone})
        connector = connect()
        for task in (_task(person, owner="hubspot-7"), _task(person, owner="1"), _task(gone)):
            outcome = _one(connector, task)
            assert outcome.status is Status.REJECTED
            assert outcome.reason


def test_settle_finds_a_task_behind_many_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Page after page of the contact's activities, and though it is done by now."""
    monkeypatch.setattr(tasks, "PAGE", 3)
    with _served() as (server, crm, connect):
        person = _made(crm)
        connector = connect()
        for number in range(7):
            _one(connector, _task(person, marker=f"other{number}"))
        made = _one(connector, _task(person))
        crm.by_hand({"do": "done", "id": made.remote_id})
        server.log.clear()
        (found,) = connector.settle([_task(person)])
        assert (found.status, found.remote_id) == (Status.VERIFIED, made.remote_id)
        assert len(_calls_to(server, "GET", r"/activities\?.*person_id=")) == 3
        (absent,) = connector.settle([_task(person, marker="never")])
        assert absent.status is Status.ABSENT


# -- consent --------------------------------------------------------------------------------------


def _silence(person: str, channel: Channel = Channel.EMAIL) -> SuppressChannel:
    return SuppressChannel(ref=_ref(person), channel=channel, address="x", reason="asked for it")


def test_a_change_that_pipedrive_ignores_is_refused_with_the_reason() -> None:
    """200, unchanged: the consent was changed once before, only reading tells."""
    with _served() as (_server, crm, connect):
        person = _made(crm, email="ann@example.com")
        crm.by_hand({"do": "opt_in", "id": person})
        row = crm.tables["persons"][person]
        crm.tables["persons"][person] = {**row, "marketing_changed": True}
        outcome = _one(connect(), _silence(person))
        assert outcome.status is Status.REJECTED
        assert outcome.reason == "Pipedrive ignores the change: it keeps 'subscribed'"
        (settled,) = connect().settle([_silence(person)])
        assert settled.status is Status.ABSENT


def test_who_has_withdrawn_is_left_alone() -> None:
    """Verified without a call that writes."""
    with _served() as (server, crm, connect):
        person = _made(crm, email="ann@example.com")
        crm.by_hand({"do": "opt_out", "id": person})
        assert _one(connect(), _silence(person)).status is Status.VERIFIED
        assert _calls_to(server, "PATCH", "") == []


@pytest.mark.parametrize("channel", [Channel.PHONE, Channel.SMS, Channel.POST])
def test_other_channels_have_no_switch(channel: Channel) -> None:
    """Refused with the reason, unsent."""
    with _served() as (server, crm, connect):
        outcome = _one(connect(), _silence(_made(crm), channel))
        assert outcome.status is Status.REJECTED
        assert channel.value in outcome.reason
        assert _calls_to(server, "PATCH", "") == []


def test_without_campaigns_nobody_can_be_unsubscribed() -> None:
    """The add-on is named; nothing is sent."""
    with _served(campaigns=False) as (server, crm, connect):
        outcome = _one(connect(), _silence(_made(crm, email="ann@example.com")))
        assert outcome.status is Status.REJECTED
        assert "Campaigns" in outcome.reason
        assert _calls_to(server, "PATCH", "") == []


# -- merging and archiving ------------------------------------------------------------------------


def _merge(survivor: str, *losers: str) -> MergeRecords:
    return MergeRecords(ref=_ref(survivor), losers=tuple(map(_ref, losers)))


def test_a_merge_loses_no_address_and_no_number() -> None:
    """Merging keeps the survivor's lists alone, so it is given the others' before."""
    with _served() as (_server, crm, connect):
        survivor = _made(crm, email="ann@example.com")
        one = _made(crm, email="Ann@Example.com", phone="1")
        other = _made(crm, email="ann@other.example", phone="2")
        assert _one(connect(), _merge(survivor, one, other)).status is Status.VERIFIED
        row = crm.tables["persons"][survivor]
        assert [entry["value"] for entry in row["emails"]] == [
            "ann@example.com",
            "ann@other.example",
        ]
        assert row["emails"][0]["primary"]
        assert [entry["value"] for entry in row["phones"]] == ["1", "2"]


def test_a_withdrawal_that_cannot_be_carried_over_stops_the_merge() -> None:
    """Pipedrive ignores the survivor's change: nothing is merged, and the reason is said."""
    with _served() as (server, crm, connect):
        survivor, loser = (_made(crm, email=f"{n}@example.com") for n in "ab")
        crm.by_hand({"do": "opt_in", "id": survivor})
        crm.by_hand({"do": "opt_out", "id": loser})
        row = crm.tables["persons"][survivor]
        crm.tables["persons"][survivor] = {**row, "marketing_changed": True}
        outcome = _one(connect(), _merge(survivor, loser))
        assert outcome.status is Status.REJECTED
        assert "a loser withdrew from mail" in outcome.reason
        assert _calls_to(server, "PUT", "") == []
        assert crm.tables["persons"][loser]["deleted"] is None


def test_a_merge_that_ends_half_way_says_how_far_it_came() -> None:
    """The second of three is refused: a conflict, in `apply` and in `settle`."""
    with _served() as (server, crm, connect):
        survivor, *losers = (_made(crm) for _ in range(4))
        fault = {"method": "PUT", "path": "/merge", "nth": 2, "status": 400}
        server.faults.add(parse_faults(fault))
        change = _merge(survivor, *losers)
        outcome = _one(connect(), change)
        assert outcome.status is Status.CONFLICT
        assert outcome.reason.startswith("1 of 3 records were merged")
        (settled,) = connect().settle([change])
        assert (settled.status, settled.reason) == (
            Status.CONFLICT,
            "1 of 3 records were merged",
        )


def test_a_merge_goes_on_where_it_was_left() -> None:
    """What we merged already is passed over."""
    with _served() as (server, crm, connect):
        survivor, one, other = (_made(crm) for _ in range(3))
        connector = connect()
        assert _one(connector, _merge(survivor, one)).status is Status.VERIFIED
        outcome = _one(connector, _merge(survivor, one, other))
        assert (outcome.status, outcome.remote_id) == (Status.VERIFIED, survivor)
        assert len(_calls_to(server, "PUT", "/merge$")) == 2


def test_a_merge_into_somebody_who_is_gone() -> None:
    """Nothing is sent; settle says the same."""
    with _served() as (server, crm, connect):
        survivor, loser = _made(crm), _made(crm)
        crm.by_hand({"do": "delete", "id": survivor})
        outcome = _one(connect(), _merge(survivor, loser))
        assert (outcome.status, outcome.reason) == (Status.CONFLICT, f"gone meanwhile: {survivor}")
        (settled,) = connect().settle([_merge(survivor, loser)])
        assert settled.status is Status.CONFLICT
        assert _calls_to(server, "PUT", "") == []


def test_a_success_that_shows_nothing_is_a_doubt() -> None:
    """Merge, archive, task and withdrawal: no result in the answer, no claim that it worked."""
    with _served() as (server, crm, connect):
        person, other = (_made(crm, email=f"{n}@example.com") for n in "ab")
        crm.by_hand({"do": "opt_in", "id": person})
        server.faults.add(parse_faults({"path": "/", "no_op": True}))
        for change in (
            _silence(person),
            ArchiveRecord(ref=_ref(person), reason="test"),
            _task(person),
        ):
            assert _one(connect(), change).status is Status.UNKNOWN, change
        crm.by_hand({"do": "edit", "id": other, "values": {"email": ""}})
        outcome = _one(connect(), _merge(person, other))
        assert outcome.status is Status.UNKNOWN


# -- check, quotas, ways in -----------------------------------------------------------------------


def test_check_tells_what_is_missing_and_how_to_mend_it() -> None:
    """Scopes, add-ons, a misspelt field, an ambiguous one: each is one line with its remedy."""
    scopes = ["base", "contacts:read"]
    more: dict[str, Any] = {"campaigns": False, "contact_sync": False}
    with _served(oauth=True, scopes=scopes, **more) as (_server, _crm, connect):
        connector = connect(extra={"number": "Customer numbr", "remark": "Remark"})
        lines = connector.check().missing
        for part in (
            "users:read",
            "activities:full",
            "recents:read",
            "Campaigns",
            "Contact Sync",
            "did you mean 'Customer number'?",
            code_of("Remark", 2),
        ):
            assert any(part in line for line in lines), part
        assert len(lines) == 7
        with pytest.raises(ConfigError) as caught:
            list(connector.read(None))
        assert len(caught.value.problems) == 2


def test_check_knows_the_company() -> None:
    """Its name, its time zone, users who left, fields with their options, tokens left."""
    with _served(daily=30_000) as (_server, _crm, connect):
        account = connect().check()
        assert (account.id, account.name) == ("7300001", "Steward Sandbox")
        assert account.time_zone == "Europe/Paris"
        assert {owner.active for owner in account.owners.values()} == {True, False}
        assert account.fields[code_of("Language")].label == "Language"
        assert "German" in account.fields[code_of("Language")].options
        assert 0 < account.quota["daily"] < 30_000
        assert account.missing == ()


def test_links_lead_to_the_company() -> None:
    """From what the company says of itself, or from the settings."""
    with _served() as (_server, crm, connect):
        person = str(crm.ids[0])
        contact = connect().get([_ref(person)])[_ref(person)]
        assert contact.url == f"https://steward-sandbox.pipedrive.com/person/{person}"
        contact = connect(company="acme").get([_ref(person)])[_ref(person)]
        assert contact.url == f"https://acme.pipedrive.com/person/{person}"


def test_the_account_s_own_limits_are_followed_and_tokens_counted() -> None:
    """Other limits than the smallest plan's become ours; each call counts what it costs."""
    with _served(burst=120, daily=210_000) as (server, crm, connect):
        settings = PipedriveSettings.model_validate({"api_token": "t"})
        calls = paced_calls("pipe", settings)
        connect(calls=calls).check()
        assert calls._paces["burst"].quota.calls == 120
        assert calls._paces["daily"].quota.calls == 210_000
        assert calls._paces["daily"]._sum == crm.limits.used_today > len(server.log)


def test_the_firewall_closes_the_account_for_minutes() -> None:
    """403 with a web page: the next call is not even made."""
    with _served() as (server, _crm, connect):
        server.faults.add(parse_faults({"path": "/users/me", "html": True, "status": 403}))
        calls = Calls("pipe", policy=QUICK)
        connector = connect(calls=calls)
        with pytest.raises(RetryableError, match="firewall"):
            list(connector.read(None))
        made = len(server.log)
        with pytest.raises(RetryableError) as caught:
            list(connect(calls=calls).read(None))
        assert len(server.log) == made
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 500


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"company": "acme"},
        {"client_id": "a", "client_secret": "b"},
        {"refresh_token": "c"},
        {"api_token": "t", "client_id": "a"},
        {"api_token": "t", "client_id": "a", "client_secret": "b", "refresh_token": "c"},
    ],
)
def test_settings_open_one_way_in(given: dict[str, str]) -> None:
    """A token, or an app with all it needs: anything else is refused with what to give."""
    with pytest.raises(ValidationError, match="one of the two ways in"):
        PipedriveSettings.model_validate(given)


@pytest.mark.parametrize("company", ["Acme", "acme.pipedrive.com", "acme/evil", "-acme", ""])
def test_a_company_is_one_label(company: str) -> None:
    """Nothing that could lead the token to another host."""
    with pytest.raises(ValidationError):
        PipedriveSettings.model_validate({"api_token": "t", "company": company})
