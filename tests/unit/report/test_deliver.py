"""From the outbox into mailboxes: real SMTP, refusals, crashes, exactly once."""

from __future__ import annotations

import importlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import trustme
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from crm_steward.model import Clock, ConfigError, MailError
from crm_steward.report import Digest, deliver, greet, queue_weekly, render
from crm_steward.report.message import compose, message_id
from crm_steward.report.render import Mail as Content
from crm_steward.report.session import close_session, open_session
from crm_steward.report.trend import Picture
from crm_steward.report.weeks import Week
from crm_steward.rules import RuleBook
from crm_steward.settings import Mail, Recipient, Report, Settings, SmtpSecurity
from crm_steward.settings.values import wire_address
from crm_steward.store.database import Database
from crm_steward.store.outbox import HELD_FOR, Delivery, Outbox
from crm_steward.store.runs import Runs
from crm_steward.store.tables import outbox
from crm_steward.testing.postbox import Postbox, serving

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
BOOK = RuleBook(())
MANAGER, CHEF = "manager@example.org", "chef@example.com"


def _mail(port: int, **values: object) -> Mail:
    given = {
        "host": "127.0.0.1",
        "port": port,
        "security": SmtpSecurity.NONE,
        "sender": "CRM steward <steward@example.net>",
        "timeout": timedelta(seconds=5),
        **values,
    }
    return Mail.model_validate(given)


def _settings(port: int = 1, **report: object) -> Settings:
    given = {
        "recipients": (Recipient(address=MANAGER), Recipient(address=CHEF, language="fr")),
        **report,
    }
    return Settings(timezone=ZoneInfo("UTC"), mail=_mail(port), report=Report.model_validate(given))


def at(moment: datetime) -> Clock:
    """Give a clock that stands."""
    return lambda: moment


def _scanned(database: Database, now: datetime = NOW - timedelta(hours=1)) -> None:
    runs = Runs(database)
    runs.finish(runs.start("scan", now=now), {}, now=now)


@pytest.fixture
def ready(database: Database) -> Database:
    """A store that was scanned and holds this week's two mails."""
    _scanned(database)
    assert queue_weekly(database, _settings(), BOOK, NOW) == 2
    return database


def _states(database: Database) -> dict[str, Delivery]:
    return {letter.recipient: letter.status for letter in Outbox(database).letters()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# What is sent


def test_each_recipient_has_a_mail_in_their_language(ready: Database) -> None:
    """Two mails with text and HTML arrive, whole, with the headers that automatic mail has."""
    postbox = Postbox()
    with serving(postbox) as port:
        done = deliver(ready, _mail(port), at(NOW))
    assert (done.sent, done.postponed, done.failed, done.problems) == (2, 0, 0, [])
    mails = {str(message["To"]): message for message in postbox.messages}
    assert set(mails) == {MANAGER, CHEF}
    english, french = mails[MANAGER], mails[CHEF]
    assert english["Subject"] == "Week 47: no contact to examine"
    assert french["Subject"] == "Semaine 47\u00a0: aucun contact à examiner"
    assert english["From"] == "CRM steward <steward@example.net>"
    assert english["Auto-Submitted"] == "auto-generated"
    assert english["List-Unsubscribe"] == "<mailto:steward@example.net?subject=unsubscribe>"
    assert english["Date"].datetime == NOW
    assert english["Message-ID"].endswith("@example.net>")
    assert english["Message-ID"] != french["Message-ID"]
    assert english.get_content_type() == "multipart/alternative"
    kinds = [part.get_content_type() for part in english.iter_parts()]
    assert kinds == ["text/plain", "text/html"]
    assert "No contact has been read yet." in _part(english, "plain")
    assert "Aucun contact n\u2019a encore été lu." in _part(french, "html")
    assert postbox.senders == ["steward@example.net"] * 2


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content


def test_the_picture_travels_with_the_page() -> None:
    """The page shows its picture by Content-ID (RFC 2392), and text comes first as ever."""
    shown = Picture("trend.1@crm-steward.invalid", b"\x89PNG\r\n\x1a\n.")
    content = Content(
        subject="s", html=f'<img src="cid:{shown.name}">', text="t", pictures=(shown,)
    )
    message = compose(
        content,
        sender="s@example.net",
        recipient=MANAGER,
        message_id="<1@example.net>",
        language="en",
        now=NOW,
    )
    postbox = Postbox()
    with serving(postbox) as port, _stored(message) as database:
        deliver(database, _mail(port), at(NOW))
    text, page = postbox.messages[0].iter_parts()
    assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "multipart/related")
    html, image = page.iter_parts()
    assert f"cid:{shown.name}" in html.get_content()
    assert (image["Content-ID"], image.get_content()) == (f"<{shown.name}>", shown.png)
    assert image.get_content_disposition() == "inline"


