"""`retention`: the register says how long, the calendar says when, and doubt never makes old."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from crm_steward.model import Ability, Capability, ConfigError, Contact, RecordRef
from crm_steward.report.words import Words
from crm_steward.rules import Duration, Period, Rule, load_register, load_rules, shipped_register
from crm_steward.rules.explaining import explain
from crm_steward.rules.kinds import Scope
from crm_steward.rules.kinds.retention import Retention

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Relation

CHECK = TypeAdapter(Retention)


def period(length: str, clock: str = "last_person_act") -> Period:
    """Make an entry of the register."""
    return Period("prospects", Duration.parse(length), clock, "archive", "CNIL")


def checked(length: str, clock: str = "last_person_act", **keys: Any) -> Retention:
    """Make a check over one period."""
    written = {"kind": "retention", "period": "prospects", **keys}
    return CHECK.validate_python(written, context={"periods": {"prospects": period(length, clock)}})


def acted(record: str, moment: datetime | None, **held: Any) -> Contact:
    """Make a contact whose last act is known, or not."""
    return Contact(ref=RecordRef("crm", record), last_person_act=moment, **held)


def found(
    check: Retention, contacts: list[Contact], relation: Relation, now: datetime
) -> dict[str, dict[str, Any]]:
    """Return the evidence by record."""
    with closing(relation(contacts)) as con:
        return {hit.refs[0].id: dict(hit.evidence) for hit in check.find(Scope(con, now))}


NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ENDED_LONG_AGO = datetime(2020, 1, 15, tzinfo=UTC)


def test_what_is_over_is_found_with_its_dates(relation: Relation) -> None:
    """Length and grace must both have run; the end told is that of the period itself."""
    contacts = [
        acted("over", datetime(2023, 10, 23, 11, 59, tzinfo=UTC)),
        acted("grace", datetime(2023, 10, 23, 12, 1, tzinfo=UTC)),
        acted("young", datetime(2026, 1, 1, tzinfo=UTC)),
    ]
    evidence = found(checked("36 months", grace="30 days"), contacts, relation, NOW)

    assert evidence == {
        "over": {
            "status": "ended",
            "clock": "last_person_act",
            "last": "2023-10-23T11:59:00+00:00",
            "ended": "2026-10-23T11:59:00+00:00",
            "period": "prospects",
            "length": "36 months",
        }
    }


@pytest.mark.parametrize(
    ("start", "length", "end"),
    [
        ("2024-02-29", "36 months", "2027-02-28"),
        ("2024-02-29", "4 years", "2028-02-29"),
        ("2023-08-31", "6 months", "2024-02-29"),
        ("2022-08-31", "6 months", "2023-02-28"),
        ("2026-03-28", "2 weeks", "2026-04-11"),
    ],
)
def test_months_end_on_the_day_the_calendar_says(
    relation: Relation, start: str, length: str, end: str
) -> None:
    """Counted forward; a day that the last month lacks becomes its last day, 29 February included."""
    contact = acted("1", datetime.fromisoformat(start).replace(tzinfo=UTC))
    ended = datetime.fromisoformat(end).replace(tzinfo=UTC)

    assert found(checked(length), [contact], relation, ended) == {}
    later = found(checked(length), [contact], relation, ended + timedelta(seconds=1))
    assert later["1"]["ended"] == f"{end}T00:00:00+00:00"


@pytest.mark.parametrize(
    ("unknown", "status"),
    [
        ("ignore", {"old": "ended"}),
        ("report", {"old": "ended", "none": "no_clock"}),
        ("only", {"none": "no_clock"}),
    ],
)
def test_an_unknown_date_is_never_an_old_one(
    relation: Relation, unknown: str, status: dict[str, str]
) -> None:
    """Without the date there is no end: found only where asked for, and told apart."""
    contacts = [
        acted("old", ENDED_LONG_AGO),
        acted("none", None, created_at=ENDED_LONG_AGO, updated_at=ENDED_LONG_AGO),
        acted("held", None, legal_hold=True),
    ]
    evidence = found(checked("36 months", unknown=unknown), contacts, relation, NOW)

    assert {record: facts["status"] for record, facts in evidence.items()} == status
    for facts in evidence.values():
        assert (
            (facts["last"] is None) == (facts["ended"] is None) == (facts["status"] == "no_clock")
        )


def test_legal_hold_keeps_whatever_the_age(relation: Relation) -> None:
    """True holds; false and unknown do not."""
    contacts = [acted(str(hold), ENDED_LONG_AGO, legal_hold=hold) for hold in (True, False, None)]

    assert set(found(checked("1 year"), contacts, relation, NOW)) == {"False", "None"}


def test_a_custom_field_can_be_the_clock(relation: Relation) -> None:
    """Dates as text are read; anything else, and dates of no calendar, are unknown."""
    written = {
        "day": "2020-02-29",
        "bc": "0044-03-15 (BC)",
        "infinite": "infinity",
        "minus": "-infinity",
        "far": "290000-01-01",
        "text": "😀 متجر",
        "empty": "",
    }
    contacts = [
        Contact(ref=RecordRef("crm", name), extra={"since": text}) for name, text in written.items()
    ]
    evidence = found(checked("5 years", "extra.since", unknown="report"), contacts, relation, NOW)

    assert evidence["day"]["ended"] == "2025-02-28T00:00:00+00:00"
    assert {name for name, facts in evidence.items() if facts["status"] == "no_clock"} == {
        *written
    } - {"day"}


MOMENTS = st.datetimes(datetime(1999, 1, 1), datetime(2027, 12, 31)).map(  # noqa: DTZ001 -- hypothesis wants them naive
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
LENGTHS = st.builds(
    Duration, st.integers(1, 48), st.sampled_from(["hour", "day", "week", "month", "year"])
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.none() | MOMENTS, min_size=1, max_size=12),
    LENGTHS,
    st.none() | LENGTHS,
    st.none() | LENGTHS,
    MOMENTS,
)
def test_the_database_counts_like_the_calendar(
    relation: Relation,
    clocks: list[datetime | None],
    length: Duration,
    grace: Duration | None,
    warn: Duration | None,
    now: datetime,
) -> None:
    """Who is over, and who is warned, is what counting in Python gives; nobody is both."""
    contacts = [acted(str(number), clock) for number, clock in enumerate(clocks)]
    over, near = set(), set()
    for number, clock in enumerate(clocks):
        if clock is None:
            continue
        end = length.after(clock)
        if (grace.after(end) if grace else end) < now:
            over.add(str(number))
        elif warn and end < warn.after(now):
            near.add(str(number))
    keys = {"grace": str(grace)} if grace else {}

    assert set(found(checked(str(length), **keys), contacts, relation, now)) == over
    if warn:
        warned = checked(str(length), warn=str(warn), **keys)
        evidence = found(warned, contacts, relation, now)
        assert set(evidence) == near
        assert {facts["status"] for facts in evidence.values()} <= {"ending"}


RULE = "version: 1\nrules:\n  - {{id: r, about: x, check: {{kind: retention, period: {}}}}}\n"


def loaded(path: Path, name: str = "prospects", **register: Period) -> Rule:
    """Load one rule over a register."""
    path.write_text(RULE.format(name))
    (rule,) = load_rules([path], periods=register or None).rules
    return rule


def test_the_digest_follows_the_register(tmp_path: Path) -> None:
    """Another length or clock is another rule, to be tried on few records first."""
    path = tmp_path / "x.yaml"
    digests = [
        loaded(path, prospects=one).digest
        for one in (
            period("36 months"),
            period("35 months"),
            period("36 months", "collected_at"),
            Period("prospects", Duration(36, "month"), "last_person_act", "delete", "other"),
        )
    ]

    assert len(set(digests)) == 3
    assert digests[0] == digests[3]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("prospect", "the register has no period 'prospect' (did you mean 'prospects'?)"),
        (
            "objections",
            "the period 'objections' counts from objected_at, which is no field of contacts",
        ),
        ("36", "text expected, found 36"),
    ],
)
def test_a_wrong_period_is_shown_where_it_stands(tmp_path: Path, name: str, says: str) -> None:
    """Not in the register, or counted from what no contact holds."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path / "x.yaml", name, **load_register(shipped_register()).periods)

    (problem,) = caught.value.problems
    assert (problem.where.rpartition("x.yaml:")[2], problem.message) == ("3:56", says)


