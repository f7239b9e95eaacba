"""`crm-steward report` as a user calls it: on the terminal, in files, in mailboxes."""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from tests.acceptance.test_run import Running
from tests.conftest import Cli
from tests.program import PATIENCE_SECONDS, Program, Started

from crm_steward.testing.postbox import Postbox, serving

PEOPLE = """\
id,first name,last name,email,phone,company
1,JEAN,DUPONT,canary-4711@example.com,0612345678,Acme
2,Jean,Dupont,canary-4711@example.com,,<script>alert(1)</script>
3,"<img src=x onerror=alert(1)>",Lee,ann@example.org,,
"""
RULES = """\
version: 1
rules:
  - id: no-phone
    about: {en: Nobody can call them, fr: Injoignables par téléphone}
    severity: high
    check: {kind: required, fields: [phone]}
    mode: report
"""
Desk = Callable[..., None]


@pytest.fixture
def desk(tmp_path: Path, steward: Cli) -> Desk:
    """Write settings for a small file, pull it and scan it; keyword arguments add blocks."""

    def prepare(*, read: bool = True, **blocks: Any) -> None:
        settings = {
            "connections": {"people": {"kind": "file", "path": "people.csv"}},
            "rules": {"packs": ["duplicates", "format"], "paths": ["own.yaml"]},
            "timezone": "Europe/Paris",
            "language": "fr",
            **blocks,
        }
        (tmp_path / "crm-steward.yaml").write_text(yaml.safe_dump(settings), "utf-8")
        (tmp_path / "crm-steward.yaml").chmod(0o600)
        (tmp_path / "people.csv").write_text(PEOPLE, "utf-8")
        (tmp_path / "own.yaml").write_text(RULES, "utf-8")
        for command in ("pull", "scan") if read else ():
            done = steward(command)
            assert done.returncode == 0, done.stderr

    return prepare


def _mail(port: int, **values: Any) -> dict[str, Any]:
    given = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "steward@example.net"}
    return given | values


def _to(*recipients: tuple[str, str | None]) -> dict[str, Any]:
    return {
        "recipients": [
            {"address": a} | ({"language": lang} if lang else {}) for a, lang in recipients
        ]
    }


def _good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_report_in_every_form(desk: Desk, steward: Cli, tmp_path: Path) -> None:
    """Text on the terminal, HTML in a file, JSON for programs, in both languages."""
    desk()
    french = _good(steward("report"))
    assert "Injoignables par téléphone" in french
    assert "Rapport hebdomadaire" in french
    english = _good(steward("report", "--language", "en"))
    assert "Nobody can call them" in english
    assert "people:2" in english
    _good(steward("report", "--format", "html", "--out", "report.html"))
    html = (tmp_path / "report.html").read_text("utf-8")
    assert '<html lang="fr"' in html
    document = json.loads(_good(steward("report", "--json")))
    assert document == json.loads(_good(steward("report", "--format", "json"))) | {
        "until": document["until"]
    }
    assert {rule["rule"]: rule["movement"]["new"] for rule in document["rules"]}["no-phone"] == 2
    table = _good(steward("report", "--format", "csv"))
    assert re.search(r"^\d{4}-W\d\d,rules,no-phone,movement new,2\r?$", table, re.MULTILINE)
    assert "Protection des données" in _good(steward("report", "--privacy"))
    officers = json.loads(_good(steward("report", "--privacy", "--json")))
    assert {"consents", "retention", "reminders"} < set(officers)
    assert not {"rules", "owners", "decision"} & set(officers)
    assert ",rules," not in _good(steward("report", "--privacy", "--format", "csv"))
    _good(steward("report", "--format", "xlsx", "--out", "lists.xlsx"))
    assert (tmp_path / "lists.xlsx").read_bytes().startswith(b"PK")


def test_report_is_safe_and_discreet(desk: Desk, steward: Cli) -> None:
    """Hostile values stay text, and by default no value of a contact is in any form of it."""
    desk()
    forms = [_good(steward("report", "--format", form)) for form in ("text", "html", "json")]
    for form in forms:
        assert "canary" not in form
        assert "@example" not in form
        assert "alert(1)" not in form
    desk(report={"names": "on"})
    named = steward("report", "--format", "html")
    assert "Dupont" in _good(named)
    tags: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)
            assert not any(name.startswith("on") for name, _ in attrs)

    Reader().feed(named.stdout)
    assert not tags & {"script", "img", "iframe"}


