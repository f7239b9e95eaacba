"""What is special about writing to Zoho: preconditions in whole seconds, rows, merges, markers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from tests.connectors.zoho.conftest import Org, Serve

from crm_steward.sandbox import Request, Response, parse_faults
from crm_steward.sdk import (
    ArchiveRecord,
    Change,
    Channel,
    Connector,
    ConsentStatus,
    CreateTask,
    MergeRecords,
    Outcome,
    RecordRef,
    RetryableError,
    Status,
    SuppressChannel,
    UpdateFields,
)
from crm_steward_zoho import merging


def one(connector: Connector, change: Change) -> Outcome:
    """Apply one change."""
    (outcome,) = connector.apply([change])
    return outcome


def update(connector: Connector, ref: RecordRef, **values: Any) -> UpdateFields:
    """Return an update that expects what stands there now."""
    contact = connector.get([ref])[ref]
    expected = {name: contact.value(name) for name in values}
    return UpdateFields(ref=ref, values=values, expected=expected)


def suppression(ref: RecordRef, channel: Channel = Channel.EMAIL) -> SuppressChannel:
    """Return a suppression."""
    return SuppressChannel(ref=ref, channel=channel, address="", reason="asked for it")


def task(ref: RecordRef, **more: Any) -> CreateTask:
    """Return a task."""
    given = {"title": "It's time to look", "body": "Why & what.", "marker": "0123456789abcdef"}
    return CreateTask(ref=ref, due=date(2026, 12, 1), **{**given, **more})


def watch(org: Org) -> list[Request]:
    """Record the requests that arrive from now on."""
    honest, seen = org.crm.answer, []

    def answer(request: Request) -> Response:
        seen.append(request)
        return honest(request)

    org.crm.answer = answer  # type: ignore[method-assign] # listens only
    return seen


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let scheduled merges be asked for at once."""
    monkeypatch.setattr(merging, "_PAUSES", (0.001, 0.001))


# -- updates ----------------------------------------------------------------------------------


def test_a_write_after_a_read_carries_its_time_and_sets_off_nothing(org: Org) -> None:
    """One call, with If-Unmodified-Since of the read, and `trigger: []`."""
    connector = org.open()
    ref = org.refs(1)[0]
    change = update(connector, ref, city="Lyon")
    time = org.held(ref.id, "Modified_Time")
    seen = watch(org)
    assert one(connector, change).status is Status.VERIFIED
    (put,) = [request for request in seen if request.method == "PUT"]
    assert put.headers["if-unmodified-since"] == time
    assert put.json == {"data": [{"id": ref.id, "Mailing_City": "Lyon"}], "trigger": []}
    assert not [r for r in seen if r.method == "GET" and "ids" in r.query]


def test_workflows_run_when_the_settings_say_so(org: Org) -> None:
    """Without `trigger` Zoho runs all of them; so it does for deletions."""
    connector = org.open(workflows=True)
    first, second = org.refs(2)
    change = update(connector, first, city="Lyon")
    seen = watch(org)
    assert one(connector, change).status is Status.VERIFIED
    assert one(connector, ArchiveRecord(ref=second, reason="test")).status is Status.VERIFIED
    assert all("trigger" not in request.json for request in seen if request.method == "PUT")
    assert [r.one("wf_trigger") for r in seen if r.method == "DELETE"] == ["true"]


def test_the_outcome_names_the_new_revision(org: Org) -> None:
    """It is what a read brings afterwards."""
    connector = org.open()
    ref = org.refs(1)[0]
    outcome = one(connector, update(connector, ref, city="Lyon"))
    assert outcome.revision == connector.get([ref])[ref].revision


def test_a_record_modified_in_the_second_it_was_read_is_read_again(org: Org) -> None:
    """Zoho's times cannot tell such an edit from the read: the values are compared instead."""
    connector = org.open()
    ref = org.refs(1)[0]
    org.hand("edit", id=ref.id, values={"Mailing_City": "Paris"})
    change = update(connector, ref, city="Lyon")
    org.hand("edit", id=ref.id, values={"Mailing_City": "Rouen"})
    outcome = one(connector, change)
    assert (outcome.status, org.held(ref.id, "Mailing_City")) == (Status.CONFLICT, "Rouen")


