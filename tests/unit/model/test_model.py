"""The model: what is written down comes back, and identities are made of content alone."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.model import (
    FIELDS,
    KEPT,
    MAPPABLE,
    AddressStatus,
    ArchiveRecord,
    Change,
    Channel,
    CloseTask,
    Consent,
    ConsentStatus,
    Contact,
    CreateTask,
    Email,
    Finding,
    MergeRecords,
    Phone,
    PhoneKind,
    Plan,
    PlannedChange,
    RecordRef,
    Severity,
    StewardError,
    SuppressChannel,
    UpdateFields,
    binding_consent,
    change_from_json,
    change_key,
    change_to_json,
    fingerprint,
)

text = st.text(max_size=20)
refs = st.builds(
    RecordRef, st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True), st.text(min_size=1)
)
values = st.dictionaries(
    st.sampled_from(sorted(FIELDS)), st.none() | text | st.integers() | st.booleans(), min_size=1
)
changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(UpdateFields, ref=refs, values=values, expected=values),
    st.builds(
        SuppressChannel, ref=refs, channel=st.sampled_from(Channel), address=text, reason=text
    ),
    st.builds(
        CreateTask,
        ref=refs,
        title=text,
        body=text,
        due=st.dates(),
        marker=text,
        owner=st.none() | text,
    ),
    st.builds(CloseTask, ref=refs, task=text, marker=text, reason=text),
    st.builds(MergeRecords, ref=refs, losers=st.lists(refs, max_size=3).map(tuple)),
    st.builds(ArchiveRecord, ref=refs, reason=text),
)
planned = st.builds(
    PlannedChange, change=changes, rule=text, finding=text, why=text, automatic=st.booleans()
)
times = st.datetimes(timezones=st.just(UTC))
plans = st.builds(
    Plan,
    changes=st.lists(planned, max_size=4).map(tuple),
    created_at=times,
    expires_at=times,
    mirror=text,
    rules=text,
)


def test_every_field_has_a_value_even_of_an_empty_contact() -> None:
    """Nothing is known of it, save its connection, and that it has no notes."""
    empty = Contact(ref=RecordRef("crm", "1"))
    known = {name: v for name in FIELDS if (v := empty.value(name)) is not None}
    unknown = dict.fromkeys(("stage", "kind", "source_type"), "unknown")
    assert known == {**unknown, "has_notes": False, "connection": "crm"}


def test_what_is_worked_out_follows_from_what_is_known() -> None:
    """The binding consent with its proof, the primary e-mail, notes; whole numbers stay whole."""
    when = datetime(2026, 1, 2, tzinfo=UTC)
    agreed = Consent(
        channel=Channel.PHONE, status=ConsentStatus.GRANTED, basis="b", given_at=when, how="call"
    )
    contact = Contact(
        ref=RecordRef("crm", "1"),
        emails=(Email("Ann@Example.COM", AddressStatus.INVALID), Email("b@example.org")),
        consents=(agreed, Consent(channel=Channel.EMAIL, status=ConsentStatus.WITHDRAWN)),
        purchases=3.0,
        notes="x",
    )
    expected = {
        "email_status": "invalid", "email_domain": "example.com", "has_notes": True,
        "consent_phone": "granted", "consent_phone_basis": "b", "consent_phone_how": "call",
        "consent_phone_given_at": when.isoformat(), "consent_email": "withdrawn",
        "consent_email_basis": None, "consent_sms": None, "purchases": 3,
    }  # fmt: skip
    assert {name: contact.value(name) for name in expected} == expected
    assert isinstance(contact.value("purchases"), int)


def test_settings_map_what_is_held_and_never_what_is_worked_out() -> None:
    """Each field is one or the other, and none that is worked out or kept aside is written."""
    assert set(KEPT) < set(MAPPABLE) < set(FIELDS)
    worked_out = {name for name, field in FIELDS.items() if field.computed}
    assert worked_out == set(FIELDS) - set(MAPPABLE)
    assert not any(FIELDS[name].writable for name in worked_out | set(KEPT))


@given(changes)
def test_a_change_survives_the_way_through_json(change: Change) -> None:
    """Journals and plan files hold changes as JSON; reading gives the same, with the same key."""
    back = change_from_json(json.loads(json.dumps(change_to_json(change))))

    assert back == change
    assert change_key(back) == change_key(change)


@given(plans)
def test_a_plan_survives_the_way_through_json_with_its_hash(plan: Plan) -> None:
    """A plan file holds exactly the plan that was shown."""
    document = json.loads(json.dumps(plan.to_json()))

    assert Plan.from_json(document) == plan
    assert Plan.from_json(document).hash == document["hash"] == plan.hash


@given(plans, planned)
def test_a_plan_that_was_altered_has_another_name(plan: Plan, extra: PlannedChange) -> None:
    """What was approved is what runs: anything added changes the hash."""
    document = plan.to_json()
    document["changes"] = [*document["changes"], extra.to_json()]

    assert Plan.from_json(document).hash != plan.hash


@given(changes, changes)
def test_different_changes_have_different_keys(one: Change, other: Change) -> None:
    """Two changes share a key only when they are the same, or one task worded or closed anew."""
    same = change_key(one) == change_key(other)
    if isinstance(one, CreateTask) and isinstance(other, CreateTask):
        assert same == ((one.ref, one.marker) == (other.ref, other.marker))
    elif isinstance(one, CloseTask) and isinstance(other, CloseTask):
        assert same == ((one.ref, one.task, one.marker) == (other.ref, other.task, other.marker))
    else:
        assert same == (
            json.dumps(change_to_json(one), sort_keys=True)
            == json.dumps(change_to_json(other), sort_keys=True)
        )


@given(changes)
def test_a_key_is_the_hash_of_canonical_json(change: Change) -> None:
    """However it is made: keys are in journals and in CRMs, and must stay what they were."""
    content = change_to_json(change)
    if isinstance(change, CreateTask):
        content = {name: content[name] for name in ("kind", "ref", "marker")}
    if isinstance(change, CloseTask):
        content = {name: content[name] for name in ("kind", "ref", "task", "marker")}
    if isinstance(change, SuppressChannel):
        content = {name: part for name, part in content.items() if name != "before"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert change_key(change) == hashlib.sha256(text.encode()).hexdigest()[:32]


@pytest.mark.parametrize("count", [0, 1, 2, 499, 500, 501, 1000, 1001])
def test_a_plan_is_one_text_however_many_changes_it_has(count: int) -> None:
    """Changes are made into text many at a time, which must not show, nor change the hash."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    planned = tuple(
        PlannedChange(
            change=ArchiveRecord(ref=RecordRef("crm", str(number)), reason="old"),
            rule="r",
            finding=str(number),
        )
        for number in range(count)
    )
    plan = Plan(changes=planned, created_at=moment, expires_at=moment, mirror="1", rules="2")
    content = plan.to_json()
    assert len(content["changes"]) == count
    assert plan.to_text() == json.dumps(content, sort_keys=True, ensure_ascii=False)
    del content["hash"]
    whole = json.dumps(content, sort_keys=True, ensure_ascii=False)
    assert plan.hash == hashlib.sha256(whole.encode()).hexdigest()[:16]


