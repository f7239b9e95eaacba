"""What comes round again: what was done last counts, and what failed is still to be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crm_steward.store.database import Database
from crm_steward.store.reminders import Deed, Duty, Reminders, Result

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
PERIODS = {Duty.ACCESS_REVIEW: timedelta(days=92), Duty.RESTORE_TEST: timedelta(days=31)}


def _done(duty: Duty, days: int, result: Result = Result.DONE) -> Deed:
    return Deed(duty=duty, by="Ada", note="n", at=NOW - timedelta(days=days), result=result)


def test_what_was_done_counts_until_its_time_is_over(database: Database) -> None:
    """Never done is overdue; done is not; after its time it is again; zero switches it off."""
    records = Reminders(database)
    assert [one.overdue(NOW) for one in records.standing(PERIODS)] == [True, True]
    records.record(_done(Duty.ACCESS_REVIEW, 92))
    records.record(_done(Duty.RESTORE_TEST, 40))
    records.record(_done(Duty.RESTORE_TEST, 30))
    review, test = records.standing(PERIODS)
    assert (review.due, review.overdue(NOW)) == (NOW, True)
    assert not review.overdue(NOW - timedelta(seconds=1))
    assert test.done == _done(Duty.RESTORE_TEST, 30)
    assert not test.overdue(NOW)
    assert records.standing({Duty.ACCESS_REVIEW: timedelta(0)}) == []


def test_a_failure_is_still_to_be_done(database: Database) -> None:
    """What failed last is overdue, whatever was done before; once it goes well it is not."""
    records = Reminders(database)
    records.record(_done(Duty.RESTORE_TEST, 3))
    failed = _done(Duty.RESTORE_TEST, 2, Result.ALTERED)
    records.record(failed)
    (one,) = records.standing({Duty.RESTORE_TEST: PERIODS[Duty.RESTORE_TEST]})
    assert (one.failed, one.overdue(NOW)) == (failed, True)
    assert one.done == _done(Duty.RESTORE_TEST, 3)
    records.record(_done(Duty.RESTORE_TEST, 1))
    (one,) = records.standing({Duty.RESTORE_TEST: PERIODS[Duty.RESTORE_TEST]})
    assert (one.failed, one.overdue(NOW)) == (None, False)