def test_lines_are_short_and_ascii(ready: Database) -> None:
    """The mail goes through servers of 1982: no line over 998 octets, nothing beyond ASCII."""
    for letter in Outbox(ready).letters():
        assert letter.message.isascii()
        assert max(map(len, letter.message.splitlines())) <= 998
        assert "\n" not in letter.message.replace("\r\n", "")


def test_content_with_dots_and_header_like_text_survives() -> None:
    """A line with a single dot does not end the mail, and no value becomes a header."""
    content = Content(
        subject="a\r\nBcc: evil@example.org\u202e", html="<p>.</p>", text=".\n..\nFrom x\n"
    )
    message = compose(
        content,
        sender="s@example.net",
        recipient=MANAGER,
        message_id="<1@example.net>",
        language="en",
        now=NOW,
    )
    postbox = Postbox()
    with serving(postbox) as port, _stored(message) as database:
        deliver(database, _mail(port), at(NOW))
    received = postbox.messages[0]
    assert received["Bcc"] is None
    assert received["Subject"] == "a Bcc: evil@example.org"
    assert _part(received, "plain").splitlines() == [".", "..", "From x"]


class _stored:  # noqa: N801 -- reads as a function
    """A store in memory with one letter."""

    def __init__(self, message: str) -> None:
        self._message = message

    def __enter__(self) -> Database:
        self._database = Database.open("sqlite://")
        Outbox(self._database).add(
            id="<1@example.net>", period="2026-W47", recipient=MANAGER, subject="s",
            message=self._message, now=NOW,
        )  # fmt: skip
        return self._database

    def __exit__(self, *_: object) -> None:
        self._database.close()


# Protection


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A private certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    """What a server of that authority at 127.0.0.1 presents."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(made)
    return made


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    """The authority's certificate in a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
def test_protected_and_logged_in(
    ready: Database, context: ssl.SSLContext, ca_file: Path, security: SmtpSecurity
) -> None:
    """STARTTLS and TLS from the start, with a login; nothing is said before it is protected."""
    postbox = Postbox()
    how = {"starttls": context} if security is SmtpSecurity.STARTTLS else {"tls": context}
    with serving(postbox, login=True, **how) as port:  # type: ignore[arg-type] # one of the two
        mail = _mail(
            port, security=security, ca_file=ca_file, username="steward", password="s3cret"
        )
        assert greet(mail).endswith("logged in")
        assert deliver(ready, mail, at(NOW)).sent == 2
    assert postbox.protected[-1]


def test_unknown_certificate_is_refused(ready: Database, context: ssl.SSLContext) -> None:
    """A server that nobody vouches for gets neither the password nor the mail."""
    postbox = Postbox()
    with serving(postbox, starttls=context) as port:
        mail = _mail(port, security=SmtpSecurity.STARTTLS, username="steward", password="s3cret")
        done = deliver(ready, mail, at(NOW))
        with pytest.raises(MailError, match=r"certificate is refused.*ca_file"):
            greet(mail)
    assert (done.sent, done.postponed) == (0, 2)
    assert "certificate is refused" in done.alarms[0]
    assert postbox.arrived == []


def test_no_starttls_means_no_mail(ready: Database) -> None:
    """A server, or somebody in between, that offers no protection is not given the mail in clear."""
    postbox = Postbox()
    with serving(postbox) as port:
        done = deliver(ready, _mail(port, security=SmtpSecurity.STARTTLS), at(NOW))
    assert done.problems == ["the mail server does not offer STARTTLS"]
    assert postbox.arrived == []


