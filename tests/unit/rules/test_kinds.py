"""What each check kind finds, and the evidence it gives."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from crm_steward.matching import LEVELS
from crm_steward.model import (
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    Severity,
)
from crm_steward.rules import LeftOut, kinds
from crm_steward.rules.kinds import KINDS
from crm_steward.rules.kinds.duplicates import Duplicates

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Find, Load, Relation


def ref(record: str, connection: str = "crm") -> RecordRef:
    """Name a record."""
    return RecordRef(connection, record)


def test_required_names_the_empty_fields(find: Find) -> None:
    """`all` wants each field, `any` is content with one; the missing ones are listed in order."""
    half = Contact(ref=ref("half"), last_name="Martin")
    every = "check: {kind: required, fields: [last_name, email, extra.score]}"
    one = "check: {kind: required, fields: [last_name, email], need: any}"

    (finding,) = find(every, [half])
    assert finding.evidence == {"missing": ["email", "extra.score"]}
    assert find(one, [half]) == []
    assert find(one, [Contact(ref=ref("none"))])[0].evidence == {"missing": ["last_name", "email"]}


@pytest.mark.parametrize(
    ("unknown", "found"),
    [
        ("ignore", {"old": "2020-01-01T00:00:00+00:00"}),
        ("report", {"old": "2020-01-01T00:00:00+00:00", "unknown": None}),
        ("only", {"unknown": None}),
    ],
)
def test_an_unknown_date_is_never_an_old_one(
    find: Find, unknown: str, found: dict[str, str | None]
) -> None:
    """Contacts without the date are found only when asked for, and told apart."""
    contacts = [
        Contact(ref=ref("old"), last_activity=datetime(2020, 1, 1, tzinfo=UTC)),
        Contact(ref=ref("new"), last_activity=datetime(2026, 1, 1, tzinfo=UTC)),
        Contact(ref=ref("unknown"), updated_at=datetime(2020, 1, 1, tzinfo=UTC)),
    ]
    findings = find(f"check: {{kind: stale, longer_than: 18 months, unknown: {unknown}}}", contacts)

    assert {one.refs[0].id: one.evidence["last"] for one in findings} == found
    assert all(one.evidence["clock"] == "last_activity" for one in findings)
    assert all(one.evidence["limit"] == "18 months" for one in findings)
    assert {one.about for one in findings} == {"" if last else "unknown" for last in found.values()}


def test_format_proposes_what_is_sure_and_names_what_is_not(find: Find) -> None:
    """One finding per field: what it holds, what it should read, or why nobody can say."""
    contact = Contact(
        ref=ref("1"),
        first_name="ZOÉ",
        last_name="van den Berg",
        emails=(Email("zoe.example.com"),),
        phones=(Phone("01 99 00 12 34"), Phone("01 99 00 12 34 poste 5", PhoneKind.MOBILE)),
        address=PostalAddress(country="FR"),
    )
    fields = "fields: [first_name, last_name, email, phone, mobile]"
    every = find(f"check: {{kind: format, {fields}}}", [contact])

    assert [{n: f for n, f in one.evidence.items() if n != "meant"} for one in every] == [
        {"field": "email", "now": "zoe.example.com", "proposed": None, "problem": "no at sign"},
        {"field": "first_name", "now": "ZOÉ", "proposed": "Zoé", "problem": None},
        {
            "field": "mobile",
            "now": "01 99 00 12 34 poste 5",
            "proposed": None,
            "problem": "extension",
        },
        {"field": "phone", "now": "01 99 00 12 34", "proposed": "+33199001234", "problem": None},
    ]
    assert len({one.fingerprint for one in every}) == 4
    fixable = find(f"check: {{kind: format, {fields}, only: fixable}}", [contact])
    broken = find(f"check: {{kind: format, {fields}, only: broken}}", [contact])
    assert [one.about for one in fixable] == ["first_name", "phone"]
    assert [one.about for one in broken] == ["email"]


def test_a_huge_value_is_found_and_shown_short(find: Find) -> None:
    """Nothing is proposed for a cell of nine thousand characters; the evidence stays small."""
    contact = Contact(ref=ref("1"), phones=(Phone("1" * 9_000),))
    (finding,) = find("check: {kind: format, fields: [phone]}", [contact])

    assert finding.evidence == {
        "field": "phone",
        "now": "1" * 200,
        "proposed": None,
        "problem": "too long",
        "meant": None,
    }


def consenting(record: str, status: ConsentStatus | None, **proof: str) -> Contact:
    """Make a contact with an e-mail and what is known about it."""
    said = () if status is None else (Consent(channel=Channel.EMAIL, status=status, **proof),)
    return Contact(ref=ref(record), emails=(Email("zoe@example.com"),), consents=said)


@pytest.mark.parametrize(
    ("problem", "found"),
    [
        ("missing", {"NONE", "UNKNOWN", "IMPLIED_EXPIRED", "nothing"}),
        ("unprovable", {"GRANTED"}),
        ("withdrawn", {"WITHDRAWN", "OBJECTED", "COMPLAINT"}),
        (
            "contradicted",
            {
                "GRANTED",
                "SOFT_OPT_IN",
                "IMPLIED",
                "IMPLIED_EXPIRED",
                "NONE",
                "UNKNOWN",
                "HARD_BOUNCE",
                "nothing",
            },
        ),
    ],
)
def test_each_consent_problem_catches_its_statuses(
    find: Find, problem: str, found: set[str]
) -> None:
    """One contact per status, all with one e-mail, and one nobody can reach."""
    contacts = [consenting(status.name, status) for status in ConsentStatus]
    contacts += [consenting("nothing", None), Contact(ref=ref("unreachable"))]
    findings = find(f"check: {{kind: consent, channel: email, problem: {problem}}}", contacts)

    assert {one.refs[0].id for one in findings} == found
    for one in findings:
        known = one.refs[0].id.lower()
        assert one.evidence["status"] == (None if known == "nothing" else known)


def test_an_unprovable_consent_names_what_the_proof_lacks(find: Find) -> None:
    """The parts of the proof that are missing, in the order of the law's list."""
    contact = consenting("1", ConsentStatus.GRANTED, address="zoe@example.com", how="form")
    (finding,) = find("check: {kind: consent, channel: email, problem: unprovable}", [contact])

    assert {name: fact for name, fact in finding.evidence.items() if fact is not None} == {
        "channel": "email",
        "problem": "unprovable",
        "status": "granted",
        "missing_proof": ["given_at", "text_version", "source"],
    }


