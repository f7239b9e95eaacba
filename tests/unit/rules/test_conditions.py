"""Conditions over real rows: each operator, nothing unknown, nothing injected."""

from __future__ import annotations

import unicodedata
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_steward.model import (
    AddressStatus,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Phone,
    PostalAddress,
    RecordRef,
    SourceType,
    Stage,
)
from crm_steward.rules import load_rules
from crm_steward.rules.conditions import compiled_condition
from crm_steward.rules.sql import Statement

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Find, Relation

ZOE = Contact(
    ref=RecordRef("crm", "zoe"),
    first_name=" Zoé ",
    emails=(Email("Zoe@Example.com", AddressStatus.BOUNCED),),
    phones=(Phone("+33199001234"),),
    company="Martin & Fils",
    address=PostalAddress(country="Norvège", postcode="01234"),
    stage=Stage.PROSPECT,
    last_activity=datetime(2025, 5, 22, 12, 0, tzinfo=UTC),
    contract_end=datetime(2024, 1, 1, tzinfo=UTC),
    source_type=SourceType.PUBLIC,
    legal_hold=True,
    purchases=2.5,
    notes="Allergic to dogs",
    consents=(
        Consent(
            channel=Channel.EMAIL,
            status=ConsentStatus.GRANTED,
            basis="Freely given consent",
            given_at=datetime(2020, 1, 1, tzinfo=UTC),
        ),
    ),
    extra={"score": 12.5, "vip": True, "a/b~c": "odd", "since": "2020-01-01"},
)
NOBODY = Contact(ref=RecordRef("crm", "nobody"), first_name=" \u00a0\t")


