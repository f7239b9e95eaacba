"""What is special about writing to Salesforce: the guard, locks, duplicate rules, collections, merges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tests.connectors.salesforce.conftest import Org, served

from crm_steward.connect.calls import TooLateError, before_each_call
from crm_steward.sandbox import parse_faults
from crm_steward.sdk import (
    ArchiveRecord,
    Change,
    Channel,
    Connector,
    CreateTask,
    MergeRecords,
    Outcome,
    RecordRef,
    RetryableError,
    Status,
    SuppressChannel,
    UpdateFields,
    Value,
)
from crm_steward_salesforce.tasks import described

PATCH = "PATCH /services/data/v64.0/sobjects/Contact/"


def ref(record_id: str) -> RecordRef:
    """Return a ref of the org."""
    return RecordRef("sf", record_id)


def update(connector: Connector, record_id: str, **values: Value) -> UpdateFields:
    """Return an update that expects what the contact holds now."""
    held = connector.get([ref(record_id)])[ref(record_id)]
    expected = {name: held.value(name) for name in values}
    return UpdateFields(ref=ref(record_id), values=values, expected=expected)


def task(record_id: str, number: int = 0, **more: Any) -> CreateTask:
    """Return a task."""
    given = {"title": "Look", "body": "Please.", "due": date(2026, 12, 1), **more}
    return CreateTask(ref=ref(record_id), marker=f"{number:016x}", **given)


def stop(record_id: str, channel: Channel = Channel.EMAIL) -> SuppressChannel:
    """Return a suppression."""
    return SuppressChannel(ref=ref(record_id), channel=channel, address="", reason="asked for it")


def only(outcomes: Iterator[Outcome]) -> Outcome:
    """Return the one outcome there is."""
    (outcome,) = outcomes
    return outcome


def restricted(org: Org, record_id: str) -> dict[str, bool]:
    """Return the switches of a contact."""
    row = org.crm.tables["Contact"][record_id]
    return {name: row[name] for name in ("HasOptedOutOfEmail", "DoNotCall", "HasOptedOutOfFax")}


def free(org: Org, *ids: str) -> None:
    """Let nothing be known about what contacts object to."""
    for record_id in ids:
        off = {"HasOptedOutOfEmail": False, "DoNotCall": False, "IndividualId": None}
        org.do("edit", id=record_id, values=off)


# -- the guard ------------------------------------------------------------------------------------


def test_a_token_renewed_on_the_way_does_not_lose_the_guard(org: Org) -> None:
    """The session ends with the very write that a person was faster than: still a conflict."""
    connector = org.open()
    change = update(connector, org.ids()[0], job_title="Ours")
    org.crm.offset += timedelta(seconds=2)
    org.do("edit", id=change.ref.id, values={"Title": "Theirs"})
    fault = {"method": "PATCH", "path": "sobjects/Contact", "nth": 1, "expire_token": True}
    org.server.faults.add(parse_faults(fault))
    assert only(connector.apply([change])).status is Status.CONFLICT
    assert org.calls(PATCH) == 2
    assert org.crm.tables["Contact"][change.ref.id]["Title"] == "Theirs"


def test_a_record_under_constant_change_is_left_alone(org: Org) -> None:
    """Another field moves before each try: after three the person has the last word."""
    connector = org.open()
    change = update(connector, org.ids()[0], job_title="Ours")
    seconds = iter(range(2, 1_000, 2))
    now = datetime.now(UTC)
    org.crm._clock = lambda: now + timedelta(seconds=next(seconds))
    edit = {"values": {"Department": "Bees"}, "when": "before"}
    org.server.faults.add(
        parse_faults({"method": "PATCH", "path": "sobjects/Contact", "human_edit": edit})
    )
    outcome = only(connector.apply([change]))
    assert (outcome.status, org.calls(PATCH)) == (Status.CONFLICT, 3)


def test_a_value_that_is_not_what_was_expected_is_not_sent(org: Org) -> None:
    """Even where nobody has read the record before: it is read, compared and left."""
    connector = org.open()
    change = UpdateFields(
        ref=ref(org.ids()[0]), values={"job_title": "Ours"}, expected={"job_title": "Something"}
    )
    outcome = only(connector.apply([change]))
    assert (outcome.status, org.calls(PATCH)) == (Status.CONFLICT, 0)
    assert "job_title" in outcome.reason
    assert "Something" not in outcome.reason


def test_what_the_orgs_automation_changes_again_is_not_called_verified(org: Org) -> None:
    """Salesforce's answer is empty: the record is read back, and does not show the value."""
    connector = org.open()
    change = update(connector, org.ids()[0], job_title="Ours")
    edit = {"values": {"Title": "Automatic"}, "when": "after"}
    org.server.faults.add(
        parse_faults({"method": "PATCH", "path": "sobjects/Contact", "human_edit": edit})
    )
    outcome = only(connector.apply([change]))
    assert outcome.status is Status.UNKNOWN
    assert "job_title" in outcome.reason