def test_refused_login(ready: Database, context: ssl.SSLContext, ca_file: Path) -> None:
    """A wrong password is a person's to mend: alarm at once, kept, and sent once it is mended."""
    postbox = Postbox()
    with serving(postbox, starttls=context, login=True) as port:
        mail = _mail(
            port,
            security=SmtpSecurity.STARTTLS,
            ca_file=ca_file,
            username="steward",
            password="old",
        )
        done = deliver(ready, mail, at(NOW))
        assert done.alarms == ["the mail server refuses the login (535 5.7.8)"]
        assert postbox.connected <= 2  # one session, and its second greeting: not one per recipient
        right = mail.model_copy(update={"password": _mail(1, password="s3cret").password})
        assert deliver(ready, right, at(NOW + timedelta(minutes=5))).sent == 2


# Refusals


def test_temporary_refusal_is_tried_again(ready: Database) -> None:
    """4xx to one recipient: the other has the mail, this one has it later; nobody has it twice."""
    busy = {MANAGER}
    postbox = Postbox(rcpt=lambda address: "450 4.2.1 try later" if address in busy else None)
    with serving(postbox) as port:
        done = deliver(ready, _mail(port), at(NOW))
        assert (done.sent, done.postponed) == (1, 1)
        assert done.problems == ["the mail server refuses the recipient at example.org (450 4.2.1)"]
        assert deliver(ready, _mail(port), at(NOW + timedelta(minutes=1))).sent == 0  # not yet
        busy.clear()
        assert deliver(ready, _mail(port), at(NOW + timedelta(minutes=3))).sent == 1
    assert sorted(str(m["To"]) for m in postbox.messages) == [CHEF, MANAGER]


@pytest.mark.parametrize("where", ["rcpt", "data"])
def test_final_refusal_ends_it_for_that_recipient(ready: Database, where: str) -> None:
    """5xx: given up with a reason that names no person; the others are served."""
    said = f"550 5.1.1 <{MANAGER}>: no such user"
    current: list[str] = []

    def rcpt(address: str) -> str | None:
        current[:] = [address]
        return said if where == "rcpt" and address == MANAGER else None

    postbox = Postbox(
        rcpt=rcpt, data=lambda: said if where == "data" and current == [MANAGER] else None
    )
    with serving(postbox) as port:
        done = deliver(ready, _mail(port), at(NOW))
        assert (done.sent, done.failed) == (1, 1)
        assert "manager" not in str(done.problems)
        assert "550 5.1.1" in done.alarms[0]
        assert deliver(ready, _mail(port), at(NOW + timedelta(days=1))).sent == 0
    assert _states(ready) == {MANAGER: Delivery.FAILED, CHEF: Delivery.SENT}
    assert "manager" not in Outbox(ready).letters()[0].error + Outbox(ready).letters()[1].error


def test_refused_sender_is_kept(ready: Database) -> None:
    """A sender the server does not want is a setting to mend, not a recipient to give up."""
    postbox = Postbox(mail=lambda: "550 5.7.1 not you")
    with serving(postbox) as port:
        done = deliver(ready, _mail(port), at(NOW))
    assert (done.postponed, done.failed) == (2, 0)
    assert done.alarms == ["the mail server refuses the sender (550 5.7.1)"]


def test_down_for_71_hours_is_delivered(ready: Database) -> None:
    """A server away for almost three days has the mail when it is back, once."""
    now, away = NOW, _mail(_free_port(), timeout=timedelta(seconds=1))
    while now < NOW + timedelta(hours=71):
        done = deliver(ready, away, at(now))
        assert done.failed == 0
        now += timedelta(minutes=30)
    postbox = Postbox()
    with serving(postbox) as port:
        sent = sum(
            deliver(ready, _mail(port), at(now + timedelta(minutes=30 * n))).sent for n in range(9)
        )
    assert sent == 2
    assert len(postbox.arrived) == 2


def test_what_keeps_mails_back_is_logged_once(ready: Database) -> None:
    """For two mails and twenty tries one warning; another reason is told, and the first one anew after it."""
    away, answers = _mail(_free_port(), timeout=timedelta(seconds=1)), ["451 4.7.1 greylisted"]
    postbox = Postbox(rcpt=lambda _: answers[0])
    with capture_logs() as logged, serving(postbox) as port:
        for hours in range(20):
            deliver(ready, away, at(NOW + timedelta(hours=hours)))
        first = [line["reason"] for line in logged if line["log_level"] == "warning"]
        deliver(ready, _mail(port), at(NOW + timedelta(hours=30)))
        deliver(ready, away, at(NOW + timedelta(hours=40)))
    warned = [line["reason"] for line in logged if line["log_level"] == "warning"]
    unreachable = "the mail server cannot be reached: connection refused"
    assert first == [unreachable]
    greylisted = [line for line in warned if "451 4.7.1" in line]
    assert len(greylisted) == 2  # one for each domain: they are different reasons
    assert warned == [unreachable, *greylisted, unreachable]


