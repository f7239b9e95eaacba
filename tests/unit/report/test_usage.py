"""What was used of quotas: counted where calls are made, kept by the hour, told by the week."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from crm_steward.connect.calls import Calls, RetryPolicy, Usage
from crm_steward.connect.spec import Quota
from crm_steward.model import AuthError, BusyError, RetryableError, StewardError
from crm_steward.report import Digest, as_document, render
from crm_steward.report.usage import QuotaUse, quota_uses
from crm_steward.store.database import Database
from crm_steward.store.usages import Usages, counting

NOW = datetime(2026, 11, 16, 8, 20, tzinfo=UTC)
DAILY = Quota(name="daily", calls=1000, per=timedelta(days=1))
BURST = Quota(name="burst", calls=100, per=timedelta(seconds=1))


def told(database: Database, since: datetime, until: datetime) -> tuple[QuotaUse, ...]:
    """Return what the report of that time would tell."""
    with database.read() as reading:
        return quota_uses(reading, since, until)


def test_every_request_counts_with_what_it_costs() -> None:
    """Repeated ones too, as the vendor counts them; what is asked for once is not told twice."""
    calls = Calls("crm", policy=RetryPolicy(first=timedelta(milliseconds=1)))
    answers = iter([RetryableError("later", sent=False), "answer", "answer"])

    def request() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    calls("burst", request, cost=5)
    calls("burst", request, cost=1)
    assert calls.take_usage() == Usage(calls=3, points=11)
    assert calls.take_usage() == Usage()


def test_the_highest_share_is_the_day_s_and_everybody_s() -> None:
    """Only a quota of a day counts, as far as the CRM says what is left of it."""
    calls = Calls("crm", [DAILY, BURST])
    calls.learn(BURST, 1)
    calls.learn(DAILY)
    assert calls.take_usage().share is None
    for left in (900, 400, 700):
        calls.learn(DAILY, left)
    assert calls.take_usage().share == pytest.approx(0.6)
    calls.learn(DAILY, 2000)  # more left than there is: a limit that was raised meanwhile
    assert calls.take_usage().share == 0


def test_hours_add_up_to_weeks(database: Database) -> None:
    """Each hour belongs to one week; the highest share is kept, and not knowing it never lowers it."""
    kept = Usages(database)
    last = NOW - timedelta(days=7)
    kept.add("crm", Usage(calls=100, points=100, share=0.9), last)
    for used, at in (
        (Usage(calls=2, points=20), last + timedelta(hours=1)),
        (Usage(calls=3, points=3, share=0.2), NOW - timedelta(hours=2)),
        (Usage(calls=4, points=4, share=0.1), NOW - timedelta(hours=2, minutes=10)),
        (Usage(calls=5, points=5), NOW - timedelta(hours=2, minutes=11)),
        (Usage(), NOW),
    ):
        kept.add("crm", used, at)
    kept.add("sheet", Usage(calls=1, points=1), NOW)
    kept.add("other", Usage(calls=1, points=1), NOW + timedelta(hours=1))
    assert told(database, last, NOW) == (
        QuotaUse(connection="crm", calls=14, points=32, share=0.2),
        QuotaUse(connection="sheet", calls=1, points=1),
    )
    assert told(database, last - timedelta(days=7), last) == (
        QuotaUse(connection="crm", calls=100, points=100, share=0.9),
    )


def test_what_is_old_is_forgotten(database: Database) -> None:
    """After 400 days, by the connection's own next hour."""
    Usages(database).add("crm", Usage(calls=1, points=1), NOW)
    Usages(database).add("crm", Usage(calls=1, points=1), NOW + timedelta(days=401))
    assert told(database, NOW - timedelta(days=1), NOW) == ()


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (None, 1),
        (RetryableError("the CRM went away"), 1),
        (AuthError("refused"), 1),
        (BusyError("another process writes"), 0),
    ],
)
def test_what_was_used_is_kept_whatever_the_crm_did(
    database: Database, error: StewardError | None, kept: int
) -> None:
    """Unless the database is no longer ours: then nothing may be written."""
    calls = Calls("crm")
    raised: StewardError | None = None
    try:
        with counting(database, {"crm": calls}, lambda: NOW):
            calls("burst", lambda: None)
            if error is not None:
                raise error
    except StewardError as caught:
        raised = caught
    assert raised is error
    assert len(told(database, NOW - timedelta(days=1), NOW)) == kept


def test_both_parts_say_the_same_in_both_languages(digest: Digest) -> None:
    """Calls, points where they differ, the share; and where no share is told, that it is not."""
    for language, said in (
        ("en", ("4,820 calls", "1,204 calls, 2,310 points", "3.1%", "not told by this CRM")),
        ("fr", ("4 820 appels", "1 204 appels, 2 310 points", "3,1 %", "pas indiqué par ce CRM")),
    ):
        mail = render(digest, language)
        for words in said:
            assert words in mail.html.replace("\u202f", " ")
            assert words in mail.text.replace("\u202f", " ")
    assert as_document(digest)["quotas"][0]["share"] == 0.031
    many = tuple(replace(digest.quotas[0], connection=f"crm-{n}") for n in range(11))
    mail = render(replace(digest, quotas=many), "en")
    assert "and 3 more connections" in mail.text
    assert "and 3 more connections" in mail.html
    assert "CRM-9" not in mail.text.upper()
    without = render(replace(digest, quotas=()), "en")
    assert "quotas" not in without.html