@pytest.mark.parametrize(
    ("condition", "zoe", "nobody"),
    [
        ("field: first_name, is: set", True, False),
        ("field: first_name, is: empty", False, True),
        ("field: stage, is: empty", False, True),
        ("field: last_activity, is: set", True, False),
        ("field: first_name, equals: ZOÉ", True, False),
        ("field: first_name, equals: Zoe", False, False),
        ("field: first_name, not_equals: zoé", False, True),
        ("field: country, equals: 'NO'", True, False),
        ("field: country, in: [SE, NO]", True, False),
        ("field: country, in: [Norway]", True, False),
        ("field: country, not_in: [NO]", False, True),
        ("field: country, is: set", True, False),
        ("field: stage, in: [prospect, customer]", True, False),
        ("field: stage, not_equals: customer", True, True),
        ("field: postcode, starts_with: '01'", True, False),
        ("field: email, ends_with: '@EXAMPLE.COM'", True, False),
        ("field: company, contains: '&'", True, False),
        ("field: company, contains: '%'", False, False),
        ("field: email, matches: '^Zoe@'", True, False),
        ("field: email, matches: '^zoe@'", False, False),
        ("field: email, matches: '(?i)^zoe@'", True, False),
        ("field: last_activity, older_than: 18 months", False, False),
        ("field: last_activity, older_than: 17 months", True, False),
        ("field: last_activity, newer_than: 18 months", True, False),
        ("field: last_activity, newer_than: 17 months", False, False),
        ("field: last_activity, before: 2025-05-22", False, False),
        ("field: last_activity, before: 2025-05-23", True, False),
        ("field: last_activity, after: 2025-05-22", True, False),
        ("field: last_activity, after: 2025-05-23", False, False),
        ("field: extra.score, greater_than: 12", True, False),
        ("field: extra.score, less_than: 12.5", False, False),
        ("field: extra.score, equals: 12.5", True, False),
        ("field: extra.vip, equals: true", True, False),
        ("field: extra.vip, equals: false", False, False),
        ("field: extra.a/b~c, equals: ODD", True, False),
        ("field: extra.since, older_than: 5 years", True, False),
        ("field: extra.score, older_than: 5 years", False, False),
        ("field: extra.none, is: empty", True, True),
        ("field: legal_hold, equals: true", True, False),
        ("field: legal_hold, equals: false", False, False),
        ("field: legal_hold, not_equals: true", False, True),
        ("field: legal_hold, is: set", True, False),
        ("field: has_notes, equals: false", False, True),
        ("field: purchases, less_than: 3", True, False),
        ("field: purchases, greater_than: 3", False, False),
        ("field: purchases, equals: 2.5", True, False),
        ("field: purchases, in: [2.5, 3]", True, False),
        ("field: purchases, is: empty", False, True),
        ("field: source_type, in: [third_party, public]", True, False),
        ("field: source_type, is: empty", False, True),
        ("field: contract_end, before: 2024-01-02", True, False),
        ("field: notes, contains: ALLERGIC", True, False),
        ("field: email_status, equals: bounced", True, False),
        ("field: email_status, is: empty", False, True),
        ("field: email_domain, equals: example.com", True, False),
        ("field: connection, equals: crm", True, True),
        ("field: consent_email, equals: granted", True, False),
        ("field: consent_email, is: empty", False, True),
        ("field: consent_sms, is: empty", True, True),
        ("field: consent_email_basis, contains: consent", True, False),
        ("field: consent_email_given_at, older_than: 5 years", True, False),
        ("field: consent_email_how, is: empty", True, True),
        ("field: consent_phone_given_at, is: empty", True, True),
        ("not: {field: last_activity, older_than: 18 months}", True, True),
        ("all: [{field: email, is: set}, {field: stage, equals: prospect}]", True, False),
        ("any: [{field: email, is: empty}, {field: stage, equals: customer}]", False, True),
        ("not: {any: [{not: {field: email, is: set}}, {field: stage, equals: customer}]}", True, False),
    ],
)  # fmt: skip
def test_each_operator_on_a_full_and_an_empty_contact(
    relation: Relation, now: datetime, tmp_path: Path, *, condition: str, zoe: bool, nobody: bool
) -> None:
    """Every operator says true or false of both, never unknown; `not` says the opposite."""
    path = tmp_path / "x.yaml"
    rule = "about: x, check: {kind: required, fields: [job_title]}"
    path.write_text(
        "version: 1\nrules:\n"
        f"  - {{id: plain, {rule}, where: {{{condition}}}}}\n"
        f"  - {{id: turned, {rule}, where: {{not: {{{condition}}}}}}}\n"
    )
    plain, turned = load_rules([path]).rules
    with closing(relation([ZOE, NOBODY])) as con:
        found = [{one.refs[0].id for one in rule.find(con, now)} for rule in (plain, turned)]

    expected = {name for name, holds in (("zoe", zoe), ("nobody", nobody)) if holds}
    assert found == [expected, {"zoe", "nobody"} - expected]