@given(refs)
def test_a_record_is_named_in_one_way(ref: RecordRef) -> None:
    """As text it reads back; it is written as a connection and an id, never as a tuple."""
    assert RecordRef.parse(str(ref)) == ref
    assert f"{ref}" == f"{ref.connection}:{ref.id}"


def test_a_task_worded_anew_is_the_same_task() -> None:
    """A later due date or another title does not make a second task."""
    first = CreateTask(
        ref=RecordRef("crm", "1"), title="a", body="", due=date(2026, 1, 1), marker="m"
    )
    later = CreateTask(
        ref=RecordRef("crm", "1"), title="b", body="x", due=date(2027, 1, 1), marker="m"
    )

    assert change_key(first) == change_key(later)


@given(st.text(max_size=5), st.lists(refs, min_size=1, max_size=4, unique=True), st.randoms(), text)
def test_a_fingerprint_does_not_depend_on_the_order(
    rule: str, members: list[RecordRef], random: object, about: str
) -> None:
    """A group found in another order is the same finding; another subject is another one."""
    shuffled = sorted(members, key=lambda ref: hash((ref, random)))

    assert fingerprint(rule, members, about) == fingerprint(rule, shuffled, about)
    assert fingerprint(rule, members, about) != fingerprint(rule, members, about + "x")
    assert fingerprint(rule, members, about) != fingerprint(rule + "x", members, about)