def test_what_came_too_late_is_told_from_what_was_sent(org: Org) -> None:
    """The core's watch ends the run after two writes: both are read back, the third is unsent."""
    connector = org.open()
    changes = [update(connector, record_id, job_title="Ours") for record_id in org.ids()[:3]]
    connector.get([change.ref for change in changes])
    made = 0

    def watch() -> None:
        nonlocal made
        made += 1
        if made > 2:
            raise TooLateError

    seen: list[Outcome] = []
    with before_each_call(watch), pytest.raises(TooLateError):
        for outcome in connector.apply(changes):
            seen.append(outcome)  # noqa: PERF402 -- what came before the error counts
    assert [outcome.status for outcome in seen] == [Status.VERIFIED] * 2
    assert org.calls(PATCH) == 2


@pytest.mark.parametrize(("times", "status"), [(2, Status.VERIFIED), (99, Status.UNKNOWN)])
def test_a_locked_record_is_tried_again(org: Org, times: int, status: Status) -> None:
    """Nothing took effect; where the lock lasts, settle finds that, and the others were written."""
    connector = org.open()
    changes = [update(connector, record_id, job_title="Ours") for record_id in org.ids()[:2]]
    org.do("lock", id=changes[0].ref.id, times=times)
    first, second = connector.apply(changes)
    assert (first.status, second.status) == (status, Status.VERIFIED)
    settled = only(connector.settle(changes[:1]))
    assert settled.status is (Status.VERIFIED if times == 2 else Status.ABSENT)


@pytest.mark.parametrize(
    ("rule", "allow", "status"),
    [
        ("alert", False, Status.REJECTED),
        ("alert", True, Status.VERIFIED),
        ("block", True, Status.REJECTED),
    ],
)
def test_duplicate_rules(rule: str, status: Status, *, allow: bool) -> None:
    """They refuse with a reason that names the way out; saving in spite of them is asked for."""
    with served(duplicate_rule=rule) as org:
        one, other = org.ids()[:2]
        org.do("edit", id=one, values={"Email": "taken@example.com"})
        connector = org.open(allow_duplicates=allow)
        change = update(connector, other, email="taken@example.com")
        outcome = only(connector.apply([change]))
        assert outcome.status is status
        assert ("allow_duplicates" in outcome.reason) is (status is Status.REJECTED)
        assert "taken@example.com" not in outcome.reason


def test_values_are_of_the_fields_own_type(org: Org) -> None:
    """A checkbox takes true and false in words; what fits no type is refused unsent."""
    connector = org.open(extra={"fax": "HasOptedOutOfFax", "lang": "Language__c"})
    one = org.ids()[0]
    ticked = update(connector, one, **{"extra.fax": "true"})
    assert only(connector.apply([ticked])).status is Status.VERIFIED
    assert org.crm.tables["Contact"][one]["HasOptedOutOfFax"] is True
    wrong = update(connector, one, **{"extra.fax": "perhaps"})
    sent = org.calls(PATCH)
    assert only(connector.apply([wrong])).status is Status.REJECTED
    assert org.calls(PATCH) == sent
    unlisted = update(connector, one, **{"extra.lang": "Klingon"})
    outcome = only(connector.apply([unlisted]))
    assert outcome.status is Status.REJECTED
    assert "Language__c" in outcome.reason
    assert "Klingon" not in outcome.reason


def test_fields_that_cannot_be_written_are_refused_unsent(org: Org) -> None:
    """The account's name, an owner, a field that is only read."""
    connector = org.open(extra={"made": "CreatedDate"})
    for name in ("company", "owner", "extra.made", "created_at"):
        change = UpdateFields(ref=ref(org.ids()[0]), values={name: "x"}, expected={name: None})
        assert only(connector.apply([change])).status is Status.REJECTED
    assert org.calls(PATCH) == 0