def test_down_for_73_hours_is_an_alarm(ready: Database) -> None:
    """After three days the mail is given up, loudly, and not tried again."""
    away, alarms = _mail(_free_port(), timeout=timedelta(seconds=1)), []
    for hours in range(75):
        alarms += deliver(ready, away, at(NOW + timedelta(hours=hours))).alarms
    assert alarms == [
        "the mail server cannot be reached: connection refused; given up after three days"
    ]
    assert set(_states(ready).values()) == {Delivery.FAILED}


def test_silent_server_is_left_in_time(ready: Database) -> None:
    """A server that never answers costs one timeout, not one per recipient."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mail = _mail(silent.getsockname()[1], timeout=timedelta(seconds=0.3))
        done = deliver(ready, mail, at(NOW))
    assert done.problems == ["the mail server cannot be reached: no answer in time"]
    assert done.postponed == 2


def test_what_keeps_several_mails_back_is_said_once(ready: Database) -> None:
    """Not for each of them, and not again at each try: a mail server may be away for three days."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = _mail(taken.getsockname()[1])
    with capture_logs() as logs:
        for hours in (0, 1, 5):
            assert deliver(ready, nobody, at(NOW + timedelta(hours=hours))).postponed == 2
    said = [line for line in logs if line["log_level"] == "warning"]
    assert [line["event"] for line in said] == ["report not sent yet"]


# Exactly once


def test_lost_answer_is_one_more_with_the_same_id(ready: Database) -> None:
    """The connection breaks after the content: sent once more under the same Message-ID."""
    answers = iter(["cut", "cut"])
    postbox = Postbox(data=lambda: next(answers, None))
    with serving(postbox) as port:
        first = deliver(ready, _mail(port), at(NOW))
        assert (first.sent, first.postponed) == (0, 2)
        assert set(_states(ready).values()) == {Delivery.UNSURE}
        assert deliver(ready, _mail(port), at(NOW + timedelta(minutes=5))).sent == 2
        assert deliver(ready, _mail(port), at(NOW + timedelta(days=2))).sent == 0
    ids = [str(message["Message-ID"]) for message in postbox.messages]
    assert len(ids) == 4
    assert len(set(ids)) == 2


def test_lost_twice_is_given_up(ready: Database) -> None:
    """A third copy is never sent; a person is told that it may or may not have arrived."""
    postbox = Postbox(data=lambda: "cut")
    with serving(postbox) as port:
        for hours in range(0, 80, 2):
            done = deliver(ready, _mail(port), at(NOW + timedelta(hours=hours)))
            if done.failed:
                assert "may or may not have arrived" in done.alarms[0]
    assert len(postbox.arrived) == 4
    assert set(_states(ready).values()) == {Delivery.FAILED}


def test_broken_off_before_the_content_is_no_duplicate(ready: Database) -> None:
    """Connections that break earlier are certain: nothing was taken, it may be tried for days."""
    cuts = [True] * 5
    postbox = Postbox(rcpt=lambda _: "cut" if cuts and cuts.pop() else None)
    with serving(postbox) as port:
        for hours in range(0, 60, 3):
            deliver(ready, _mail(port), at(NOW + timedelta(hours=hours)))
    assert len(postbox.arrived) == 2
    assert set(_states(ready).values()) == {Delivery.SENT}


def test_two_at_once_send_once(ready: Database) -> None:
    """Two processes that deliver at the same moment share the mails between them."""
    postbox = Postbox()
    start = threading.Barrier(2)

    def run(mail: Mail) -> int:
        with Database.open(ready.engine.url.render_as_string(hide_password=False)) as other:
            start.wait()
            return deliver(other, mail, at(NOW)).sent

    with serving(postbox) as port, ThreadPoolExecutor(2) as pool:
        sent = list(pool.map(run, [_mail(port)] * 2))
    assert sum(sent) == 2
    assert len(postbox.arrived) == 2


