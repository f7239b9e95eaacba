"""`consent`: each problem of the rule templates, across records and connections."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_steward.model import (
    FIELDS,
    Ability,
    AddressStatus,
    Capability,
    Channel,
    ConfigError,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    binding_consent,
)
from crm_steward.report.words import Words
from crm_steward.rules import Duration, Period
from crm_steward.rules.consents import REFUSED
from crm_steward.rules.explaining import explain
from crm_steward.rules.kinds.consent import ConsentCheck
from crm_steward.rules.loading import load_rules

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.rules.conftest import Find, Load, Relation

GRANTED, IMPLIED, WITHDRAWN = (
    ConsentStatus.GRANTED,
    ConsentStatus.IMPLIED,
    ConsentStatus.WITHDRAWN,
)


def day(year: int, month: int = 1, of: int = 1) -> datetime:
    """Return midnight of a day."""
    return datetime(year, month, of, tzinfo=UTC)


def said(status: ConsentStatus, channel: Channel = Channel.EMAIL, **more: Any) -> Consent:
    """Make a consent."""
    return Consent(channel=channel, status=status, **more)


def person(record: str, *consents: Consent, connection: str = "crm", **more: Any) -> Contact:
    """Make a contact with an e-mail, a mobile phone and a street."""
    return Contact(
        ref=RecordRef(connection, record),
        emails=more.pop("emails", (Email("zoe@example.com"),)),
        phones=more.pop("phones", (Phone("+33612345678", PhoneKind.MOBILE),)),
        address=PostalAddress(street="1 High Street"),
        consents=consents,
        **more,
    )


def found(find: Find, keys: str, *contacts: Contact) -> dict[str, dict[str, Any]]:
    """Run a consent check and return by record what its evidence says."""
    findings = find(f"check: {{kind: consent, {keys}}}", contacts)
    return {
        one.refs[0].id: {name: fact for name, fact in one.evidence.items() if fact is not None}
        for one in findings
    }


PROOF = {"given_at": day(2024), "how": "form", "text_version": "3", "source": "/news"}


@pytest.mark.parametrize("channel", ["email", "sms", "phone", "post"])
def test_a_proof_is_asked_for_on_every_channel(find: Find, channel: str) -> None:
    """A consent with all its parts is proven, each missing part is named; a no proves nothing."""
    on = Channel(channel)
    contacts = [person("whole", said(GRANTED, on, **PROOF)), person("no", said(WITHDRAWN, on))]
    contacts += [
        person(
            part, said(GRANTED, on, **{name: held for name, held in PROOF.items() if name != part})
        )
        for part in PROOF
    ]
    lacking = found(find, f"channel: {channel}, problem: unprovable", *contacts)

    assert {record: one["missing_proof"] for record, one in lacking.items()} == {
        part: [part] for part in PROOF
    }


@pytest.mark.parametrize(
    ("how", "caught"),
    [
        ("form", True),
        ("", True),
        ("paper, single opt-in", True),
        ("double opt-in", False),
        ("Double-Opt-In (DE)", False),
        ("DOI", False),
        ("confirmed opt in", False),
    ],
)
def test_a_consent_without_double_opt_in(find: Find, how: str, caught: bool) -> None:
    """Only a granted consent that nobody confirmed by a second message is found."""
    contact = person("1", said(GRANTED, how=how))

    assert bool(found(find, "channel: email, problem: no_double_opt_in", contact)) is caught
    refused = person("1", said(WITHDRAWN, how=how))
    assert not found(find, "channel: email, problem: no_double_opt_in", refused)


def test_an_unused_consent_counts_from_its_last_use_or_from_its_giving(find: Find) -> None:
    """The later of the two dates counts, to the day; without any date nothing is old."""
    contacts = [
        person("old", said(GRANTED, given_at=day(2020)), last_mailed_at=day(2024, 11, 21)),
        person("mailed", said(GRANTED, given_at=day(2020)), last_mailed_at=day(2024, 11, 23)),
        person("given", said(GRANTED, given_at=day(2025)), last_mailed_at=day(2020)),
        person("never mailed", said(GRANTED, given_at=day(2020))),
        person("no date", said(GRANTED)),
        person("withdrawn", said(WITHDRAWN, given_at=day(2020))),
    ]
    unused = found(find, "channel: email, problem: unused, after: 24 months", *contacts)

    assert {record: one["since"][:10] for record, one in unused.items()} == {
        "old": "2024-11-21",
        "never mailed": "2020-01-01",
    }
    assert {one["limit"] for one in unused.values()} == {"24 months"}


IMPLIEDS = [
    person("ended", said(IMPLIED, basis="CASL: purchase", given_at=day(2024, 11, 22))),
    person("ends", said(IMPLIED, basis="achat", given_at=day(2024, 11, 23))),
    person("soon", said(IMPLIED, basis="contract", given_at=day(2025, 1, 20))),
    person("later", said(IMPLIED, basis="purchase", given_at=day(2025, 1, 22))),
    person("asked", said(IMPLIED, basis="inquiry", given_at=day(2020))),
    person("undated", said(IMPLIED, basis="purchase")),
    person("granted", said(GRANTED, basis="purchase", given_at=day(2020))),
    person(
        "renewed",
        said(IMPLIED, basis="purchase", given_at=day(2020)),
        said(IMPLIED, basis="purchase", given_at=day(2026)),
    ),
    person("refused", said(IMPLIED, basis="purchase", given_at=day(2020)), said(WITHDRAWN)),
]


def test_implied_consent_ends_after_its_length_and_is_warned_of_before(find: Find) -> None:
    """Purchases of 24 months: ended, about to end within 60 days, or neither."""
    keys = "channel: email, basis: purchase, after: 24 months, problem"

    assert set(found(find, f"{keys}: expired", *IMPLIEDS)) == {"ended"}
    assert set(found(find, f"{keys}: expiring", *IMPLIEDS)) == {"ends", "soon"}
    assert set(found(find, f"{keys}: expiring, warn: 5 days", *IMPLIEDS)) == {"ends"}
    every = "channel: email, after: 6 months, problem: expired"
    assert set(found(find, every, *IMPLIEDS)) == {
        "ended",
        "ends",
        "soon",
        "later",
        "asked",
        "renewed",
    }


def test_the_date_of_a_purchase_may_stand_in_a_field_of_its_own(find: Find) -> None:
    """`clock` names the field whose date counts instead of the consent's own."""
    contacts = [
        person("1", said(IMPLIED, given_at=day(2020)), extra={"score": "2026-11-01"}),
        person("2", said(IMPLIED, given_at=day(2026)), extra={"score": "2020-11-01"}),
    ]
    keys = "channel: email, clock: extra.score, after: 6 months, problem: expired"

    assert found(find, keys, *contacts)["2"]["since"] == "2020-11-01T00:00:00+00:00"
    assert set(found(find, keys, *contacts)) == {"2"}


