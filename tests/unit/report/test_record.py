"""The record of processing activities: complete, in both languages, and nothing in it runs."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest

from crm_steward.cli.register import _table
from crm_steward.report.catalogue import CATALOGUES
from crm_steward.report.record import as_record_document, record_rows, render_record
from crm_steward.rules import Register, load_register, shipped_register
from crm_steward.rules.clocks import CLOCKS
from crm_steward.rules.registerfile import Basis, Bound, Then

NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
SHIPPED = load_register(shipped_register())
CORPUS = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</style><svg onload=alert(1)>",
    "<!-- <b>",
    "{{ 7 * 7 }}{% raw %}",
    "[<a href=javascript:alert(1)>x</a>]",
    "&lt;b&gt; &amp; ]]>",
    '=HYPERLINK("http://x.example","y")',
    "=cmd|'/C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "  =1+1",
    "'=1+1",
    "\N{FULLWIDTH EQUALS SIGN}1+1",
    "x\n=1+1",
    "x\r\n=1+1",
    "\u202egnirts",
)  # fmt: skip


class _Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def _quoted(text: str) -> str:
    """Write a text as YAML takes it in double quotes."""
    return json.dumps(text)


def _hostile(folder: Path, text: str) -> Register:
    """Return a register in which every text there can be is `text`."""
    t = _quoted(text)
    transfers = f"[{{to: {t}, safeguards: {t}}}]"
    path = folder / "register.yaml"
    path.write_text(
        f"""\
version: 1
controller: {{name: {t}, contact: {t}, joint: {t}, representative: {t}, dpo: {t}}}
shared: {{recipients: [{t}], transfers: {transfers}, measures: [{t}]}}
activities:
  - id: one
    purpose: {t}
    people: [{t}]
    data: [{{name: {t}, fields: [email, {_quoted("extra." + text)}]}}]
    basis: [{{article: 6(1)(f), about: {t}}}]
    retention:
      - id: period
        about: {t}
        period: 1 month
        clock: {_quoted("extra.hostile_" + text.replace(chr(10), " ").replace(chr(13), " "))}
        then: ask
        source: {t}
    recipients: [{t}]
    transfers: {transfers}
    measures: [{t}]
""",
        "utf-8",
    )
    return load_register(path)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("hostile", CORPUS, ids=range(len(CORPUS)))
def test_hostile_texts_stay_text_on_the_page(tmp_path: Path, language: str, hostile: str) -> None:
    """With the same hostile text everywhere, no tag, attribute or link is added."""
    ordinary = _Page(render_record(_hostile(tmp_path, "[x]"), language, NOW))
    html = render_record(_hostile(tmp_path, hostile), language, NOW)
    page = _Page(html)

    assert page.tags <= ordinary.tags
    assert page.attributes <= ordinary.attributes
    assert all(link.startswith("#") for link in page.links)
    assert not re.search("[\r\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\u2028]", html)
    assert "default-src 'none'" in html
    assert "7 * 7" in page.text or "7" not in hostile


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("hostile", CORPUS, ids=range(len(CORPUS)))
def test_no_cell_of_the_table_is_a_formula(tmp_path: Path, language: str, hostile: str) -> None:
    """Whatever a text begins with, no cell begins with a sign that a spreadsheet program runs."""
    content = _table(_hostile(tmp_path, hostile), language).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(content, newline="")))

    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) == 2
    for cell in rows[1]:
        assert not re.match(r"\s*[=+\-@\t\r\0＝＋－＠]", cell), cell  # noqa: RUF001 -- full-width forms
        assert not re.search("[\r\t\x00\u202e]", cell)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_record_holds_what_article_30_asks_for(language: str) -> None:
    """Who, why, whose, what, to whom, how long, how protected: on the page, in table and document."""
    page = _Page(render_record(SHIPPED, language, NOW)).text
    table = [cell for row in record_rows(SHIPPED, language) for cell in row]
    document = as_record_document(SHIPPED, language)
    squeezed = " ".join(page.split())

    for activity in SHIPPED.content.activities:
        texts = [activity.purpose, *activity.people, *(one.name for one in activity.data)]
        for text in texts:
            assert text.in_language(language) in squeezed
            assert any(text.in_language(language) in cell for cell in table)
    for period in SHIPPED.periods.values():
        assert period.source in squeezed
        assert any(period.source in cell for cell in table)
    assert document["digest"] == SHIPPED.digest
    assert [one["id"] for one in document["activities"]] == [
        one.id for one in SHIPPED.content.activities
    ]
    lines = [line for one in document["activities"] for line in one["retention"]]
    assert {line["id"]: line["period"] for line in lines}["accounting"] == "10 years"


def test_lengths_and_clocks_are_in_words() -> None:
    """A minimum reads as a minimum; French reads French."""
    english, french = (
        " ".join(_Page(render_record(SHIPPED, language, NOW)).text.split())
        for language in ("en", "fr")
    )

    for said in ("At most 36 months", "At least 10 years", "At most 1 month", "No more marketing"):
        assert said in english
    for said in ("Au plus 36 mois", "Au moins 10 ans", "Fin du dernier contrat", "RGPD 6(1)(f)"):
        assert said in french
    for phrase in ("At most", "Counted from", "Legal basis"):
        assert phrase not in french


@pytest.mark.parametrize("language", ["en", "fr"])
def test_blanks_are_marked_and_counted(language: str) -> None:
    """What somebody has to fill in stands out on the page."""
    html = render_record(SHIPPED, language, NOW)

    for blank in SHIPPED.blanks(language):
        assert f"<mark>{blank.replace(chr(39), '&#39;')}</mark>" in html
    assert CATALOGUES[language]["record.blanks"][1].partition(" ")[2][:6] in html


def test_a_register_without_blanks_says_nothing_of_them(tmp_path: Path) -> None:
    """No empty box, no mark."""
    page = _Page(render_record(_hostile(tmp_path, "Text"), "en", NOW))

    assert "mark" not in page.tags
    assert "filled in" not in page.text


def test_a_long_text_is_shown_whole(tmp_path: Path) -> None:
    """A text of the longest kind is not cut: it is a legal record."""
    words = " ".join(f"w{number}" for number in range(400))
    path = tmp_path / "register.yaml"
    shipped = shipped_register().read_text("utf-8")
    path.write_text(shipped.replace("Find future customers and approach them", words), "utf-8")
    register = load_register(path)
    page = _Page(render_record(register, "en", NOW)).text

    assert words in " ".join(page.split())
    assert any(words in cell for row in record_rows(register, "en") for cell in row)


def test_every_code_has_words() -> None:
    """Clocks, ends, bounds and legal bases are translated by name, and no other sentence is left."""
    known = {key for key in CATALOGUES["en"] if key.count(".") > 1 and key.startswith("record.")}
    units = ("hour", "day", "week", "month", "year")
    wanted = {f"record.from.{clock}" for clock in (*CLOCKS, "custom")}
    wanted |= {f"record.due.{then}" for then in get_args(Then)}
    wanted |= {f"record.article.{basis[-2]}" for basis in get_args(Basis)}
    wanted |= {f"record.{bound}.{unit}" for bound in get_args(Bound) for unit in units}

    assert wanted == known