def test_no_update_ever_takes_an_opt_out_back(org: Org) -> None:
    """Not even where the settings map a switch to a field of ours."""
    connector = org.open(extra={"mail": "HasOptedOutOfEmail"})
    one = org.ids()[0]
    org.do("opt_out", id=one)
    for value in ("false", None):
        change = update(connector, one, **{"extra.mail": value})
        assert only(connector.apply([change])).status is Status.REJECTED
    assert org.crm.tables["Contact"][one]["HasOptedOutOfEmail"] is True


# -- collections ----------------------------------------------------------------------------------


def test_a_request_refused_whole_is_halved(org: Org) -> None:
    """The first two requests are refused: every task is made once all the same."""
    tasks = [task(org.ids()[0], number) for number in range(8)]
    fault = {"method": "POST", "path": "composite", "nth": [1, 2], "status": 400}
    org.server.faults.add(parse_faults(fault))
    outcomes = list(org.open().apply(tasks))
    assert {outcome.status for outcome in outcomes} == {Status.VERIFIED}
    assert [o.key for o in outcomes] == [o.key for o in org.open().settle(tasks)]
    assert len(org.crm.live("Task")) == 8


def test_250_tasks_travel_in_two_requests(org: Org) -> None:
    """Two hundred a request is what Salesforce takes."""
    tasks = [task(org.ids()[number % 60], number) for number in range(250)]
    assert {o.status for o in org.open().apply(tasks)} == {Status.VERIFIED}
    assert org.calls("POST /services/data/v64.0/composite/sobjects") == 2


def test_a_row_somebody_holds_is_sent_again_alone(org: Org) -> None:
    """The others are not sent twice."""
    one, two = org.ids()[:2]
    free(org, one, two)
    org.do("lock", id=one, times=2)
    outcomes = list(org.open().apply([stop(one), stop(two)]))
    assert [outcome.status for outcome in outcomes] == [Status.VERIFIED] * 2
    assert org.calls("PATCH /services/data/v64.0/composite/sobjects") == 3


def test_rows_that_the_answer_leaves_out_are_unknown(org: Org) -> None:
    """A success without rows shows nothing."""
    free(org, org.ids()[0])
    org.server.faults.add(parse_faults({"method": "PATCH", "path": "composite", "no_op": True}))
    assert only(org.open().apply([stop(org.ids()[0])])).status is Status.UNKNOWN


def test_what_comes_before_a_used_up_day_is_told(org: Org) -> None:
    """300 tasks, and the calls end after the first two hundred: those are verified, then it stops."""
    tasks = [task(org.ids()[0], number) for number in range(300)]
    connector = org.open()
    connector.get([ref(org.ids()[0])])
    list(connector.apply(tasks[:1]))
    org.crm.daily = len(org.crm.used) + 1
    seen: list[Outcome] = []
    with pytest.raises(RetryableError, match="used up") as caught:
        for outcome in connector.apply(tasks[1:]):
            seen.append(outcome)  # noqa: PERF402 -- what came before the error counts
    assert len(seen) == 200
    assert (caught.value.retry_after, caught.value.sent) == (3600, False)


# -- tasks ----------------------------------------------------------------------------------------


def test_a_task_says_whose_and_when(org: Org) -> None:
    """Owner, due day, the org's own status, and the marker as its last line."""
    owner = org.crm.live("User")[1]["Id"]
    made = only(org.open().apply([task(org.ids()[0], 7, owner=owner)]))
    row = org.crm.tables["Task"][made.remote_id]
    assert (row["OwnerId"], row["ActivityDate"]) == (owner, "2026-12-01")
    assert (row["Status"], row["Priority"]) == ("Not Started", "Normal")
    assert row["Description"].splitlines()[-1] == "[crm-steward 0000000000000007]"


def test_an_owner_who_has_left_is_named(org: Org) -> None:
    """The task is refused with the reason, the one beside it is made."""
    left = next(u["Id"] for u in org.crm.live("User") if not u["IsActive"])
    queue = org.crm.live("Group")[0]["Id"]
    tasks = [task(org.ids()[0], 1, owner=left), task(org.ids()[0], 2, owner=queue)]
    first, second = org.open().apply(tasks)
    assert (first.status, second.status) == (Status.REJECTED, Status.VERIFIED)
    assert "owner is not active" in first.reason


def test_a_task_somebody_has_deleted_was_made(org: Org) -> None:
    """Settle finds it in the recycle bin: it must not be made again."""
    one = task(org.ids()[0])
    made = only(org.open().apply([one]))
    org.do("delete", id=made.remote_id, object="Task")
    settled = only(org.open().settle([one]))
    assert (settled.status, settled.remote_id) == (Status.VERIFIED, made.remote_id)