@pytest.mark.parametrize(
    ("channel", "reachable"),
    [("sms", {"mobile"}), ("phone", {"mobile", "phone"}), ("post", {"street"}), ("email", set())],
)
def test_only_those_whom_the_channel_reaches_lack_consent(
    find: Find, channel: str, reachable: set[str]
) -> None:
    """Nobody needs to agree to calls without a telephone."""
    contacts = [
        Contact(ref=ref("phone"), phones=(Phone("+33199001234"),)),
        Contact(ref=ref("mobile"), phones=(Phone("+33612345678", PhoneKind.MOBILE),)),
        Contact(ref=ref("street"), address=PostalAddress(street="1 High Street")),
    ]
    findings = find(f"check: {{kind: consent, channel: {channel}, problem: missing}}", contacts)

    assert {one.refs[0].id for one in findings} == reachable


TWINS = [
    Contact(ref=ref("1"), last_name="Martin", emails=(Email("zoe@example.com"),)),
    Contact(ref=ref("2"), last_name="Martin", emails=(Email("Zoe@Example.com"),), source="fair"),
    Contact(ref=ref("3", "other"), last_name="Martin", emails=(Email("zoe@example.com"),)),
]


@pytest.mark.parametrize(
    ("rule", "groups"),
    [
        ("", [["crm:1", "crm:2", "other:3"]]),
        ("connections: [crm], ", [["crm:1", "crm:2"]]),
        ("connections: [other], ", []),
        ("where: {field: source, is: empty}, ", [["crm:1", "other:3"]]),
    ],
)
def test_duplicates_are_looked_for_among_the_contacts_in_scope_only(
    find: Find, rule: str, groups: list[list[str]]
) -> None:
    """A condition or a choice of connections takes contacts out before they are compared."""
    findings = find(f"{rule}check: {{kind: duplicates, levels: [same e-mail]}}", TWINS)

    assert [[str(one) for one in finding.refs] for finding in findings] == groups
    for finding in findings:
        assert finding.evidence["level"] == "same e-mail"
        assert {pair["left"] for pair in finding.evidence["pairs"]} <= set(map(str, finding.refs))
        assert finding.score
        assert finding.score > 0.5