class _Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(("moment", "copies"), [("mail", 1), ("rcpt", 1), ("data", 2), ("sent", 2)])
def test_killed_while_sending(
    ready: Database, monkeypatch: pytest.MonkeyPatch, moment: str, copies: int
) -> None:
    """Killed at any point, everybody has the mail; a second copy only where SMTP cannot tell."""

    def die(*_: object, **__: object) -> None:
        raise _Killed

    postbox = Postbox()
    with serving(postbox) as port:
        with monkeypatch.context() as patch:
            # The process is gone: nothing after this point is written down any more.
            where = {"mail": "smtplib.SMTP.mail", "rcpt": "smtplib.SMTP.rcpt"}
            outside = {
                "data": "smtplib.SMTP.getreply",
                "sent": "crm_steward.store.outbox.Outbox.sent",
            }
            if moment == "data":
                _die_after_content(patch, die)
            else:
                patch.setattr({**where, **outside}[moment], die)
            with pytest.raises(_Killed):
                deliver(ready, _mail(port), at(NOW))
        assert (
            deliver(ready, _mail(port), at(NOW + timedelta(minutes=1))).sent == 1
        )  # the other one
        assert deliver(ready, _mail(port), at(NOW + HELD_FOR)).sent == 1
        assert deliver(ready, _mail(port), at(NOW + timedelta(days=1))).sent == 0
    counts: dict[str, int] = {}
    for message in postbox.messages:
        counts[str(message["Message-ID"])] = counts.get(str(message["Message-ID"]), 0) + 1
    assert sorted(counts.values()) == [1, copies]


def _die_after_content(patch: pytest.MonkeyPatch, die: Callable[..., None]) -> None:
    import smtplib  # noqa: PLC0415 -- only here

    send = smtplib.SMTP.send

    def sending(self: smtplib.SMTP, content: bytes) -> None:
        send(self, content)
        if isinstance(content, bytes) and content.endswith(b"\r\n.\r\n"):
            self.getreply()  # the server has it
            die()

    patch.setattr("smtplib.SMTP.send", sending)


# Asked to stop, and slow servers


def test_a_mail_whose_content_leaves_is_brought_to_its_end_and_none_begun_after(
    ready: Database,
) -> None:
    """Asked to stop while the server takes the first: it counts as sent, the other stays due, for nobody waits."""
    stop, postbox = threading.Event(), Postbox()
    postbox.data = stop.set
    with serving(postbox) as port:
        done = deliver(ready, _mail(port), at(NOW), stop=stop)
        assert (done.sent, done.left, done.problems) == (1, 1, [])
        assert postbox.connected == 1
        assert sorted(_states(ready).values()) == [Delivery.QUEUED, Delivery.SENT]
        assert deliver(ready, _mail(port), at(NOW)).sent == 1
    assert sorted(str(message["To"]) for message in postbox.messages) == [CHEF, MANAGER]


@pytest.mark.parametrize("before", [Delivery.QUEUED, Delivery.UNSURE])
def test_a_mail_whose_content_has_not_left_is_put_back(ready: Database, before: Delivery) -> None:
    """Asked to stop while the recipient is named: nothing leaves, and it stands as it stood, due at once."""
    stop, now = threading.Event(), NOW
    cut = Postbox(data=lambda: "cut")
    if before is Delivery.UNSURE:
        with serving(cut) as port:
            deliver(ready, _mail(port), at(NOW))
        now += timedelta(minutes=5)
    postbox = Postbox(rcpt=lambda _: stop.set())
    with serving(postbox) as port:
        done = deliver(ready, _mail(port), at(now), stop=stop)
        assert (done.sent, done.postponed, done.left) == (0, 0, 2)
        assert postbox.arrived == []
        assert set(_states(ready).values()) == {before}
        assert deliver(ready, _mail(port), at(now)).sent == 2
    assert len(postbox.arrived) == 2