def test_a_length_of_its_own_is_refused(tmp_path: Path) -> None:
    """A rule cannot bring its own length or clock past the register."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path / "x.yaml", "prospects, longer_than: 3 years, clock: updated_at")

    assert [problem.message.partition(" (")[0] for problem in caught.value.problems] == [
        "unknown key 'longer_than'",
        "unknown key 'clock'",
    ]


def test_without_a_register_it_loads_and_does_not_find(tmp_path: Path, relation: Relation) -> None:
    """Somebody else's file can be checked; finding nothing in silence would be a lie."""
    rule = loaded(tmp_path / "x.yaml", "whatever")
    with closing(relation([acted("1", ENDED_LONG_AGO)])) as con:
        with pytest.raises(ConfigError, match="there is no register"):
            next(rule.find(con, NOW))
        with pytest.raises(ConfigError, match="there is no register"):
            explain(rule, RecordRef("crm", "1"), con, NOW)


def test_a_connection_must_hold_the_clock_and_need_not_know_legal_hold(tmp_path: Path) -> None:
    """Where legal hold is not kept nothing is held; where the clock is not kept nothing is known."""
    path = tmp_path / "x.yaml"
    path.write_text(RULE.format("p"))
    periods = {"p": period("36 months", "contract_end")}
    can = frozenset(Capability)
    abilities = {"crm": Ability(fields=frozenset({"contract_end"}), can=can)}

    assert len(load_rules([path], periods=periods, abilities=abilities).rules) == 1
    abilities["crm"] = Ability(fields=frozenset({"legal_hold"}), can=can)
    with pytest.raises(ConfigError, match="has no field 'contract_end'"):
        load_rules([path], periods=periods, abilities=abilities)


