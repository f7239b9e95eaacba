"""Alerts: one mail when something begins or ends, none while it lasts, in each reader's language."""

from __future__ import annotations

import email
import email.policy
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_steward.model import Cause, Halt
from crm_steward.report import queue_alerts
from crm_steward.settings import Mail, Recipient, Report, Settings
from crm_steward.store.clocks import Clocks
from crm_steward.store.database import Database
from crm_steward.store.halts import Halts
from crm_steward.store.jumps import Jumps
from crm_steward.store.mirror import Mirror
from crm_steward.store.outbox import Letter, Outbox
from crm_steward.store.reminders import Deed, Duty, Reminders, Result
from crm_steward.store.restored import begin
from crm_steward.store.rulebooks import Rulebooks
from crm_steward.store.tables import meta, outbox

EN, FR = "ops@example.org", "responsable@example.org"


def configured(**report: Any) -> Settings:
    """Return settings with two readers."""
    readers = (Recipient(address=EN), Recipient(address=FR, language="fr"))
    return Settings(
        mail=Mail(host="mail.example.org", sender="steward@example.org"),
        report=Report(**{"recipients": readers, **report}),
    )


def told(database: Database, clock: Any, given_settings: Settings | None = None) -> list[Letter]:
    """Return the mails that are queued now and were not before."""
    before = {one.id for one in Outbox(database).letters()}
    number = queue_alerts(database, given_settings or configured(), clock())
    new = [one for one in Outbox(database).letters() if one.id not in before]
    assert len(new) == number
    return new


def parts(letter: Letter) -> dict[str, str]:
    """Return what the text and the HTML of a mail say, on one line."""
    message = email.message_from_string(letter.message, policy=email.policy.default)
    return {
        part.get_content_subtype(): " ".join(
            re.sub("<[^>]*>", " ", str(part.get_content())).split()
        )
        for part in message.walk()
        if part.get_content_maintype() == "text"
    }


def pause(database: Database, reason: str = "the token was revoked", name: str = "crm") -> None:
    """Pause a connection."""
    Mirror(database).note(name, "fake", paused_reason=reason, last_error=reason)


def resume(database: Database, name: str = "crm") -> None:
    """Let it be read again."""
    Mirror(database).note(name, "fake", paused_reason=None)


def test_once_when_it_begins_and_once_when_it_ends(database: Database, clock: Any) -> None:
    """However often it is looked at, and though the reason is put in other words meanwhile."""
    assert told(database, clock) == []
    pause(database)
    begun = {one.recipient: one for one in told(database, clock)}
    assert begun.keys() == {EN, FR}
    assert "connection crm refuses the credential" in begun[EN].subject
    assert "la connexion crm refuse" in begun[FR].subject
    for letter in begun.values():
        for said in parts(letter).values():
            assert "the token was revoked" in said
            assert "crm-steward check --connection crm" in said
    pause(database, "the token is still revoked")
    assert told(database, clock) == []

    resume(database)
    ended = {one.recipient: one for one in told(database, clock)}
    assert "no longer so: connection crm refuses" in ended[EN].subject
    assert "plus le cas" in ended[FR].subject
    assert told(database, clock) == []

    pause(database)
    assert len(told(database, clock)) == 2, "it began once more"


def test_an_alert_after_a_restore_is_no_repetition_of_an_older_one(
    database: Database, clock: Any
) -> None:
    """The copy counts on from a number that was used: by its Message-ID it is another mail."""
    pause(database)
    before = {one.id for one in told(database, clock)}
    with database.write() as writing:  # what a copy does not know that was made before
        writing.execute(sa.delete(outbox))
        writing.execute(sa.delete(meta).where(meta.c.key == "alerts"))
    begin(database, made_at=clock() - timedelta(days=1), now=clock())
    after = told(database, clock)
    assert {one.period for one in after} == {"alert-000001"}
    assert before.isdisjoint(one.id for one in after)
    assert "report --send --again" in parts(after[0])["plain"]


def test_every_kind_is_told_with_its_remedy(database: Database, clock: Any, tmp_path: Path) -> None:
    """Frozen, halted, the stop file, a restored copy, broken rules; the gravest makes the subject."""
    Mirror(database).note("shop", "fake", frozen_reason="512 of 2,000 contacts are left")
    Halts(database).stop(
        Halt(connection="crm", cause=Cause.ROW, reason="5", by="crm-steward", at=clock())
    )
    Rulebooks(database).note(["own.yaml:3: unknown field 'emial'"], now=clock())
    file = tmp_path / "STOP-WRITING"
    file.touch()
    begin(database, made_at=clock() - timedelta(days=1), now=clock())
    wanted = configured()
    wanted = wanted.model_copy(update={"halt": wanted.halt.model_copy(update={"file": file})})
    letters = {one.recipient: one for one in told(database, clock, wanted)}
    text = parts(letters[EN])["plain"]
    for said in (
        "--full --accept-shrink",
        "512 of 2,000 contacts are left",
        "5 changes in a row",
        "STOP-WRITING",
        "own.yaml:3: unknown field 'emial'",
        "crm-steward rules lint",
    ):
        assert said in text
    assert "an older copy of the database was restored, and 4 more" in letters[EN].subject
    french = parts(letters[FR])["plain"]
    assert "Une copie plus ancienne" in french
    assert "À RÉGLER PAR UNE PERSONNE" in french