def test_a_record_that_never_comes_to_rest_is_a_conflict(org: Org) -> None:
    """Modified before each of our writes: after three tries it is left alone."""
    connector = org.open()
    ref = org.refs(1)[0]
    change = update(connector, ref, city="Lyon")
    org.server.faults.add(parse_faults({"method": "PUT", "path": "Contacts", "status": 412}))
    outcome = one(connector, change)
    assert outcome.status is Status.CONFLICT
    assert outcome.reason == "the contact was modified again and again"
    assert org.calls("^PUT") == 3


def test_what_stands_there_already_is_not_written(org: Org) -> None:
    """A person wrote the same value meanwhile: verified without a call that writes."""
    connector = org.open()
    ref = org.refs(1)[0]
    change = update(connector, ref, city="Lyon")
    org.crm.offset = timedelta(seconds=5)
    org.hand("edit", id=ref.id, values={"Mailing_City": "Lyon"})
    assert one(connector, change).status is Status.VERIFIED
    assert org.calls("^PUT") == 1  # refused by the precondition


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"email": "nonsense"}, "INVALID_DATA, field Email, expected email"),
        ({"first_name": "x" * 50}, "INVALID_DATA, field First_Name, at most 40"),
        ({"last_name": None}, "MANDATORY_NOT_FOUND, field Last_Name"),
        ({"extra.score": "many"}, "takes only integer for 'extra.score' (Score)"),
        ({"extra.news": "perhaps"}, "takes only boolean"),
        ({"extra.reply": "yesterday"}, "takes only datetime"),
        ({"company": "Acme"}, "takes no value for 'company' (Account_Name, lookup)"),
        ({"extra.made": "2026-01-01"}, "takes no value for 'extra.made' (Created_Time, datetime)"),
        ({"extra.unheard": "x"}, "no field for 'extra.unheard'"),
    ],
)
def test_a_refusal_says_field_and_reason_but_no_value(
    org: Org, values: dict[str, Any], said: str
) -> None:
    """Codes and API names come out; what was to be written does not."""
    extra = {"score": "Score", "news": "Newsletter", "reply": "Last_Reply", "made": "Created_Time"}
    connector = org.open(extra=extra)
    ref = org.refs(1)[0]
    name = next(iter(values))
    held = connector.get([ref])[ref].value(name)
    outcome = one(connector, UpdateFields(ref=ref, values=values, expected={name: held}))
    assert outcome.status is Status.REJECTED
    assert said in outcome.reason
    value = values[name]
    assert not isinstance(value, str) or len(value) < 2 or value not in outcome.reason


def test_custom_fields_keep_their_types(org: Org) -> None:
    """A number stays a number, a truth a truth, a time gets an offset; null clears."""
    extra = {
        "score": "Score",
        "news": "Newsletter",
        "reply": "Last_Reply",
        "number": "Customer_Number",
    }
    connector = org.open(extra=extra)
    ref = org.refs(1)[0]
    values = {
        "extra.score": "7",
        "extra.news": "true",
        "extra.reply": "2026-03-01T12:00:00.123Z",
        "extra.number": None,
    }
    change = update(connector, ref, **values)
    assert one(connector, change).status is Status.VERIFIED
    assert org.held(ref.id, "Score") == 7
    assert org.held(ref.id, "Newsletter") is True
    assert org.held(ref.id, "Last_Reply") == "2026-03-01T12:00:00+00:00"
    assert org.held(ref.id, "Customer_Number") is None
    read = connector.get([ref])[ref]
    assert (read.extra["score"], read.extra["news"], read.extra["number"]) == (7, True, None)


def test_a_duplicate_names_the_other_record(served: Serve) -> None:
    """DUPLICATE_DATA says which record holds the value."""
    with served(unique_email=True) as org:
        connector = org.open()
        holder = next(row for row in org.crm.active() if row["values"].get("Email"))
        ref = next(ref for ref in org.refs(5) if ref.id != holder["id"])
        outcome = one(connector, update(connector, ref, email=holder["values"]["Email"]))
        assert outcome.status is Status.REJECTED
        assert (
            f"DUPLICATE_DATA, field Email, record {holder['id']} has that value" in outcome.reason
        )