def test_it_says_why(tmp_path: Path, relation: Relation) -> None:
    """Hold and time are told apart, with the values seen."""
    rule = loaded(tmp_path / "x.yaml", prospects=period("36 months"))
    contacts = [acted("1", ENDED_LONG_AGO, legal_hold=True), acted("2", NOW)]
    with closing(relation(contacts)) as con:
        held, young = (explain(rule, one.ref, con, NOW) for one in contacts)

    words = "36 months from last_person_act: has ended"
    assert [(step.words, step.holds, step.seen) for step in held.steps] == [
        ("no legal hold", False, True),
        (words, True, "2020-01-15T00:00:00+00:00"),
    ]
    assert [(step.words, step.holds) for step in young.steps] == [
        ("no legal hold", True),
        (words, False),
    ]
    assert (held.caught, young.caught) == (False, False)


def test_the_length_is_said_in_the_language_of_the_reader() -> None:
    """In the singular too; what is no length of ours is left out of the line."""
    evidence = {
        "status": "ended", "clock": "created_at", "last": "2023-11-05T00:00:00+00:00",
        "ended": "2026-11-05T00:00:00+00:00", "period": "prospects", "length": "36 months",
    }  # fmt: skip
    english, french = (Words(language, ZoneInfo("UTC")) for language in ("en", "fr"))

    def said(words: Words, **values: str) -> str:
        return Retention.say({**evidence, **values}, words, 1)

    assert said(english) == "prospects: 36 months ended on 5 Nov 2026"
    assert said(french) == "prospects\N{NO-BREAK SPACE}: 36 mois, terme atteint le 5 nov. 2026"
    assert ": 1 an, terme le 5 nov. 2026" in said(french, length="1 year", status="ending")
    assert ": 2 ans, terme atteint" in said(french, length="2 years")
    assert "<b>" not in said(french, length="<b>")