def test_long_texts_are_cut_and_the_marker_is_not() -> None:
    """A description takes 32,000 characters; the marker is always among them."""
    text = described("x" * 40_000, "00ff")
    assert len(text) == 32_000
    assert text.endswith("…\n\n[crm-steward 00ff]")


# -- opting out -----------------------------------------------------------------------------------


def test_two_channels_of_one_contact_are_one_row(org: Org) -> None:
    """Mail and telephone in one request; what is ticked already is not sent again."""
    one = org.ids()[0]
    free(org, one)
    connector = org.open()
    changes = [stop(one), stop(one, Channel.PHONE)]
    for _ in range(2):
        assert [o.status for o in connector.apply(changes)] == [Status.VERIFIED] * 2
    assert restricted(org, one) == {
        "HasOptedOutOfEmail": True,
        "DoNotCall": True,
        "HasOptedOutOfFax": False,
    }
    assert org.calls("PATCH /services/data/v64.0/composite/sobjects") == 1


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.POST])
def test_channels_without_a_switch_are_refused(org: Org, channel: Channel) -> None:
    """With the reason, and unsent."""
    outcome = only(org.open().apply([stop(org.ids()[0], channel)]))
    assert outcome.status is Status.REJECTED
    assert "no switch" in outcome.reason
    assert org.calls("PATCH") == 0


def test_a_switch_that_is_hidden_cannot_be_ticked(org: Org) -> None:
    """Refused with the field's name."""
    org.do("hide", fields=["Contact.DoNotCall"])
    outcome = only(org.open().apply([stop(org.ids()[0], Channel.PHONE)]))
    assert (outcome.status, "DoNotCall" in outcome.reason) == (Status.REJECTED, True)


# -- merging --------------------------------------------------------------------------------------


def merge(org: Org, losers: int, **more: Any) -> MergeRecords:
    """Return a merge of contacts that have objected to nothing."""
    survivor, *rest = org.ids()[: losers + 1]
    free(org, survivor, *rest)
    return MergeRecords(ref=ref(survivor), losers=tuple(map(ref, rest)), **more)


def test_five_losers_are_merged_in_three_calls(org: Org) -> None:
    """Two at a time; a second time nothing is left to do."""
    change = merge(org, 5)
    connector = org.open()
    for _ in range(2):
        outcome = only(connector.apply([change]))
        assert (outcome.status, outcome.remote_id) == (Status.VERIFIED, change.ref.id)
    assert org.calls("POST /services/Soap") == 3
    gone = [r for r in org.crm.tables["Contact"].values() if r["MasterRecordId"] == change.ref.id]
    assert len(gone) == 5


def test_every_opt_out_of_a_loser_is_carried_over(org: Org) -> None:
    """Mail, telephone and fax, and what only the loser's Individual says: as it is merged."""
    change = merge(org, 3)
    one, two, three = (loser.id for loser in change.losers)
    org.do("opt_out", id=one, field="DoNotCall")
    org.do("opt_out", id=two, field="HasOptedOutOfFax")
    org.do("opt_in", id=three)
    org.do("consent", id=three, type="Email", status="OptOut")
    assert restricted(org, change.ref.id) == dict.fromkeys(restricted(org, one), False)
    assert only(org.open().apply([change])).status is Status.VERIFIED
    assert restricted(org, change.ref.id) == dict.fromkeys(restricted(org, one), True)
    assert org.calls("composite") == 0


def test_an_objection_that_no_switch_can_hold_stops_the_merge(org: Org) -> None:
    """A loser's Individual objects to everything, post included: nothing is sent."""
    change = merge(org, 1)
    org.do("opt_in", id=change.losers[0].id)
    party = org.crm.tables["Contact"][change.losers[0].id]["IndividualId"]
    org.do("edit", id=party, values={"HasOptedOutProcessing": True}, object="Individual")
    outcome = only(org.open().apply([change]))
    assert outcome.status is Status.REJECTED
    assert "post" in outcome.reason
    assert org.calls("POST /services/Soap") == 0


@pytest.mark.parametrize("field", ["HasOptedOutOfEmail", "DoNotCall"])
def test_what_cannot_be_seen_could_be_lost(org: Org, field: str) -> None:
    """An opt-out hidden from our user: no merge."""
    change = merge(org, 1)
    org.do("hide", fields=[f"Contact.{field}"])
    outcome = only(org.open().apply([change]))
    assert (outcome.status, field in outcome.reason) == (Status.REJECTED, True)
    assert org.calls("POST /services/Soap") == 0