def test_a_claim_runs_from_when_it_is_made_and_anew_once_the_content_leaves(
    ready: Database, clock: Any
) -> None:
    """A server takes almost as long as a claim lasts for each step; whoever sends meanwhile takes no mail of ours."""
    step, url = HELD_FOR - timedelta(minutes=1), ready.engine.url
    begun: list[str] = []
    others = Postbox()

    def slow() -> None:
        clock.forward(seconds=step.total_seconds())
        if len(begun) == len(_states(ready)):  # nobody may have the last one but we
            with Database.open(url.render_as_string(hide_password=False)) as database:
                assert deliver(database, _mail(port_of_others), clock).sent == 0

    def rcpt(address: str) -> None:
        begun.append(address)
        slow()

    clock.now = NOW
    postbox = Postbox(rcpt=rcpt, data=slow)
    with serving(others) as port_of_others, serving(postbox) as port:
        done = deliver(ready, _mail(port, timeout=timedelta(minutes=1)), clock)
    assert (done.sent, done.problems) == (2, [])
    assert others.arrived == []
    assert sorted(str(message["To"]) for message in postbox.messages) == sorted(begun)
    when = {letter.recipient: letter.sent_at for letter in Outbox(ready).letters()}
    assert [when[address] for address in begun] == [NOW + 2 * step, NOW + 4 * step]


def test_what_became_of_a_mail_is_written_down_before_the_farewell(ready: Database) -> None:
    """A server may take its time for it: whoever ends us then finds a mail that was sent."""
    seen: list[list[Delivery]] = []

    class Parting(Postbox):
        async def handle_QUIT(self, *_: object) -> str:  # noqa: N802 -- aiosmtpd's name
            seen.append(sorted(_states(ready).values()))
            return "221 bye"

    with serving(Parting()) as port:
        assert deliver(ready, _mail(port), at(NOW)).sent == 2
    assert seen == [[Delivery.QUEUED, Delivery.SENT], [Delivery.SENT] * 2]


# The queue


def test_queued_once_per_week(database: Database) -> None:
    """However often it is called, through restarts: one mail per week and recipient."""
    _scanned(database)
    settings, url = _settings(), database.engine.url.render_as_string(hide_password=False)
    total = 0
    for hours in range(0, 24 * 15, 5):
        with Database.open(url) as again:
            total += queue_weekly(again, settings, BOOK, NOW + timedelta(hours=hours))
    assert total == 6  # this Monday and the next two, two recipients each
    periods = {(letter.period, letter.recipient) for letter in Outbox(database).letters()}
    assert len(periods) == 6