def test_a_number_is_written_where_it_was_read(org: Org) -> None:
    """A contact without `Phone` shows its home phone; correcting it does not make a second one."""
    connector = org.open()
    ref = org.refs(1)[0]
    values = {"Phone": None, "Home_Phone": "01", "Email": None, "Secondary_Email": "a@example.com"}
    org.hand("edit", id=ref.id, values=values)
    change = update(connector, ref, phone="+331", email="b@example.com")
    assert change.expected == {"phone": "01", "email": "a@example.com"}
    assert one(connector, change).status is Status.VERIFIED
    assert (org.held(ref.id, "Phone"), org.held(ref.id, "Home_Phone")) == (None, "+331")
    assert org.held(ref.id, "Secondary_Email") == "b@example.com"


def test_a_locked_record_says_so(org: Org) -> None:
    """RECORD_LOCKED is refused with its meaning."""
    connector = org.open()
    ref = org.refs(1)[0]
    change = update(connector, ref, city="Lyon")
    org.hand("lock", id=ref.id)
    outcome = one(connector, change)
    assert outcome.status is Status.REJECTED
    assert "RECORD_LOCKED (somebody locked the record in Zoho)" in outcome.reason


def test_what_follows_an_unsent_write_is_not_lost(org: Org) -> None:
    """The first was written; where the second certainly was not, the error says so."""
    connector = org.open()
    changes = [update(connector, ref, city="Lyon") for ref in org.refs(3)]
    faults = {"method": "PUT", "path": "Contacts", "after": 1, "status": 429}
    org.server.faults.add(parse_faults(faults))
    outcomes: list[Outcome] = []
    with pytest.raises(RetryableError) as caught:
        outcomes.extend(connector.apply(changes))
    assert not caught.value.sent
    assert org.held(changes[0].ref.id, "Mailing_City") == "Lyon"
    assert org.held(changes[1].ref.id, "Mailing_City") != "Lyon"


# -- opt-outs and deletions -------------------------------------------------------------------


def test_opt_outs_share_a_call_and_only_restrict(org: Org) -> None:
    """Thirty in one call, those who are out already left alone."""
    connector = org.open()
    refs = org.refs(30)
    out = {ref.id for ref in refs if org.held(ref.id, "Email_Opt_Out")}
    assert out
    seen = watch(org)
    outcomes = list(connector.apply([suppression(ref) for ref in refs]))
    assert {outcome.status for outcome in outcomes} == {Status.VERIFIED}
    (put,) = [request for request in seen if request.method == "PUT"]
    assert {row["id"] for row in put.json["data"]} == {ref.id for ref in refs} - out
    assert all(row["Email_Opt_Out"] is True for row in put.json["data"])
    assert all(org.held(ref.id, "Email_Opt_Out") for ref in refs)


@pytest.mark.parametrize("channel", [Channel.PHONE, Channel.SMS, Channel.POST])
def test_other_channels_have_no_switch(org: Org, channel: Channel) -> None:
    """Rejected with the reason, before anything is sent."""
    connector = org.open()
    outcome = one(connector, suppression(org.refs(1)[0], channel))
    assert outcome.status is Status.REJECTED
    assert outcome.reason == f"Zoho has no switch that stops contact by {channel.value}"
    assert org.calls("^PUT") == 0


def test_a_batch_refused_whole_is_narrowed_down(org: Org) -> None:
    """Zoho refuses every call that holds one record: the others are written, in few calls."""
    connector = org.open()
    refs = org.refs(16)
    for ref in refs:
        org.hand("opt_in", id=ref.id)
    bad = refs[11].id
    refusal = {"method": "PUT", "path": "Contacts", "body": bad, "status": 400}
    org.server.faults.add(parse_faults(refusal))
    outcomes = list(connector.apply([suppression(ref) for ref in refs]))
    rejected = [n for n, outcome in enumerate(outcomes) if outcome.status is Status.REJECTED]
    assert rejected == [11]
    assert "400 INVALID_DATA" in outcomes[11].reason
    assert sum(org.held(ref.id, "Email_Opt_Out") for ref in refs) == 15
    assert org.calls("^PUT") <= 10