def _with_register(tmp_path: Path, months: int, check: str) -> Any:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"version: 1\nrules:\n  - {{id: r, about: A, check: {{kind: consent, {check}}}}}\n"
    )
    length = Duration(months, "month")
    periods = {"casl": Period("casl", length, "last_purchase", "restrict", "CASL s. 10(10)")}
    return load_rules([path], periods=periods).rules[0]


def test_a_period_of_the_register_gives_the_length(
    tmp_path: Path, relation: Relation, now: datetime
) -> None:
    """The rule follows the register, and is another rule when the register changes."""
    check = "channel: email, problem: expired, period: casl"
    short, long = (_with_register(tmp_path, months, check) for months in (6, 24))
    with closing(relation([IMPLIEDS[3]])) as con:
        assert [one.evidence["limit"] for one in short.find(con, now)] == ["6 months"]
        assert list(long.find(con, now)) == []

    assert short.digest != long.digest


def test_a_period_that_the_register_lacks_is_a_mistake(tmp_path: Path) -> None:
    """The mistake says which id was probably meant."""
    with pytest.raises(ConfigError, match=r"no period 'cas' \(did you mean 'casl'\?\)"):
        _with_register(tmp_path, 6, "channel: email, problem: expired, period: cas")


def test_without_a_register_a_period_is_said_to_be_unknown(
    load: Load, relation: Relation, now: datetime
) -> None:
    """A rule that cannot know its length does not quietly find nothing."""
    text = "version: 1\nrules:\n  - {id: r, about: A, check: {kind: consent, channel: email, problem: expired, period: x}}\n"
    (rule,) = load(text).rules
    with closing(relation([])) as con, pytest.raises(ConfigError, match="no register"):
        list(rule.find(con, now))


def test_a_complaint_stops_every_purpose_until_it_is_recorded_as_a_no(find: Find) -> None:
    """A complaint about one newsletter is found though another purpose stands; a withdrawal ends it."""
    complaint = said(ConsentStatus.COMPLAINT, purpose="news")
    contacts = [
        person("1", complaint, said(GRANTED)),
        person("2", complaint),
        person("3", complaint, said(WITHDRAWN)),
        person("4", said(GRANTED)),
    ]

    assert set(found(find, "channel: email, problem: complained", *contacts)) == {"1", "2"}


def test_a_hard_bounce_is_told_by_the_address_or_by_the_consent(find: Find) -> None:
    """Either is enough."""
    contacts = [
        person("1", emails=(Email("zoe@example.com", AddressStatus.BOUNCED),)),
        person("2", said(ConsentStatus.HARD_BOUNCE)),
        person("3", said(GRANTED), emails=(Email("zoe@example.com", AddressStatus.VALID),)),
    ]

    assert set(found(find, "channel: email, problem: bounced", *contacts)) == {"1", "2"}