def test_duplicates_within_a_connection_never_cross_it(find: Find) -> None:
    """Records of two accounts are not grouped where only one account is asked about."""
    rule = "check: {kind: duplicates, levels: [same e-mail], within: connection}"
    (finding,) = find(rule, TWINS)

    assert [str(one) for one in finding.refs] == ["crm:1", "crm:2"]


def test_what_was_not_compared_is_said(load: Load, relation: Relation, now: datetime) -> None:
    """A value shared by a crowd gives no group, and the number of contacts left out."""
    crowd = [
        Contact(ref=ref(str(number)), emails=(Email("zoe@example.com"),))
        for number in range(51)
    ]
    (rule,) = load(
        "version: 1\nrules:\n  - {id: r, about: x, check: {kind: duplicates, levels: [same e-mail]}}\n"
    ).rules
    told: list[LeftOut] = []
    with closing(relation(crowd)) as con:
        assert list(rule.find(con, now, leave_out=told.append)) == []
        assert list(rule.find(con, now)) == []

    assert told == [LeftOut("same e-mail: 51 contacts share one value", 51)]
    assert "zoe" not in str(told)


def test_rules_may_be_interleaved_on_one_connection(
    load: Load, relation: Relation, now: datetime
) -> None:
    """Two rules read turn by turn give what they give one after the other."""
    rules = load(
        "version: 1\nrules:\n"
        "  - {id: a, about: x, check: {kind: required, fields: [email]}}\n"
        "  - {id: b, about: x, check: {kind: required, fields: [phone]}}\n"
    ).rules
    contacts = [Contact(ref=ref(f"{number:05}")) for number in range(4_500)]
    with closing(relation(contacts)) as con:
        turns = list(zip(*(rule.find(con, now) for rule in rules), strict=True))

    assert len(turns) == 4_500
    assert [one.refs for one, _ in turns] == [other.refs for _, other in turns]
    assert [one.refs[0].id for one, _ in turns] == sorted(one.refs[0].id for one, _ in turns)


def test_every_finding_carries_its_rule(find: Find) -> None:
    """Rule, kind and severity travel with the finding, and the evidence is JSON."""
    (finding,) = find(
        "severity: critical, check: {kind: required, fields: [email]}", [Contact(ref=ref("1"))]
    )

    assert (finding.rule, finding.kind, finding.severity) == ("rule", "required", Severity.CRITICAL)
    assert json.loads(json.dumps(finding.evidence)) == finding.evidence


def test_the_levels_of_the_rules_are_those_of_matching() -> None:
    """A level that matching gains can be written in rules, and none that it lacks."""
    item, _ = get_args(Duplicates.model_fields["levels"].annotation)

    assert list(get_args(item)) == list(LEVELS)


def test_a_kind_is_a_module_of_its_folder() -> None:
    """Every module of `rules/kinds` but `base` is a kind under its own name, with an example."""
    modules = {path.stem for path in Path(kinds.__file__).parent.glob("*.py")}
    assert set(KINDS) == modules - {"__init__", "base"}
    for name, kind in KINDS.items():
        assert f"check: {{kind: {name}" in (kind.__doc__ or "")