def test_a_row_missing_from_the_answer_is_unknown(org: Org) -> None:
    """The others are matched by id and verified."""
    connector = org.open()
    refs = org.refs(3)
    honest = org.crm.answer

    def short(request: Request) -> Response:
        answer = honest(request)
        if request.method == "DELETE":
            return replace(answer, body={"data": answer.body["data"][1:]})
        return answer

    org.crm.answer = short  # type: ignore[method-assign] # a fault of our own
    outcomes = list(connector.apply([ArchiveRecord(ref=ref, reason="test") for ref in refs]))
    assert [o.status for o in outcomes] == [Status.UNKNOWN, Status.VERIFIED, Status.VERIFIED]


# -- tasks ------------------------------------------------------------------------------------


def test_a_task_has_all_its_parts(org: Org) -> None:
    """Owner, day, status, priority, text and marker; it hangs on the contact."""
    connector = org.open()
    ref = org.refs(1)[0]
    outcome = one(connector, task(ref, owner="5545974000000193002"))
    assert outcome.status is Status.VERIFIED
    held = org.crm.tables["tasks"][outcome.remote_id]["values"]
    assert held == {
        "Subject": "It's time to look",
        "Description": "Why & what.\n\n[crm-steward 0123456789abcdef]",
        "Due_Date": "2026-12-01",
        "Status": "Not Started",
        "Priority": "Normal",
        "Owner": {"id": "5545974000000193002", "name": "Tom Barker"},
        "Who_Id": ref.id,
    }


def test_an_owner_who_has_left_is_refused_with_the_field(org: Org) -> None:
    """Zoho assigns nothing to deactivated users."""
    outcome = one(org.open(), task(org.refs(1)[0], owner="5545974000000193005"))
    assert outcome.status is Status.REJECTED
    assert "INVALID_DATA, field Owner (Zoho assigns nothing to a user" in outcome.reason


def test_a_task_is_found_closed_or_after_a_merge(org: Org) -> None:
    """Found though a person closed it, and though its contact was merged into an unnamed one."""
    connector = org.open()
    first, second = org.refs(2)
    made = one(connector, task(first))
    org.hand("close_task", id=made.remote_id)
    (found,) = connector.settle([task(first)])
    assert (found.status, found.remote_id) == (Status.VERIFIED, made.remote_id)
    org.hand("merge", master=second.id, children=[first.id])
    (found,) = org.open().settle([task(first)])
    assert (found.status, found.remote_id) == (Status.VERIFIED, made.remote_id)
    (other,) = connector.settle([task(first, marker="feedfacefeedface")])
    assert other.status is Status.ABSENT


# -- merges -----------------------------------------------------------------------------------


def merge_of(org: Org, losers: int) -> MergeRecords:
    """Return a merge of contacts who all may be mailed and called."""
    survivor, *rest = org.refs(losers + 1)
    for ref in (survivor, *rest):
        org.hand("opt_in", id=ref.id)
    return MergeRecords(ref=survivor, losers=tuple(rest))


def test_five_losers_take_three_calls(org: Org) -> None:
    """Two children a call, on the same master; twice is once."""
    connector = org.open()
    merge = merge_of(org, 5)
    outcome = one(connector, merge)
    assert (outcome.status, outcome.remote_id) == (Status.VERIFIED, merge.ref.id)
    assert org.calls("POST .*/actions/merge") == 3
    assert one(connector, merge).status is Status.VERIFIED
    assert org.calls("POST .*/actions/merge") == 3