SECOND = (Email("zoe@example.com"), Email("Z@Example.org"))


def test_a_no_on_another_record_counts_for_every_address_they_share(find: Find) -> None:
    """A second address, another connection, another spelling: the no holds, and is said where."""
    contacts = [
        person("1", said(GRANTED), emails=SECOND),
        person(
            "2",
            said(WITHDRAWN, withdrawn_at=day(2026)),
            connection="other",
            emails=(Email("z@example.org"),),
        ),
        person("3", said(ConsentStatus.OBJECTED, address="zoe@example.com"), emails=()),
        person("4", said(GRANTED), emails=(Email("max@example.com"),)),
    ]
    evidence = found(find, "channel: email, problem: contradicted", *contacts)

    assert evidence == {
        "1": {
            "channel": "email",
            "problem": "contradicted",
            "status": "granted",
            "strictest": "objected",
            "addresses": [1, 2],
            "where": ["crm:3", "other:2"],
            "others": 2,
            "since": "2026-01-01T00:00:00+00:00",
        }
    }
    assert "example" not in str(evidence)


def test_a_mailbox_that_many_share_silences_nobody_else(find: Find) -> None:
    """A refused second address that the record says nothing about leaves the first alone."""
    own, shared = Email("max@example.com"), Email("zoe@example.com")
    no = person("1", said(WITHDRAWN), emails=(shared,))
    first = [person("2", emails=(own, shared)), person("3", emails=(Email("none"), shared))]
    second = person("4", said(GRANTED, address=shared.address), emails=(own, shared))
    evidence = found(find, "channel: email, problem: contradicted", no, *first, second)

    assert {name: one["addresses"] for name, one in evidence.items()} == {"4": [2]}


@pytest.mark.parametrize("channel", ["sms", "phone"])
def test_numbers_are_compared_however_they_are_written(find: Find, channel: str) -> None:
    """A no on the same number in national form contradicts, on its own channel only."""
    number = (Phone("06 12 34 56 78", PhoneKind.MOBILE),)
    no = replace(
        person("2", said(WITHDRAWN, Channel(channel)), phones=number),
        address=PostalAddress(country="France"),
    )
    yes = person("1", *(said(GRANTED, one) for one in Channel))

    assert set(found(find, f"channel: {channel}, problem: contradicted", yes, no)) == {"1"}
    assert not found(find, "channel: email, problem: contradicted", yes, no)


def test_purposes_are_told_apart_and_the_channel_as_a_whole_binds(find: Find) -> None:
    """Whoever left one newsletter elsewhere has not left the others; a general no is one to all."""
    news, events = {"purpose": "news"}, {"purpose": "events"}
    one_left = [
        person("1", said(GRANTED, **news), said(GRANTED, **events)),
        person("2", said(WITHDRAWN, **news)),
    ]
    all_left = [person("1", said(GRANTED, **news)), person("2", said(WITHDRAWN))]
    keys = "channel: email, problem: contradicted"

    assert not found(find, keys, *one_left)
    assert set(found(find, f"{keys}, purpose: news", *one_left)) == {"1"}
    assert not found(find, f"{keys}, purpose: events", *one_left)
    assert set(found(find, keys, *all_left)) == {"1"}
    assert set(found(find, f"{keys}, purpose: events", *all_left)) == {"1"}
    assert not found(find, keys, person("1", said(GRANTED)), person("2", said(WITHDRAWN, **news)))


def test_a_purpose_narrows_every_problem(find: Find) -> None:
    """Consent to news is no consent to events; a general one is consent to both."""
    contacts = [
        person("news", said(GRANTED, purpose="news")),
        person("general", said(GRANTED)),
        person("no events", said(GRANTED), said(WITHDRAWN, purpose="events")),
    ]

    assert found(find, "channel: email, problem: missing, purpose: events", *contacts) == {
        "news": {"channel": "email", "purpose": "events", "problem": "missing"}
    }
    withdrawn = found(find, "channel: email, problem: withdrawn, purpose: events", *contacts)
    assert set(withdrawn) == {"no events"}


def test_a_refusal_may_be_given_time(find: Find) -> None:
    """With `after`, only refusals at least that old count: what should have spread has not."""

    def twins(refused: datetime | None) -> list[Contact]:
        return [person("1", said(GRANTED)), person("2", said(WITHDRAWN, withdrawn_at=refused))]

    keys = "channel: email, problem: contradicted, after: 2 days"
    assert found(find, keys, *twins(datetime(2026, 11, 20, 12, tzinfo=UTC)))
    assert not found(find, keys, *twins(datetime(2026, 11, 20, 13, tzinfo=UTC)))
    assert not found(find, keys, *twins(None))