HOSTILE = [
    "'; DROP TABLE contacts; --",
    '"; DROP TABLE contacts; --',
    "' OR '1'='1",
    "x' UNION SELECT * FROM contacts --",
    "$p0",
    "$1",
    "?",
    "\\",
    "%' ESCAPE '",
    "*/ true /*",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("operator", ["equals", "contains", "starts_with", "ends_with"])
def test_values_are_bound_and_never_become_sql(find: Find, operator: str, value: str) -> None:
    """A hostile value finds exactly the contact that holds it."""
    holder = Contact(ref=RecordRef("crm", "holder"), company=value)
    written = value.replace("'", "''")
    rule = (
        f"where: {{field: company, {operator}: '{written}'}}, "
        "check: {kind: required, fields: [email]}"
    )

    assert [one.refs[0].id for one in find(rule, [ZOE, NOBODY, holder])] == ["holder"]


@pytest.mark.parametrize("name", HOSTILE)
def test_custom_field_names_are_bound_and_never_become_sql(
    relation: Relation, now: datetime, tmp_path: Path, name: str
) -> None:
    """A hostile name of a custom field reads that field of that name, and nothing else."""
    holder = Contact(ref=RecordRef("crm", "holder"), extra={name: "yes"})
    path = tmp_path / "x.yaml"
    written = name.replace("'", "''")
    path.write_text(
        "version: 1\nrules:\n  - id: r\n    about: x\n"
        f"    where: {{field: 'extra.{written}', equals: 'yes'}}\n"
        f"    check: {{kind: required, fields: ['extra.{written}x', email]}}\n"
    )
    (rule,) = load_rules([path]).rules
    with closing(relation([ZOE, holder])) as con:
        (finding,) = rule.find(con, now)

    assert finding.refs == (holder.ref,)
    assert finding.evidence == {"missing": [f"extra.{name}x", "email"]}


_LEAVES = st.sampled_from(
    [
        "field: email, is: set",
        "field: stage, equals: prospect",
        "field: last_activity, older_than: 1 year",
        "field: first_name, contains: z",
        "field: country, not_in: [FR]",
        "field: extra.score, greater_than: 3",
        "field: company, matches: '^M'",
    ]
).map(lambda leaf: f"{{{leaf}}}")
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"{{all: [{', '.join(parts)}]}}"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"{{any: [{', '.join(parts)}]}}"),
        inner.map(lambda part: f"{{not: {part}}}"),
    ),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(tree=_TREES)
def test_any_tree_of_conditions_splits_the_contacts_in_two(
    relation: Relation, now: datetime, tree: str
) -> None:
    """A condition and its opposite together cover every contact, once: nothing is unknown."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        rules = "".join(
            f"  - {{id: r{number}, about: x, where: {where}, "
            "check: {kind: required, fields: [job_title]}}\n"
            for number, where in enumerate((tree, f"{{not: {tree}}}"))
        )
        path.write_text(f"version: 1\nrules:\n{rules}")
        book = load_rules([path])
    with closing(relation([ZOE, NOBODY])) as con:
        found = [one.refs[0].id for rule in book.rules for one in rule.find(con, now)]

    assert sorted(found) == ["nobody", "zoe"]


def test_a_condition_costs_one_expression_and_only_bound_values(
    now: datetime, tmp_path: Path
) -> None:
    """The SQL made of a condition holds no text of the rule's author."""
    path = tmp_path / "x.yaml"
    path.write_text(
        "version: 1\nrules:\n  - {id: r, about: x, check: {kind: required, fields: [email]}, "
        "where: {all: [{field: company, equals: Secret}, {field: email, matches: Secret}, "
        "{field: extra.Secret, in: [Secret, 5]}, {field: country, equals: FR}]}}\n"
    )
    (rule,) = load_rules([path]).rules
    statement = Statement(now)
    assert rule.where is not None
    sql = compiled_condition(rule.where, statement)

    assert "Secret" not in sql
    assert "FR" not in sql
    assert sorted(map(str, statement.values.values())) == sorted(
        ["Secret", "Secret", "/Secret", "Secret", "/Secret", "5.0", "FR"]
    )


@pytest.mark.parametrize(
    ("written", "older"),
    [
        ("2026-11-21T12:30:00+02:00", True),
        ("2026-11-21T12:30:00", False),
        ("2026-11-21T12:30:00Z", False),
        ("2026-11-21T13:30:00+02:00", True),
        ("2026-11-21T07:30:00-05:00", False),
    ],
)
def test_a_custom_date_keeps_its_offset(find: Find, *, written: str, older: bool) -> None:
    """Text without an offset is UTC, wherever the machine stands; one with an offset is not."""
    contact = Contact(ref=RecordRef("crm", "1"), extra={"score": written})
    rule = "where: {field: extra.score, older_than: 24 hours}, check: {kind: required, fields: [email]}"

    assert bool(find(rule, [contact])) is older