def test_our_own_merges_are_followed(org: Org) -> None:
    """Within the process that merged, a loser's id leads to the survivor, in reads and in `get`."""
    connector = org.open()
    cursor = list(connector.read(None))[-1].cursor
    merge = merge_of(org, 1)
    assert one(connector, merge).status is Status.VERIFIED
    assert set(connector.get(merge.losers)) == {merge.ref}
    gone = [item for page in connector.read(cursor) for item in page.gone]
    assert [(item.ref, item.survivor) for item in gone] == [(merge.losers[0], merge.ref)]
    lost = UpdateFields(ref=merge.losers[0], values={"city": "x"}, expected={"city": None})
    (settled,) = connector.settle([lost])
    assert (settled.status, settled.reason) == (
        Status.CONFLICT, f"the contact was merged into {merge.ref.id}",
    )  # fmt: skip


def test_a_chain_that_ends_half_way_counts(org: Org) -> None:
    """The third loser is locked: two of three were merged, and it says so."""
    merge = merge_of(org, 3)
    org.hand("lock", id=merge.losers[2].id)
    outcome = one(org.open(), merge)
    assert outcome.status is Status.CONFLICT
    assert outcome.reason.startswith("2 of 3 records were merged: Zoho refuses it: NOT_ALLOWED")
    (settled,) = org.open().settle([merge])
    assert (settled.status, settled.reason) == (Status.CONFLICT, "2 of 3 records were merged")


def test_a_refused_merge_is_rejected(org: Org) -> None:
    """Refused at its first call: nothing happened."""
    merge = merge_of(org, 1)
    org.hand("lock", id=merge.losers[0].id)
    outcome = one(org.open(), merge)
    assert (outcome.status, outcome.reason) == (
        Status.REJECTED, "Zoho refuses it: NOT_ALLOWED, field id",
    )  # fmt: skip


def test_what_was_expected_is_compared_before_anything_is_sent(org: Org) -> None:
    """A member that changed since the plan: a conflict, and no call that writes."""
    merge = merge_of(org, 1)
    expected = {merge.losers[0].id: {"last_name": "Somebody else"}}
    outcome = one(org.open(), replace(merge, expected=expected))
    assert outcome.status is Status.CONFLICT
    assert org.calls("^PUT|POST .*/actions") == 0


def test_an_opt_out_is_carried_over_before_the_merge(org: Org) -> None:
    """The survivor is opted out first, so that a lost answer leaves nobody more contactable."""
    merge = merge_of(org, 2)
    org.hand("opt_out", id=merge.losers[1].id)
    org.server.faults.add(parse_faults({"path": "/actions/merge", "reset": "before"}))
    assert one(org.open(), merge).status is Status.UNKNOWN
    assert org.held(merge.ref.id, "Email_Opt_Out") is True


def test_a_merge_whose_opt_out_cannot_be_carried_over_is_refused(org: Org) -> None:
    """Nothing is merged then."""
    merge = merge_of(org, 1)
    org.hand("opt_out", id=merge.losers[0].id)
    org.server.faults.add(parse_faults({"method": "PUT", "path": "Contacts", "status": 400}))
    outcome = one(org.open(), merge)
    assert outcome.status is Status.REJECTED
    assert "opt-out could not be carried over" in outcome.reason
    assert org.calls("/actions/merge") == 0


def test_a_merge_that_would_allow_calls_is_refused(org: Org) -> None:
    """A loser may not be called, the survivor may: Zoho would keep the survivor's word."""
    merge = merge_of(org, 1)
    details = {
        "Data_Processing_Basis": "Obtained",
        "Contact_Through_Email": True,
        "Contact_Through_Phone": False,
    }
    values = {"Data_Processing_Basis_Details": details}
    org.hand("edit", id=merge.losers[0].id, values=values)
    outcome = one(org.open(), merge)
    assert outcome.status is Status.REJECTED
    assert "may not be called" in outcome.reason
    assert merge.losers[0].id in org.ids