@given(refs)
def test_a_ref_reads_back_whatever_its_id(ref: RecordRef) -> None:
    """The CRM's ids may hold colons and anything else."""
    assert RecordRef.parse(str(ref)) == ref


@pytest.mark.parametrize("bad", ["", "4711", "hubspot:", ":4711"])
def test_what_is_no_ref_is_refused_with_an_example(bad: str) -> None:
    """The message shows how a record is written."""
    with pytest.raises(ValueError, match="hubspot-eu:4711"):
        RecordRef.parse(bad)


@pytest.mark.parametrize(
    ("held", "binds"),
    [
        ([("marketing", "GRANTED"), ("newsletter", "WITHDRAWN")], "GRANTED"),
        ([("marketing", "WITHDRAWN"), ("newsletter", "GRANTED")], "WITHDRAWN"),
        ([("newsletter", "WITHDRAWN"), ("events", "GRANTED")], "GRANTED"),
        ([("newsletter", "WITHDRAWN")], "WITHDRAWN"),
        ([("newsletter", "GRANTED"), ("newsletter", "OBJECTED")], "OBJECTED"),
    ],
)
def test_leaving_one_newsletter_is_not_leaving_all(held: list[tuple[str, str]], binds: str) -> None:
    """What was said of the channel binds; single kinds of messages count where nothing else does."""
    consents = [
        Consent(channel=Channel.EMAIL, status=ConsentStatus[status], purpose=purpose)
        for purpose, status in held
    ]
    binding = binding_consent(consents, Channel.EMAIL)
    assert binding is not None
    assert binding.status is ConsentStatus[binds]


@given(
    st.lists(
        st.builds(Consent, channel=st.sampled_from(Channel), status=st.sampled_from(ConsentStatus))
    )
)
def test_the_most_restrictive_consent_binds(consents: list[Consent]) -> None:
    """One no outweighs any number of yeses, per channel; nothing known is None."""
    for channel in Channel:
        of_channel = [one.status for one in consents if one.channel is channel]
        binding = binding_consent(consents, channel)

        assert (binding.status if binding else None) == max(of_channel, default=None)
        if binding and binding.status.mailable:
            assert all(status.mailable for status in of_channel)


def test_a_complete_proof_has_seven_parts() -> None:
    """Taking away any of them makes the consent one that cannot be shown."""
    whole = {
        "address": "a@example.com",
        "purpose": "marketing",
        "given_at": datetime(2024, 1, 1, tzinfo=UTC),
        "how": "double opt-in",
        "text_version": "2024-01",
        "source": "newsletter form",
    }
    for missing in whole:
        parts = {**whole, missing: None if missing == "given_at" else ""}
        consent = Consent(channel=Channel.EMAIL, status=ConsentStatus.GRANTED, **parts)  # type: ignore[arg-type] # parts by name
        assert consent.missing_proof == (missing,)


def test_values_by_canonical_name() -> None:
    """Every canonical field can be asked for; phone and mobile are told apart; unknown is an error."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    contact = Contact(
        ref=RecordRef("crm", "1"),
        emails=(Email("a@example.com"), Email("b@example.com")),
        phones=(Phone("2", PhoneKind.MOBILE), Phone("1")),
        created_at=moment,
        extra={"shoe": 39},
    )

    assert [contact.value(name) for name in ("email", "phone", "mobile")] == [
        "a@example.com",
        "1",
        "2",
    ]
    assert contact.value("extra.shoe") == 39
    assert contact.value("created_at") == moment.isoformat()
    assert all(contact.value(name) is None for name in ("city", "company", "last_person_act"))
    for name in FIELDS:
        contact.value(name)
    with pytest.raises(KeyError):
        contact.value("nonsense")


def test_a_finding_is_what_it_is_about() -> None:
    """Evidence and severity may change from scan to scan; the finding stays the same."""
    ref = (RecordRef("crm", "1"),)
    one = Finding(rule="r", kind="stale", severity=Severity.LOW, refs=ref, evidence={"a": 1})
    other = Finding(rule="r", kind="stale", severity=Severity.HIGH, refs=ref, score=0.5)

    assert one.fingerprint == other.fingerprint


def test_errors_explain_themselves() -> None:
    """Every error has a message even when raised without one; a hint follows it."""
    for error in StewardError.__subclasses__():
        if error.__name__ != "ConfigError":
            assert str(error()).endswith((".", ":")), error
            assert str(error("What.", hint="Do this.")) == "What. Do this."