def test_a_merge_is_compared_before_it_is_sent(org: Org) -> None:
    """A member holds something else by now: a conflict that names the field, not the value."""
    one = merge(org, 1)
    expected = {one.losers[0].id: {"job_title": "Beekeeper"}}
    change = MergeRecords(ref=one.ref, losers=one.losers, expected=expected)
    outcome = only(org.open().apply([change]))
    assert outcome.status is Status.CONFLICT
    assert "job_title" in outcome.reason
    assert "Beekeeper" not in outcome.reason
    assert org.calls("POST /services/Soap") == 0


def test_a_chain_that_ends_half_way_says_how_far_it_came(org: Org) -> None:
    """The second call is refused by the org: two of three are merged, and settle says so too."""
    change = merge(org, 3)
    connector = org.open()
    org.server.faults.add(parse_faults({"path": "/Soap/", "nth": 2, "status": 400}))
    outcome = only(connector.apply([change]))
    assert outcome.status is Status.CONFLICT
    assert outcome.reason.startswith("2 of 3 records were merged: ")
    settled = only(connector.settle([change]))
    assert settled.status is Status.CONFLICT
    assert "2 of 3" in settled.reason


def test_a_session_that_ends_with_the_merge(org: Org) -> None:
    """SOAP refuses the session with a fault: a new one is opened, and the merge is sent again."""
    change = merge(org, 1)
    org.server.faults.add(parse_faults({"path": "/Soap/", "nth": 1, "expire_token": True}))
    assert only(org.open().apply([change])).status is Status.VERIFIED
    assert org.calls("POST /services/Soap") == 2


@pytest.mark.parametrize(
    "fault", [{"html": True}, {"truncated_json": True}, {"no_op": True}, {"status": 500}]
)
def test_a_merge_whose_answer_is_none_is_unknown(org: Org, fault: dict[str, Any]) -> None:
    """A web page, half an envelope, an empty one, a fault without a code: sent once, then settled."""
    change = merge(org, 1)
    org.server.faults.add(parse_faults({"path": "/Soap/", "nth": 1, **fault}))
    connector = org.open()
    assert only(connector.apply([change])).status is Status.UNKNOWN
    assert org.calls("POST /services/Soap") == 1
    took_effect = "truncated_json" in fault
    settled = only(connector.settle([change])).status
    assert settled is (Status.VERIFIED if took_effect else Status.ABSENT)


def test_a_lock_ends_and_the_merge_goes_on(org: Org) -> None:
    """Nothing took effect while it was held."""
    change = merge(org, 1)
    org.do("lock", id=change.losers[0].id, times=2)
    assert only(org.open().apply([change])).status is Status.VERIFIED
    assert org.calls("POST /services/Soap") == 3


def test_the_core_watches_the_first_link_only(org: Org) -> None:
    """Too late before anything was sent: nothing is; once begun, the rest is compared by ourselves."""
    change = merge(org, 3)
    connector = org.open()

    def late_after(call: str) -> Callable[[], None]:
        before = org.calls(call)

        def check() -> None:
            if org.calls(call) > before:
                raise TooLateError

        return check

    with before_each_call(late_after("FROM+Contact+")), pytest.raises(TooLateError):
        list(connector.apply([change]))
    assert org.calls("POST /services/Soap") == 0
    with before_each_call(late_after("POST /services/Soap")):
        assert only(connector.apply([change])).status is Status.VERIFIED
    assert org.calls("POST /services/Soap") == 2


# -- rights ---------------------------------------------------------------------------------------


def test_rights_that_are_missing_are_named(org: Org) -> None:
    """Without Edit, Delete and Edit Tasks nothing is written, and each refusal says why."""
    changes: list[Change] = [
        update(org.open(), org.ids()[0], job_title="Ours"),
        ArchiveRecord(ref=ref(org.ids()[1]), reason="test"),
        merge(org, 1),
        task(org.ids()[3]),
    ]
    org.do("permit", permissions=["ApiEnabled", "ReadContact"])
    outcomes = list(org.open().apply(changes))
    assert {outcome.status for outcome in outcomes} == {Status.REJECTED}
    assert all("user" in outcome.reason for outcome in outcomes)
    assert len(org.ids()) == 60