def test_whoever_was_mailed_after_the_refusal_is_found(find: Find) -> None:
    """On the record itself or through another with the address; mailed before is in order."""
    no = said(WITHDRAWN, withdrawn_at=day(2026, 3, 10))
    contacts = [
        person("own", no, last_mailed_at=day(2026, 3, 11)),
        person("before", no, last_mailed_at=day(2026, 3, 9)),
        person("other", said(GRANTED), last_mailed_at=day(2026, 3, 20)),
        person(
            "undated", said(WITHDRAWN), emails=(Email("max@example.com"),), last_mailed_at=day(2026)
        ),
    ]
    ignored = found(find, "channel: email, problem: ignored", *contacts)

    assert set(ignored) == {"own", "other"}
    assert ignored["other"]["mailed_at"] == "2026-03-20T00:00:00+00:00"
    assert set(found(find, "channel: email, problem: ignored, after: 7 days", *contacts)) == {
        "other"
    }


def test_a_crowd_of_refusals_is_counted_and_few_are_named(find: Find) -> None:
    """An address that a hundred records share gives twenty names and the number."""
    crowd = [person(f"{number:03}", said(WITHDRAWN)) for number in range(100)]
    one = found(find, "channel: email, problem: contradicted", person("me", said(GRANTED)), *crowd)[
        "me"
    ]

    assert (len(one["where"]), one["others"]) == (20, 100)


def test_why_a_record_contradicts_is_explained(
    load: Load, relation: Relation, now: datetime
) -> None:
    """The steps end in the test that the finding rests on, true for the one and false for the other."""
    text = "version: 1\nrules:\n  - {id: r, about: A, check: {kind: consent, channel: email, problem: contradicted}}\n"
    (rule,) = load(text).rules
    with closing(relation([person("1", said(GRANTED)), person("2", said(WITHDRAWN))])) as con:
        caught = explain(rule, RecordRef("crm", "1"), con, now)
        free = explain(rule, RecordRef("crm", "2"), con, now)

    assert (caught.caught, [step.holds for step in caught.steps]) == (True, [True, True])
    assert (free.caught, [step.holds for step in free.steps]) == (False, [True, False])


_PURPOSES = st.sampled_from(["marketing", "news", "events"])
_CONSENTS = st.lists(
    st.builds(
        Consent,
        channel=st.sampled_from([Channel.EMAIL, Channel.PHONE]),
        status=st.sampled_from(ConsentStatus),
        purpose=_PURPOSES,
    ),
    max_size=4,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(_CONSENTS, min_size=2, max_size=3))
def test_the_strictest_of_all_records_is_what_one_record_with_all_would_say(
    find: Find, every: list[list[Consent]]
) -> None:
    """For records of one address: contradicted is who may be written to where all together may not."""
    contacts = [person(str(place), *consents) for place, consents in enumerate(every)]
    together = binding_consent([one for consents in every for one in consents], Channel.EMAIL)
    refused = together is not None and together.status in REFUSED
    contradicted = set(found(find, "channel: email, problem: contradicted", *contacts))
    own = [binding_consent(consents, Channel.EMAIL) for consents in every]
    mailable = {str(n) for n, one in enumerate(own) if one is None or one.status not in REFUSED}

    assert contradicted == (mailable if refused else set())


def test_every_problem_is_said_in_both_languages() -> None:
    """Each problem reads differently, and nothing of the contact is in it."""
    problems = get_args(ConsentCheck.model_fields["problem"].annotation)
    for language in ("en", "fr"):
        words = Words(language, ZoneInfo("UTC"))
        said_of = {
            problem: ConsentCheck.say(
                {
                    "channel": "email",
                    "problem": problem,
                    "status": "granted",
                    "since": "2026-01-02T00:00:00+00:00",
                    "limit": "24 months",
                },
                words,
                1,
            )
            for problem in problems
        }
        assert language == "en" or not any("month" in said for said in said_of.values())
        assert all(said_of.values())
        assert len({said_of[problem] for problem in problems}) >= len(problems) - 2


@pytest.mark.parametrize(("channel", "field"), [("sms", "mobile"), ("post", "street")])
def test_the_only_field_that_reaches_anybody_must_be_there(
    tmp_path: Path, channel: str, field: str
) -> None:
    """Where no contact can be reached nobody is found, which must not look as if all were well."""
    path = tmp_path / "mine.yaml"
    check = f"{{kind: consent, channel: {channel}, problem: missing}}"
    path.write_text(f"version: 1\nrules:\n  - {{id: r, about: A, check: {check}}}\n")
    ability = Ability(fields=frozenset(FIELDS) - {field}, can=frozenset(Capability))

    with pytest.raises(ConfigError, match=f"'crm' has no field '{field}'"):
        load_rules([path], abilities={"crm": ability})