def test_a_mail_that_cannot_be_made_keeps_nobody_from_theirs(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken template of one language is a bug that is raised, after the others have their mail."""
    _scanned(database)
    made = importlib.import_module(
        "crm_steward.report.queue"
    )  # the package has a function so named

    def broken(digest: Digest, language: str) -> Content:
        if language == "en":
            raise KeyError("template")
        return render(digest, language)

    monkeypatch.setattr(made, "render", broken)
    with pytest.raises(KeyError, match="template"):
        queue_weekly(database, _settings(), BOOK, NOW)
    assert [letter.recipient for letter in Outbox(database).letters()] == [CHEF]
    monkeypatch.undo()
    assert queue_weekly(database, _settings(), BOOK, NOW) == 1


def test_two_at_once_queue_once(ready: Database) -> None:
    """Two processes that queue at the same moment write one mail per recipient."""
    with ready.write() as writing:
        writing.execute(sa.delete(outbox))
    url = ready.engine.url.render_as_string(hide_password=False)
    start = threading.Barrier(2)

    def run(_: int) -> int:
        with Database.open(url) as other:
            start.wait()
            return queue_weekly(other, _settings(), BOOK, NOW)

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(run, range(2))) == 2


def test_new_recipient_has_this_weeks_report(ready: Database) -> None:
    """Somebody added in the middle of the week has it; the others do not have it again."""
    more = (Recipient(address=MANAGER), Recipient(address="New@Example.org"))
    assert queue_weekly(ready, _settings(recipients=more), BOOK, NOW + timedelta(days=2)) == 1
    assert "New@example.org" in _states(ready)


def test_new_installation_waits_for_its_first_scan(database: Database) -> None:
    """A base that nobody looked at yet is not reported as empty, for a day; then it is said."""
    assert queue_weekly(database, _settings(), BOOK, NOW) == 0
    Runs(database).start("pull", "crm", now=NOW)
    assert queue_weekly(database, _settings(), BOOK, NOW + timedelta(hours=23)) == 0
    assert queue_weekly(database, _settings(), BOOK, NOW + timedelta(hours=24)) == 2


def test_nobody_to_write_to(database: Database) -> None:
    """Without recipients, or without a mail server, nothing is queued and nothing fails."""
    _scanned(database)
    assert queue_weekly(database, _settings(recipients=()), BOOK, NOW) == 0
    without = _settings().model_copy(update={"mail": None})
    assert queue_weekly(database, without, BOOK, NOW) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "nobody",
        "a@",
        "@example.org",
        "a b@example.org",
        "a@b\r\nBcc: x@y.org",
        "é@example.org",
        "<a@example.org>",
    ],
)
def test_wrong_address_is_a_setting_to_mend(database: Database, wrong: str) -> None:
    """It is found before anything is written, and the address is not repeated."""
    _scanned(database)
    settings = _settings(
        recipients=(Recipient(address=MANAGER), Recipient.model_construct(address=wrong))
    )
    with pytest.raises(ConfigError, match=r"report\.recipients"):
        queue_weekly(database, settings, BOOK, NOW)
    assert Outbox(database).letters() == []


def test_international_domain() -> None:
    """A domain beyond ASCII is written as mail servers know it."""
    assert wire_address("chef@Bücher.example") == "chef@xn--bcher-kva.example"


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(40, 42)), min_size=2, unique=True)
)
def test_message_ids_tell_mails_apart(names: list[tuple[str, int]]) -> None:
    """Different recipients or weeks never share a Message-ID, the same ones always do."""
    made = [
        message_id("x", str(Week(2026, n)), f"{who}@example.org", "s@example.net")
        for who, n in names
    ]
    again = [
        message_id("x", str(Week(2026, n)), f"{who}@example.org", "s@example.net")
        for who, n in names
    ]
    assert made == again
    assert len(set(made)) == len(names)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A store that was scanned long ago."""
    url = f"sqlite:///{tmp_path_factory.mktemp('queue')}/steward.db"
    with Database.open(url) as database:
        _scanned(database, datetime(2023, 1, 1, tzinfo=UTC))
        yield database


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    zone=st.sampled_from(
        [
            "Europe/Paris",
            "America/St_Johns",
            "Australia/Lord_Howe",
            "Africa/Casablanca",
            "America/Santiago",
            "UTC",
        ]
    ),
    day=st.sampled_from(["monday", "saturday", "sunday"]),
    at=st.sampled_from([time(0), time(2, 30), time(7, 30), time(23, 59)]),
    year=st.integers(2024, 2040),
    month=st.sampled_from([3, 4, 9, 10, 12]),
    step=st.integers(7, 60),
)
@example(zone="America/St_Johns", day="sunday", at=time(23, 59), year=2035, month=10, step=7)
def test_one_mail_per_week_through_clock_changes(
    scanned: Database, zone: str, day: str, at: time, year: int, month: int, step: int
) -> None:
    """Called every few hours for six weeks, each ISO week has exactly one mail, in its own week."""
    with scanned.write() as writing:
        writing.execute(sa.delete(outbox))
    one = _settings(recipients=(Recipient(address=MANAGER),), day=day, at=at)
    here = one.model_copy(update={"timezone": ZoneInfo(zone)})
    begin = now = datetime(year, month, 1, tzinfo=UTC)
    due = [Week.of(begin.date()).shifted(n) for n in range(-2, 9)]
    while now < begin + timedelta(days=28):
        queue_weekly(scanned, here, BOOK, now)
        now += timedelta(hours=step)
    last = now - timedelta(hours=step)
    moments = {week: week.due(day, at, ZoneInfo(zone)) for week in due}
    passed = [week for week, moment in moments.items() if moment <= last]
    expected = [
        week for week in passed if moments.get(week.shifted(1), begin) > begin or week == passed[-1]
    ]
    got = sorted(letter.period for letter in Outbox(scanned).letters())
    assert got == [str(week) for week in expected]


def test_no_answer_is_waited_for_longer_than_a_claim_allows_for() -> None:
    """However long the settings would wait: whoever waits longer loses the claim, and the mail arrives twice."""
    with serving(Postbox()) as port:
        for asked, waited in ((timedelta(hours=1), 600), (timedelta(seconds=20), 20)):
            smtp = open_session(_mail(port, timeout=asked))
            assert smtp.timeout == waited
            close_session(smtp)