# -- what was sent is told, whatever comes after ----------------------------------------------------


def test_a_row_that_is_held_hides_no_other_one(org: Org) -> None:
    """The first row is to be sent again, too late: the others were made, and are told of."""
    one, two = org.ids()[:2]
    free(org, one, two)
    org.do("lock", id=one, times=1)

    def check() -> None:
        if org.calls("PATCH /services/data/v64.0/composite/sobjects"):
            raise TooLateError

    told: list[Outcome] = []
    with before_each_call(check), pytest.raises(TooLateError):
        for outcome in org.open().apply([stop(one), stop(two)]):
            told.append(outcome)  # noqa: PERF402 -- what came before the error counts
    assert [outcome.status for outcome in told] == [Status.VERIFIED]
    assert restricted(org, two)["HasOptedOutOfEmail"]


@pytest.mark.parametrize("losers", [1, 3])
def test_a_merge_that_cannot_be_read_back_is_in_doubt(org: Org, losers: int) -> None:
    """The token is withdrawn just after a link: unknown, not an error that hides what was sent."""
    change = merge(org, losers)
    connector = org.open()
    honest = org.crm.answer

    def answer(request: Any) -> Any:
        given = honest(request)
        if "/Soap/" in request.path:
            org.do("revoke")
        return given

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(org.crm, "answer", answer)
        outcome = only(connector.apply([change]))
    assert outcome.status is Status.UNKNOWN
    gone = [r for r in org.crm.tables["Contact"].values() if r["MasterRecordId"] == change.ref.id]
    assert len(gone) == min(losers, 2)


# -- consent --------------------------------------------------------------------------------------


def test_no_update_says_that_consent_was_given(org: Org) -> None:
    """The field that proves it is also mapped for rules: it is cleared, never written."""
    name = "Consent_Given_At__c"
    connector = org.open(extra={"agreed": name}, consent={"given_at": name})
    one = org.ids()[0]
    org.do("edit", id=one, values={name: None})
    given = update(connector, one, **{"extra.agreed": "2026-11-01T08:00:00Z"})
    assert only(connector.apply([given])).status is Status.REJECTED
    org.do("edit", id=one, values={name: "2026-11-01T08:00:00.000+0000"})
    cleared = update(connector, one, **{"extra.agreed": None})
    assert only(connector.apply([cleared])).status is Status.VERIFIED


def test_no_update_changes_whose_objections_count(org: Org) -> None:
    """A contact without its Individual would be without what that has objected to."""
    one = org.ids()[0]
    org.do("opt_in", id=one)
    held = org.crm.tables["Contact"][one]["IndividualId"]
    connector = org.open(extra={"person": "IndividualId"})
    for value in (None, held):
        change = update(connector, one, **{"extra.person": value})
        assert only(connector.apply([change])).status is Status.REJECTED
    assert org.calls(PATCH) == 0


def _choosing(org: Org, survivor: str, party: str) -> Callable[[Any], Any]:
    """Let merges keep a loser's Individual, as an org's setting may have it."""
    honest = org.crm.answer

    def answer(request: Any) -> Any:
        given = honest(request)
        if "/Soap/" in request.path:
            org.do("edit", id=survivor, values={"IndividualId": party})
        return given

    return answer


def test_a_survivor_keeps_its_refusal_whichever_individual_is_kept(org: Org) -> None:
    """Only its own Individual has refused: the switch is ticked as the records are merged."""
    change = merge(org, 1)
    (loser,) = change.losers
    for one in (change.ref.id, loser.id):
        org.do("opt_in", id=one)
    org.do("consent", id=change.ref.id, type="Email", status="OptOut")
    party = org.crm.tables["Contact"][loser.id]["IndividualId"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(org.crm, "answer", _choosing(org, change.ref.id, party))
        assert only(org.open().apply([change])).status is Status.VERIFIED
    assert restricted(org, change.ref.id)["HasOptedOutOfEmail"]


def test_a_survivor_that_a_loser_s_individual_opens_is_named(org: Org) -> None:
    """Nothing was known of the survivor, the loser had consented: said, and not passed over."""
    change = merge(org, 1)
    (loser,) = change.losers
    org.do("opt_in", id=loser.id)
    party = org.crm.tables["Contact"][loser.id]["IndividualId"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(org.crm, "answer", _choosing(org, change.ref.id, party))
        outcome = only(org.open().apply([change]))
    assert outcome.status is Status.CONFLICT
    assert "email" in outcome.reason