def test_duplicates_to_look_at_are_shown(desk: Desk, steward: Cli, tmp_path: Path) -> None:
    """The group that a person looks at first, with its picture as `duplicates explain` says it."""
    desk(read=False)
    twins = "id,first name,last name,city,company\n1,Ines,Oakenshaw,Nice,Firm\n2,I,Oakenshaw,Nice,Firm\n"
    (tmp_path / "people.csv").write_text(twins, "utf-8")
    for command in ("pull", "scan"):
        _good(steward(command))
    text = " ".join(_good(steward("report", "--language", "en")).split())
    html = _good(steward("report", "--language", "en", "--format", "html"))
    explained = json.loads(
        _good(steward("duplicates", "explain", "people:1", "people:2", "--json"))
    )
    assert "DUPLICATES: WHAT TO LOOK AT FIRST" in text
    assert "1 group of records is probably one person" in text
    assert "last name: same" in html
    for part in (*explained["comparisons"], explained):
        assert f"{part['bits']:+.1f}" in text
        assert f"{part['bits']:+.1f}" in html
    document = json.loads(_good(steward("report", "--json")))["twins"]
    assert (document["review"], document["sure"]) == (1, 0)
    listed = json.loads(_good(steward("duplicates", "list", "--review", "--json")))
    assert [one["fingerprint"] for one in listed] == [document["groups"][0]["finding"]]
    assert "Oakenshaw" not in text + html


def test_mailed_once(desk: Desk, steward: Cli) -> None:
    """--send mails everybody in their language; sent again, nobody has it twice."""
    postbox = Postbox()
    with serving(postbox) as port:
        everybody = _to(("chef@example.com", None), ("manager@example.org", "en"))
        desk(mail=_mail(port), report=everybody)
        assert "2" in _good(steward("report", "--send"))
        assert "already" in _good(steward("report", "--send"))
        assert "already" in _good(steward("report", "--send", "--to", "chef@example.com"))
        assert "1" in _good(
            steward("report", "--send", "--to", "new@example.org", "--language", "en")
        )
    subjects = {str(message["To"]): str(message["Subject"]) for message in postbox.messages}
    assert len(postbox.messages) == 3
    assert subjects["chef@example.com"].startswith("Semaine ")
    assert subjects["manager@example.org"].startswith("Week ")
    assert subjects["new@example.org"].startswith("Week ")


def test_the_digests_and_the_lists_are_mailed_with_it(desk: Desk, steward: Cli) -> None:
    """--send mails the digest of data protection too, and the lists where the settings want them."""
    postbox = Postbox()
    report = {"recipients": ["chef@example.com"], "privacy": ["dpd@example.com"], "workbook": True}
    with serving(postbox) as port:
        desk(mail=_mail(port), report=report)
        assert "2 of 2" in _good(steward("report", "--send"))
        assert "already" in _good(steward("report", "--send"))
    mails = {str(message["To"]): message for message in postbox.messages}
    assert str(mails["dpd@example.com"]["Subject"]).startswith("Protection des données")
    (lists,) = mails["chef@example.com"].iter_attachments()
    from openpyxl import load_workbook

    rows = load_workbook(BytesIO(lists.get_content()))["Anomalies"].iter_rows(values_only=True)
    assert ("people", "people:2") in {row[2:4] for row in rows}
    assert list(mails["dpd@example.com"].iter_attachments()) == []


def test_digests_are_mailed_where_nobody_receives_the_report(desk: Desk, steward: Cli) -> None:
    """Who watches over data protection has their digest, also where no manager is named."""
    postbox = Postbox()
    with serving(postbox) as port:
        desk(mail=_mail(port), report={"privacy": ["dpd@example.com"]})
        assert "1 of 1" in _good(steward("report", "--send"))
    assert [str(one["To"]) for one in postbox.messages] == ["dpd@example.com"]