def test_never_more_contactable_whatever_is_merged(served: Serve) -> None:
    """All pairs of e-mail consent: who said no before says no afterwards."""
    states: dict[str, dict[str, Any]] = {
        "out": {"Email_Opt_Out": True},
        "stop": {"Data_Processing_Basis": "Stop processing"},
        "obtained": {"Data_Processing_Basis": "Consent - Obtained"},
        "pending": {"Data_Processing_Basis": "Consent - Pending"},
        "interest": {"Data_Processing_Basis": "Legitimate Interests"},
        "nothing": {"Data_Processing_Basis": "Not Applicable"},
    }
    with served(contacts=80) as org:
        connector = org.open()
        blank = {"Email_Opt_Out": False, "Data_Processing_Basis_Details": None}
        for kept in states.values():
            for lost in states.values():
                survivor, loser = org.refs(2)
                org.hand("edit", id=survivor.id, values={**blank, **kept})
                org.hand("edit", id=loser.id, values={**blank, **lost})
                said_no = bool(
                    {"out", "stop"} & {k for k, v in states.items() if v in (kept, lost)}
                )
                assert one(connector, MergeRecords(ref=survivor, losers=(loser,))).status is (
                    Status.VERIFIED
                )
                left = connector.get([survivor])[survivor].consents
                refused = any(c.status >= ConsentStatus.WITHDRAWN for c in left)
                assert refused is said_no
                org.hand("delete", id=survivor.id)


@pytest.mark.usefixtures("quick")
def test_a_scheduled_merge_is_waited_for_and_then_settled(served: Serve) -> None:
    """Done in time: verified. Not in time: unknown, under way, and verified once it is through."""
    with served(merge_job=timedelta(0)) as org:
        assert one(org.open(), merge_of(org, 3)).status is Status.VERIFIED
    with served(merge_job=timedelta(hours=1)) as org:
        merge = merge_of(org, 1)
        outcome = one(org.open(), merge)
        assert (outcome.status, outcome.reason) == (
            Status.UNKNOWN, "Zoho has scheduled the merge",
        )  # fmt: skip
        (settled,) = org.open().settle([merge])
        assert (settled.status, settled.reason) == (Status.UNKNOWN, "Zoho is still merging")
        org.crm.offset = timedelta(hours=1)
        (settled,) = org.open().settle([merge])
        assert (settled.status, settled.remote_id) == (Status.VERIFIED, merge.ref.id)


@pytest.mark.usefixtures("quick")
def test_a_merge_job_that_fails_is_no_merge(served: Serve) -> None:
    """Zoho gives it up, for a child is gone: rejected, the other one stays."""
    with served(merge_job=timedelta(0)) as org:
        merge = merge_of(org, 1)
        honest = org.crm.answer

        def failing(request: Request) -> Response:
            if request.method == "GET" and request.path.endswith("/actions/merge"):
                return Response(200, {"merge": [{"job_id": "1", "status": "FAILURE"}]})
            return honest(request)

        org.crm.answer = failing  # type: ignore[method-assign] # a job that Zoho gives up
        outcome = one(org.open(), merge)
        assert (outcome.status, outcome.reason) == (Status.REJECTED, "Zoho's merge job failed")


def test_a_survivor_that_is_gone_merges_nothing(org: Org) -> None:
    """Deleted meanwhile: rejected; after a lost answer: a conflict."""
    merge = merge_of(org, 1)
    org.hand("delete", id=merge.ref.id)
    assert one(org.open(), merge).status is Status.REJECTED
    (settled,) = org.open().settle([merge])
    assert settled.status is Status.CONFLICT


def test_every_kind_of_change_in_one_call(org: Org) -> None:
    """One outcome each, in order, whatever is mixed."""
    connector = org.open()
    refs = org.refs(6)
    for ref in refs:
        org.hand("opt_in", id=ref.id)
    changes: list[Change] = [
        suppression(refs[0]),
        update(connector, refs[0], city="Lyon"),
        suppression(refs[1]),
        suppression(refs[1]),
        task(refs[1]),
        MergeRecords(ref=refs[2], losers=(refs[3],)),
        ArchiveRecord(ref=refs[4], reason="test"),
        ArchiveRecord(ref=refs[5], reason="test"),
    ]
    from crm_steward.sdk import change_key  # noqa: PLC0415 - only here

    outcomes = list(connector.apply(changes))
    assert [outcome.key for outcome in outcomes] == [change_key(change) for change in changes]
    assert {outcome.status for outcome in outcomes} == {Status.VERIFIED}
    assert {outcome.status for outcome in org.open().settle(changes)} == {Status.VERIFIED}
    assert org.calls("^DELETE") == 1