@pytest.mark.parametrize("operator", ["less_than", "greater_than"])
@pytest.mark.parametrize("written", ["nan", "inf", "-infinity", "", "twelve"])
def test_text_that_is_no_number_is_neither_less_nor_more(
    find: Find, operator: str, written: str
) -> None:
    """Words that databases read as numbers beyond all others are none in a custom field."""
    contact = Contact(ref=RecordRef("crm", "1"), extra={"score": written})
    rule = (
        f"where: {{field: extra.score, {operator}: 5}}, check: {{kind: required, fields: [email]}}"
    )

    assert find(rule, [contact]) == []


@pytest.mark.parametrize(
    ("zone", "time", "before"),
    [
        ("UTC", "2026-01-30T23:30:00+00:00", True),
        ("Europe/Paris", "2026-01-30T22:30:00+00:00", True),
        ("Europe/Paris", "2026-01-30T23:30:00+00:00", False),
        ("America/Montreal", "2026-01-31T04:30:00+00:00", True),
        ("America/Montreal", "2026-01-31T05:30:00+00:00", False),
        # A day without a time is that day everywhere.
        ("Europe/Paris", "2026-01-30T00:00:00+00:00", True),
        ("Europe/Paris", "2026-01-31T00:00:00+00:00", False),
        ("America/Montreal", "2026-01-30T00:00:00+00:00", True),
        ("America/Montreal", "2026-01-31T00:00:00+00:00", False),
    ],
)
@pytest.mark.parametrize("field", ["contract_end", "extra.until"])
def test_days_begin_where_the_settings_say(
    relation: Relation,
    now: datetime,
    tmp_path: Path,
    *,
    field: str,
    zone: str,
    time: str,
    before: bool,
) -> None:
    """`before` and `after` split time at midnight of the zone, and each time is in one half."""
    contact = Contact(
        ref=RecordRef("crm", "1"),
        contract_end=datetime.fromisoformat(time),
        extra={"until": time},
    )
    path = tmp_path / "x.yaml"
    rules = "".join(
        f"  - {{id: {word}, about: x, where: {{field: {field}, {word}: 2026-01-31}}, "
        "check: {kind: required, fields: [email]}}\n"
        for word in ("before", "after")
    )
    path.write_text(f"version: 1\nrules:\n{rules}")
    book = load_rules([path], zone=ZoneInfo(zone))
    with closing(relation([contact])) as con:
        found = [rule.id for rule in book.rules if list(rule.find(con, now))]

    assert found == ["before" if before else "after"]


@pytest.mark.parametrize("day", ["0001-01-01", "0001-12-31", "9999-01-01", "9999-12-31"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_ends_of_the_calendar_are_days_everywhere(
    relation: Relation, now: datetime, tmp_path: Path, zone: str, day: str
) -> None:
    """A day of which the zone would lie in no year is compared all the same."""
    path = tmp_path / "x.yaml"
    path.write_text(
        "version: 1\nrules:\n"
        f"  - {{id: r, about: x, check: {{kind: condition, holds: {{field: contract_end, before: {day}}}}}}}\n"
    )
    (rule,) = load_rules([path], zone=ZoneInfo(zone)).rules
    with closing(relation([ZOE])) as con:
        assert bool(list(rule.find(con, now))) is day.startswith("9999")


@pytest.mark.parametrize("operator", ["equals", "contains", "starts_with", "ends_with", "matches"])
@pytest.mark.parametrize("held", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_accents_written_in_two_ways_are_the_same(
    find: Find, operator: str, held: Literal["NFC", "NFD"], written: Literal["NFC", "NFD"]
) -> None:
    """What looks the same is the same, on whatever system the contact or the rule was typed."""
    city, text = (unicodedata.normalize(form, "Orl\u00e9ans") for form in (held, written))
    contact = Contact(ref=RecordRef("crm", "1"), address=PostalAddress(city=city))
    rule = f"where: {{field: city, {operator}: {text}}}, check: {{kind: required, fields: [email]}}"

    assert len(find(rule, [contact])) == 1