def test_mailed_through_tls_with_login(desk: Desk, steward: Cli, tmp_path: Path) -> None:
    """STARTTLS with a private authority and a login, all from the settings file."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    postbox = Postbox()
    with serving(postbox, starttls=context, login=True) as port:
        given = _mail(
            port, security="starttls", username="steward", password="s3cret", ca_file="ca.pem"
        )
        desk(mail=given, report=_to(("manager@example.org", "en")))
        _good(steward("report", "--send"))
    assert len(postbox.arrived) == 1


def test_refused_mail_stays_and_goes_out_later(desk: Desk, steward: Cli) -> None:
    """A server that refuses for now: exit 9, one line, the mail is kept; asked again, it goes."""
    answers = ["451 4.3.0 try later"]
    postbox = Postbox(rcpt=lambda _: answers[0] if answers else None)
    with serving(postbox) as port:
        desk(mail=_mail(port), report=_to(("manager@example.org", "en")))
        done = steward("report", "--send")
        assert done.returncode == 9
        assert "451 4.3.0" in done.stderr
        assert "stays in the outbox" in done.stderr
        assert "manager" not in done.stderr
        answers.clear()
        _good(steward("report", "--send"))
    assert len(postbox.arrived) == 1


def test_a_mail_that_was_given_up_is_sent_once_its_cause_is_mended(
    desk: Desk, steward: Cli
) -> None:
    """One refused recipient of two: the other has theirs, and nobody says that all have; --again sends it."""
    refused = {"gone@example.org": "550 5.1.1 no such user"}
    postbox = Postbox(rcpt=refused.get)
    with serving(postbox) as port:
        desk(mail=_mail(port), report=_to(("chef@example.com", None), ("gone@example.org", "en")))
        done = steward("report", "--send")
        assert done.returncode == 9
        assert "sent to 1 of 2" in done.stdout
        assert "550 5.1.1" in done.stderr
        later = steward("report", "--send")
        assert later.returncode == 9
        assert "already" not in later.stdout
        said = " ".join(later.stderr.split())
        assert (
            "given up this week: 1 (the mail server refuses the recipient at example.org (550 5.1.1))"
            in said
        )
        assert "report --send --again" in said
        assert "gone@" not in later.stderr
        assert "already" in _good(steward("report", "--send", "--to", "chef@example.com"))
        refused.clear()
        assert "1 of 2" in _good(steward("report", "--send", "--again"))
        assert "already" in _good(steward("report", "--send", "--again"))
    assert sorted(str(one["To"]) for one in postbox.messages) == [
        "chef@example.com",
        "gone@example.org",
    ]


class Slow:
    """A mail server that does not answer the end of a content until it is told to go on."""

    def __init__(self, answer: str | None = None) -> None:
        self.postbox = Postbox(data=self._waits)
        self.arrived, self.go_on = threading.Event(), threading.Event()
        self._answer = answer

    def _waits(self) -> str | None:
        self.arrived.set()
        assert self.go_on.wait(PATIENCE_SECONDS)
        return self._answer

    def ids(self) -> list[str]:
        """Return the Message-ID of each mail that came."""
        return [str(message["Message-ID"]) for message in self.postbox.messages]


def _finishing(process: Started, number: signal.Signals) -> None:
    """Send a signal, and wait until it is heard."""
    process.send_signal(number)
    while "finishing the mail under way" not in process.err:
        assert process.poll() is None, process.err
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_the_mail_under_way_and_begins_no_other(
    desk: Desk, steward: Cli, program: Program, tmp_path: Path, number: signal.Signals
) -> None:
    """Exit 130, and what it says: how many have theirs, that the other waits; sent again, nobody has it twice."""
    slow, everybody = Slow(), _to(("chef@example.com", None), ("manager@example.org", "en"))
    with serving(slow.postbox) as port:
        desk(mail=_mail(port), report=everybody)
        with program.start(["report", "--send"], cwd=tmp_path) as process:
            assert slow.arrived.wait(PATIENCE_SECONDS)
            _finishing(process, number)
            slow.go_on.set()
            assert process.wait(PATIENCE_SECONDS) == 130
            assert "sent to 1 of 2" in process.out
            assert "what was not sent waits in the outbox" in process.err
        assert len(slow.ids()) == 1
        _good(steward("report", "--send"))
        assert "already" in _good(steward("report", "--send"))
    assert len(slow.ids()) == len(set(slow.ids())) == 2


def test_ctrl_c_tells_what_was_not_taken_and_what_waits(
    desk: Desk, program: Program, tmp_path: Path
) -> None:
    """Exit 130 all the same: that somebody stopped it is why the others have theirs not."""
    slow = Slow("451 4.3.0 busy")
    everybody = _to(("chef@example.com", None), ("manager@example.org", "en"))
    with serving(slow.postbox) as port:
        desk(mail=_mail(port), report=everybody)
        with program.start(["report", "--send"], cwd=tmp_path) as process:
            assert slow.arrived.wait(PATIENCE_SECONDS)
            _finishing(process, signal.SIGINT)
            slow.go_on.set()
            assert process.wait(PATIENCE_SECONDS) == 130
            said = process.err
    assert "not sent: " in said
    assert "451" in said
    assert "what was not sent waits in the outbox" in said


def test_a_second_ctrl_c_waits_for_no_server(desk: Desk, program: Program, tmp_path: Path) -> None:
    """One that answers nothing any more, no farewell either, holds nobody up."""
    slow = Slow()
    with serving(slow.postbox) as port:
        desk(mail=_mail(port, timeout="10 minutes"), report=_to(("manager@example.org", "en")))
        with program.start(["report", "--send"], cwd=tmp_path) as process:
            assert slow.arrived.wait(PATIENCE_SECONDS)
            _finishing(process, signal.SIGINT)
            process.send_signal(signal.SIGINT)
            ended = process.wait(PATIENCE_SECONDS / 2)
        slow.go_on.set()
    assert ended == 130


def test_a_service_that_is_asked_to_end_begins_no_other_mail(
    desk: Desk, program: Program, tmp_path: Path
) -> None:
    """The mail under way comes to its end, and so does the service; the next one sends the others, each once."""
    slow = Slow()
    recipients = [f"r{number}@example.org" for number in range(5)]
    with serving(slow.postbox) as port:
        blocks = {
            "mail": _mail(port), "report": {"recipients": recipients},
            "log": {"format": "json"},
        }  # fmt: skip
        desk(**blocks)
        settings = (tmp_path / "crm-steward.yaml").read_text("utf-8").replace("{}", "{{}}")
        settings += 'service: {{listen: "127.0.0.1:{port}"}}\n'
        first = Running(program, tmp_path, settings=settings, name="first")
        with first.process:
            assert slow.arrived.wait(PATIENCE_SECONDS)
            first.process.send_signal(signal.SIGTERM)
            first.until(lambda: bool(first.said("stopping; jobs come to their next safe point")))
            slow.go_on.set()
            assert first.process.wait(PATIENCE_SECONDS) == 0
        assert first.said("stopped")[0]["clean"] is True
        stopped = first.said("stopped; the next run goes on from here")
        assert [line["job"] for line in stopped] == ["report"]
        assert len(slow.ids()) == 1
        second = Running(program, tmp_path, settings=settings, name="second")
        with second.process:
            second.until(lambda: len(slow.ids()) == len(recipients))
            assert second.end() == 0
    assert len(set(slow.ids())) == len(slow.ids())


def test_unreachable_mail_server(desk: Desk, steward: Cli) -> None:
    """Nobody listens: exit 9, and what to look at."""
    desk(read=False, mail=_mail(1, timeout="2 seconds"), report=_to(("manager@example.org", "en")))
    done = steward("report", "--send")
    assert done.returncode == 9
    assert "cannot be reached: connection refused" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--week", "next"), 2, "write it like 2026-W47"),
        (("--week", "2025-W53"), 2, "2025 has no week 53"),
        (("--week", "2039-W02"), 10, "no report yet"),
        (("--send",), 3, "mail"),
        (("--format", "pdf"), 2, "pdf"),
        (("--to", "nobody"), 2, "not an e-mail address"),
        (("--send", "--week", "2026-W01"), 2, "current week"),
        (("--format", "xlsx"), 2, "--out FILE.xlsx"),
        (("--owner", "nobody@example.org"), 10, "No CRM names an owner"),
        (("--out", "nowhere/report.txt"), 10, "nowhere/report.txt cannot be written"),
        (("--config", "other.yaml"), 3, "other.yaml"),
    ],
)
def test_mistakes_are_told(
    desk: Desk, steward: Cli, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """Each has its exit code and says what is wrong."""
    desk(read=False, report=_to(("manager@example.org", "en")))
    done = steward("report", *arguments)
    assert done.returncode == code, done.stderr
    assert said in re.sub(r"[\s│]+", " ", done.stderr)


def test_preview_opens_the_mail(desk: Desk, steward: Cli, tmp_path: Path) -> None:
    """--preview writes the HTML part and opens it in the browser; nothing is queued."""
    desk(read=False)
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\nprintf %s "$1" > opened\n', "utf-8")
    browser.chmod(0o755)
    _good(steward("report", "--preview", "--out", "p.html", env={"BROWSER": f"{browser} %s"}))
    opened = (tmp_path / "opened").read_text("utf-8")
    assert opened == (tmp_path / "p.html").resolve().as_uri()


def test_a_week_before_anything_was_read(desk: Desk, steward: Cli) -> None:
    """An old week is empty, and says so instead of failing."""
    desk(read=False)
    assert "Week 1 " in _good(steward("report", "--week", "2024-W01", "--language", "en"))