@pytest.mark.parametrize(
    ("report", "who"),
    [
        ({"alerts": (Recipient(address="night@example.org"),)}, {"night@example.org"}),
        ({"alerts": ()}, set()),
        ({"recipients": (), "alerts": None}, set()),
    ],
    ids=["others", "nobody", "no recipients"],
)
def test_who_is_told_is_a_setting(
    database: Database, clock: Any, report: dict[str, Any], who: set[str]
) -> None:
    """Those of `alerts`, else the recipients; what nobody was told is not told late to others."""
    pause(database)
    assert {one.recipient for one in told(database, clock, configured(**report))} == who
    assert told(database, clock) == []


def test_words_of_a_crm_cannot_become_markup_or_headers(database: Database, clock: Any) -> None:
    """The reason may be a CRM's own words."""
    pause(database, "<script>alert(1)</script>\r\nBcc: everybody@example.org")
    (english, _) = sorted(told(database, clock), key=lambda one: one.recipient)
    message = email.message_from_string(english.message, policy=email.policy.default)
    assert message["Bcc"] is None
    (page,) = (part for part in message.walk() if part.get_content_subtype() == "html")
    assert "<script>" not in page.get_content()
    assert "&lt;script&gt;alert(1)" in page.get_content()
    assert message["Auto-Submitted"] == "auto-generated"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sets(st.sampled_from(["a", "b", "c"])), max_size=8))
def test_mails_are_the_changes_of_what_stands(
    database: Database, clock: Any, steps: list[set[str]]
) -> None:
    """Whatever is paused when: a mail for each look that finds another set than the last, no other."""
    with database.write() as writing:
        writing.execute(sa.delete(meta).where(meta.c.key == "alerts"))
    for name in "abc":
        resume(database, name)
    before: set[str] = set()
    for paused in steps:
        for name in "abc":
            (pause if name in paused else resume)(database, name=name)
        number = queue_alerts(database, configured(), clock())
        assert number == (2 if paused != before else 0)
        assert queue_alerts(database, configured(), clock()) == 0
        before = paused


def test_a_rule_that_jumped_and_a_clock_that_is_wrong(database: Database, clock: Any) -> None:
    """Each with its figures and what to do; over once the clock is right and the rule accepted."""
    row = {"rule": "name-case", "found": 1200, "usual": 3.0, "at": clock().isoformat()}
    with database.write() as writing:
        value = json.dumps({**row, "accepted": False})
        writing.execute(sa.insert(meta), {"key": "jump:name-case", "value": value})
    Clocks(database).note("crm", timedelta(hours=1))
    begun = {one.recipient: parts(one)["plain"] for one in told(database, clock)}
    for said in ("1,200", "accept name-case", "clock of this machine", "+1:00:00", "NTP"):
        assert said in begun[EN]
    assert "ne fait plus que signaler" in begun[FR]
    assert told(database, clock) == []
    Clocks(database).note("crm", timedelta(minutes=1))
    assert Jumps(database).accept("name-case", clock())
    ended = {one.recipient: parts(one)["plain"] for one in told(database, clock)}
    assert "name-case found far more than usual" in ended[EN]


def test_a_restore_test_that_failed_is_told(database: Database, clock: Any) -> None:
    """With what is wrong, in both languages; over once a backup passes."""
    records = Reminders(database)

    def tested(result: Result, note: str = "") -> None:
        deed = Deed(duty=Duty.RESTORE_TEST, by="crm-steward", at=clock(), result=result, note=note)
        records.record(deed)

    tested(Result.ALTERED, "copy of 2026-11-16 08:00 UTC")
    letters = {one.recipient: one for one in told(database, clock)}
    assert "the last restore test of a backup failed" in letters[EN].subject
    text = parts(letters[EN])["plain"]
    assert "The journal of the backup is not what was written. copy of 2026-11-16 08:00 UTC" in text
    assert "crm-steward restore FILE --test" in text
    assert (
        "Le journal de la sauvegarde n\u2019est pas ce qui a été écrit"
        in parts(letters[FR])["html"]
    )
    clock.forward(days=1)
    tested(Result.MISSING)
    assert told(database, clock) == [], "it fails still"
    tested(Result.DONE)
    ended = {one.recipient: one for one in told(database, clock)}
    assert "no longer so" in ended[EN].subject
