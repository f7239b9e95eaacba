"""The digest in words and colours: content, escaping, size, languages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta, tzinfo
from enum import Enum
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward import report
from crm_steward.matching import LEVELS
from crm_steward.model import Channel, ConsentStatus, Severity
from crm_steward.normalize.emails import EMAIL_PROBLEMS
from crm_steward.normalize.phones import PHONE_PROBLEMS
from crm_steward.report.catalogue import CATALOGUES
from crm_steward.report.consent import Consents
from crm_steward.report.digest import (
    Coverage,
    Digest,
    Example,
    Figure,
    Movement,
    RuleShare,
    Sleep,
    Trouble,
)
from crm_steward.report.fitting import LARGEST, first_fitting
from crm_steward.report.groups import Group, Person
from crm_steward.report.hygiene import Hygiene
from crm_steward.report.render import headline, heights, label, render
from crm_steward.report.retention import Retention
from crm_steward.report.sayings import left_out
from crm_steward.report.weeks import Week
from crm_steward.report.words import Words, clean, plain, safe_link
from crm_steward.rules import Duration, kinds
from crm_steward.store.rulebooks import Broken
from crm_steward.writing import Why

GOLDEN = Path(__file__).parent / "golden"
TEMPLATES = Path(report.__file__).parent / "templates"

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style><svg/onload=alert(1)>",
    "--><script>alert(1)</script><!--",
    "]]></td></tr></table><iframe src=//evil.example>",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "{headline.__class__} {n} {0}",
    "javascript:alert(1)",
    "a\r\nBcc: victim@example.org\r\n\r\nbody",
    "\u202egnp.exe\u2066 \x00\x07\x1b[2J\u2028x\ud800",
    "مرحبا 😀 " + "x" * 20_000,
)


class _Page(HTMLParser):
    """Collects what a browser would run, load or follow, and what it would show."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.words: list[str] = []
        self._hidden = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action"}]
        self._hidden += tag in {"style", "title"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"style", "title"}

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split(" "))


def test_golden_text(digest: Digest) -> None:
    """The text part, as reviewed by eye, in both languages; update the files when it is meant."""
    for language in ("en", "fr"):
        expected = (GOLDEN / f"weekly.{language}.txt").read_text(encoding="utf-8")
        assert render(digest, language).text == expected


def test_subject_says_what_matters_most(digest: Digest) -> None:
    """First what a person must act upon, then news, then peace."""
    words = Words("en", ZoneInfo("UTC"))
    calm = replace(digest, coverage=Coverage())
    assert headline(digest, words) == "connection sheet could not be examined"
    assert headline(calm, words) == "1 objection is not heeded within its delay"
    calm = replace(calm, consents=Consents())
    assert headline(calm, words) == "37 changes wait for your decision"
    quiet = replace(calm, decision=None)
    assert headline(quiet, words) == "15 new serious findings"
    quiet = replace(quiet, rules=())
    assert headline(quiet, words) == "95 new findings"
    quiet = replace(quiet, movement=Movement(resolved=3, standing=5))
    assert headline(quiet, words) == "3 findings resolved"
    quiet = replace(quiet, movement=Movement(standing=5))
    assert headline(quiet, words) == "nothing new, 82.4% of contacts are clean"
    asleep = replace(quiet, movement=Movement())  # snoozed is not clean
    assert headline(asleep, words) == "nothing new, 82.4% of contacts are clean"
    assert headline(replace(asleep, sleep=Sleep()), words) == "every contact is clean"
    assert headline(replace(quiet, figures=()), words) == "no contact to examine"


def test_french_reads_french(digest: Digest) -> None:
    """Subject, figures and spaces as French typography wants them."""
    mail = render(digest, "fr")
    assert mail.subject == "Semaine 47\u00a0: la connexion sheet n\u2019a pas pu être examinée"
    assert "82,4\u202f%" in mail.html
    assert "12\u202f345" in mail.html
    assert not re.search(r"\w [:;!?%]|« | »", _Page(mail.html).text)


@pytest.mark.parametrize(
    ("day", "said"), [(1, "1er mars 2026"), (11, "11 mars 2026"), (21, "21 mars 2026")]
)
def test_the_first_of_a_month_is_a_rank_in_french(day: int, said: str) -> None:
    """French writes 1er mars; no other day, no hour, and no English date is changed."""
    moment = datetime(2026, 3, day, 11, 1, tzinfo=ZoneInfo("UTC"))
    french, english = Words("fr", ZoneInfo("UTC")), Words("en", ZoneInfo("UTC"))
    assert french.day(moment) == french.on(moment.date()) == said
    assert french.moment(moment).endswith(f" {said.removesuffix(' 2026')}, 11:01")
    assert english.day(moment) == f"{day} Mar 2026"
    assert french.spaced("le champ « dernier envoi » manque") == (
        "le champ «\u202fdernier envoi\u202f» manque"
    )


def test_html_and_text_say_the_same(digest: Digest) -> None:
    """Every title, name, command and figure of the HTML part stands in the text part too."""
    mail = render(digest, "en")
    page = " ".join(_Page(mail.html).text.split())
    flat = " ".join(mail.text.split())
    for said in (
        "Consent withdrawn but still on a list", "hubspot-eu:4711", "Claire Morel", "12,345",
        "crm-steward apply 3f9c2b7e11d04a68 --approve phone-format --yes",
        "crm-steward undo apply-20261112-a1b2c3 --yes", "900 contacts not compared",
        "file not found", "a field holds a NUL character", "1,280", "82.4%", "Europe/Paris",
        "17 more are snoozed; snoozes that end within the next week: 4.",
        "5 records, one person: 87.4%, a customer, acted lately, some linked by others only", "phone: same (1 in 12,000)",
        "crm-steward duplicates different hubspot-eu:501 hubspot-eu:502", "and 37 more groups", "place, other company",
        "together, against two of a family: 87.4%", "-2.4", "and 2 more",
        "The plan above proposes 6 of them", "edited since the scan", "not known of this link",
        "hubspot-eu:4711", "10 of 12 within 2 days (consent-email-objection-late)", "1 is beyond the delay",
        "4 consents to be asked for again, unused for 24 months", "3 may be contacted by one connection",
        "in 1,460 records; serious findings: 281", "11,840 records in the CRM at the full read of Sat 14 Nov, 07:30, 3 of them unreadable, 2 here that it did not bring, 6 more since",
        "2 changes refused by the CRM", "missing: phone and company", "nothing since 12 Mar 2023",
    ):  # fmt: skip
        assert said in page, said
        assert said in flat, said


def test_each_bar_is_in_the_page_and_in_the_text(digest: Digest) -> None:
    """Every figure of the picture stands beside its bar, which is a table and needs no image."""
    mail = render(digest, "fr")
    figures = ("-13,3", "+5,0", "+2,1", "+0,6", "+9,8", "-2,4", "+1,1", "-0,1", "+2,8")
    for text in (mail.text, _Page(mail.html).text):
        places = [text.index(figure) for figure in figures]
        assert places == sorted(places)
    for name, bars in (("up", 7), ("down", 2), ("start", 2), ("whole", 2)):
        assert mail.html.count(f'<td class="{name}') >= bars, name


def test_large_groups_make_room(digest: Digest) -> None:
    """With pictures of all comparisons, long names and links, the mail is as small as ever."""
    digest = _bare(digest)  # the room is what other sections leave
    usual, drawn = digest.twins.groups[0], []
    for group, rules in ((usual, 4), (_large(usual), 4), (_large(usual), 24)):
        twins = replace(digest.twins, groups=(group,) * 3)
        mail = render(replace(digest, rules=digest.rules[1:2] * rules, twins=twins), "en")
        assert len(mail.html.encode()) <= LARGEST
        shown = mail.html.count("Weakest link")
        assert shown == mail.text.count("Weakest link")
        assert shown == 3
        assert "and 37 more groups" in mail.text
        drawn.append(mail.html.count("What is compared"))
        assert drawn[-1] == mail.text.count("together, against two of a family")
    assert drawn == sorted(drawn, reverse=True)
    assert drawn[0] == 3 > drawn[-1]


def test_what_is_told_of_a_week_leaves_room_for_groups(digest: Digest) -> None:
    """With every list of the later sections at its bound, and names at theirs, groups are shown."""
    long, wide = "c" * 60, {"en": "é" * 120, "fr": "é" * 120}
    countries, tasks, edits = digest.countries, digest.tasks, digest.edits
    full = replace(
        digest,
        countries=replace(countries, shares=countries.shares[:1] * 10),
        tasks=replace(
            tasks,
            shares=(replace(tasks.shares[0], connection=long),) * 9,
            owners=(replace(tasks.owners[0], name="é" * 60, connection=long),) * 5,
        ),
        edits=replace(edits, edits=(replace(edits.edits[0], titles=wide),) * 8),
        quotas=(replace(digest.quotas[0], connection=long),) * 9,
    )
    for language, link in (("en", "Weakest link"), ("fr", "Lien le plus faible")):
        mail = render(full, language)
        assert len(mail.html.encode()) <= LARGEST
        assert mail.html.count(link) == mail.text.count(link) > 0


def _large(group: Group) -> Group:
    assert group.link is not None
    url = "https://crm.example/" + "a" * 400
    fields = ("full_name", "email", "phone", "company", "street", "city")
    return replace(
        group,
        people=tuple(replace(one, name="é" * 60, url=url) for one in group.people),
        held=dict.fromkeys(fields, (1, 2, 3)),
        link=replace(group.link, steps=group.link.steps + group.link.steps[:4]),
    )


def test_a_week_without_snoozes_does_not_speak_of_them(digest: Digest) -> None:
    """One line, with its own singular, and none where nothing is snoozed."""
    for sleep, said in ((Sleep(), ""), (Sleep(snoozed=1), "1 more is snoozed")):
        mail = render(replace(digest, sleep=sleep), "en")
        for text in (mail.text, _Page(mail.html).text):
            assert ("snoozes that end" in text) == bool(said)
            assert said in text


def test_sections_with_nothing_to_say_are_left_out(digest: Digest) -> None:
    """A title without anything under it is in neither part, in neither language."""
    bare = _bare(digest)
    for language in ("en", "fr"):
        words = Words(language, ZoneInfo("UTC"))
        full, empty = render(digest, language), render(bare, language)
        for key in ("consents.title", "retention.title", "hygiene.title", "reminders.title"):
            assert words(key).upper() in full.text
            assert words(key) in _Page(full.html).text
            assert words(key).upper() not in empty.text
            assert words(key) not in _Page(empty.html).text


def _bare(digest: Digest) -> Digest:
    """Return a digest whose further sections have nothing to say."""
    empty = {"consents": Consents(), "retention": Retention(), "hygiene": Hygiene()}
    return replace(digest, reminders=(), **empty)  # type: ignore[arg-type] # of many types


def test_broken_rules_lead_the_report(digest: Digest) -> None:
    """A manager whose edit does not run reads so first, with the place, in both languages."""
    broken = Broken(
        digest.until, ("rules/own.yaml:4:9: rule 'mine': unknown key 'sverity'", "<b>\u202e")
    )
    torn = replace(digest, coverage=replace(digest.coverage, broken=broken))
    for language, said in (("en", "cannot be used"), ("fr", "inutilisables")):
        mail = render(torn, language)
        page = _Page(mail.html)
        for text in (" ".join(page.text.split()), " ".join(mail.text.split())):
            assert said in text
            assert "rules/own.yaml:4:9: rule 'mine': unknown key 'sverity'" in text
        assert "<b>" not in mail.html
        assert "\u202e" not in mail.html + mail.text
    words = Words("en", ZoneInfo("UTC"))
    assert headline(torn, words) == "the rules need a correction before your edit can run"


def test_rules_that_a_connection_cannot_run_are_counted(digest: Digest) -> None:
    """What a connection lacks, and for how many rules: one line each, five things at most."""
    lacking = [("crm: informed_at", 3), ("crm: extra.x", 1), ("a: owner", 2)]
    lacking += [(f"crm: extra.{n}", 1) for n in range(5)]
    torn = replace(digest, coverage=Coverage(skipped=tuple(lacking)))
    for language, said in (
        ("en", "Rules not run in crm, which lacks a field they ask for: person informed (3 rules), x (1 rule), 0 (1 rule), 1 (1 rule) and 3 more"),
        ("fr", "Règles non appliquées dans a, faute d\u2019un champ qu\u2019elles demandent\u00a0: propriétaire (2 règles)"),
    ):  # fmt: skip
        mail = render(torn, language)
        for text in (mail.text, _Page(mail.html).text):
            assert said in text.replace("\n  ", " ")


def test_values_of_contacts_are_not_shown(digest: Digest) -> None:
    """Evidence holds values; the mail tells the field and the problem only."""
    mail = render(digest, "en")
    for value in ("0612345678", "+33612345678", "06 12"):
        assert value not in mail.html + mail.text


def test_text_part_fits_a_terminal(digest: Digest) -> None:
    """Lines stay short enough for any mail program, links excepted."""
    for language in ("en", "fr"):
        lines = render(digest, language).text.splitlines()
        long = [line for line in lines if len(line) > 80 and "https://" not in line]
        assert long == []


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_stay_text(digest: Digest, language: str, hostile: str) -> None:
    """With the same hostile text in every field that can hold text, no markup is added."""
    plain_page = _Page(render(digest, language).html)
    mail = render(_poisoned(digest, hostile), language)
    page = _Page(mail.html)
    assert page.tags <= plain_page.tags
    assert page.attributes <= plain_page.attributes
    assert all(link.startswith(("https://", "cid:trend.")) for link in page.links)
    assert not re.search(
        "[\r\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\u2028]", mail.text + mail.html
    )
    assert "49" not in re.findall(r"\b49\b", mail.html)[:1]
    assert "\n" not in mail.subject
    mail.html.encode()
    assert len(mail.html.encode()) <= LARGEST


def _poisoned(value: Any, hostile: str) -> Any:
    """Return the digest with every foreign text replaced."""
    if isinstance(value, str) and not isinstance(value, Enum):
        return hostile
    if isinstance(value, Week | datetime | tzinfo | Severity | Enum | Duration) or not (
        is_dataclass(value) or isinstance(value, tuple | list | dict)
    ):
        return value
    if isinstance(value, Figure):
        return value
    if isinstance(value, dict):
        return {key: _poisoned(item, hostile) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_poisoned(item, hostile) for item in value)
    kept = {"kind", "reversibility"}  # ours: change kinds, check kinds
    changed = {
        part.name: _poisoned(getattr(value, part.name), hostile)
        for part in fields(value)
        if part.name not in kept
    }
    return replace(value, **changed)


def test_html_stays_small() -> None:
    """20,000 findings of 60 rules with long titles, links and groups still fit."""
    people = tuple(
        Person(
            connection="hubspot-eu",
            id="9" * 40,
            name="Ω" * 60,
            url="https://crm.example/" + "a" * 400,
        )
        for _ in range(3)
    )
    rules = tuple(
        RuleShare(
            rule=f"rule-{n}",
            titles={"en": f"Rule {n} " + "é" * 150},
            severity=Severity(1 + n % 4),
            movement=Movement(new=100, standing=233),
            examples=(
                Example(
                    kind="duplicates", people=people, more=400, evidence={"level": "same e-mail"}
                ),
            )
            * 5,
        )
        for n in range(60)
    )
    digest = Digest(
        week=Week(2026, 47),
        since=datetime(2026, 11, 9, 7, tzinfo=ZoneInfo("UTC")),
        until=datetime(2026, 11, 16, 7, tzinfo=ZoneInfo("UTC")),
        zone=ZoneInfo("UTC"),
        figures=(Figure(name="clean", values={Week(2026, 47): 0.5}),),
        movement=Movement(new=6000, standing=14_000),
        rules=rules,
    )
    html = render(digest, "en").html
    assert len(html.encode()) <= LARGEST
    assert "45 more rules with 14,985 findings" in html


def test_a_usual_base_shows_groups_and_examples(digest: Digest) -> None:
    """Of 58 rules and five connections, three groups and examples of each rule named are shown."""
    url = "https://crm.zoho.com/crm/org20081234567/tab/Contacts/5545974000000501974"
    usual, (example,) = digest.rules[0], digest.rules[0].examples
    examples = (replace(example, people=(replace(example.people[0], url=url),)),) * 5
    title = {"en": "People who refused calls on another record of the same number"}
    rules = tuple(replace(usual, rule=f"r{n}", titles=title, examples=examples) for n in range(58))
    full = replace(
        digest,
        rules=rules,
        owners=(digest.owners[0],) * 10,
        connections=digest.connections[:1] * 5,
        coverage=replace(digest.coverage, sources=digest.coverage.sources[:1] * 5),
        countries=replace(digest.countries, shares=digest.countries.shares[:1] * 10),
        consents=replace(digest.consents, shares=digest.consents.shares[:1] * 6),
    )
    for language, link in (("en", "Weakest link"), ("fr", "Lien le plus faible")):
        mail = render(full, language)
        assert len(mail.html.encode()) <= LARGEST
        assert mail.html.count(link) == mail.text.count(link) == 3
        assert mail.html.count('class="examples"') >= 15


def test_every_section_at_its_fullest_fits(digest: Digest) -> None:
    """With more lines, longer names and links than anybody has, sections show less, and count it."""
    full = _fullest(digest)
    for language in ("en", "fr"):
        mail = render(full, language)
        assert len(mail.html.encode()) <= LARGEST
        for text in (mail.text, _Page(mail.html).text):
            more = re.findall(r"and (\d+) more rules|et (\d+) autres règles", text)
            left = {int(one or other) for one, other in more}
            assert left & {20 - shown for shown in (8, 5, 3, 1)}, left


def _fullest(digest: Digest) -> Digest:
    """Return a digest with as much of everything as a store can hold."""
    long, url = "é" * 60, "https://crm.example/" + "a" * 400
    person = Person(connection=long, id="9" * 40, name=long, url=url)
    titles = {"en": "é" * 300, "fr": "é" * 300}
    said = digest.consents.objections
    waits, delay = replace(said.worst[0], person=person), replace(said.delays[0], by="x" * 80)
    consents = replace(
        digest.consents,
        shares=(replace(digest.consents.shares[0], connection=long),) * 20,
        ending=digest.consents.ending[:1] * 10,
        apart=digest.consents.apart[:1] * 4,
        objections=replace(said, open=40, delays=(delay,) * 8, worst=(waits,) * 5),
    )
    due = replace(digest.retention.due[0], titles=titles, period="p" * 80)
    typed = replace(digest.hygiene.typed[0], connection=long, field="extra." + "é" * 80)
    rule = replace(digest.rules[1], titles=titles)
    examples = tuple(replace(one, people=(person,) * 3) for one in rule.examples)
    return replace(
        digest,
        consents=consents,
        retention=replace(digest.retention, due=(due,) * 20),
        hygiene=Hygiene(held=digest.hygiene.held[:1] * 13, typed=(typed,) * 20),
        reminders=tuple(replace(one, done_by=long, overdue=True) for one in digest.reminders),
        rules=(replace(rule, examples=examples),) * 60,
        owners=(replace(digest.owners[0], connection=long, name=long),) * 10,
        connections=(replace(digest.connections[0], connection=long),) * 60,
        countries=replace(digest.countries, shares=digest.countries.shares[:1] * 10),
        quotas=(replace(digest.quotas[0], connection=long),) * 60,
        coverage=replace(
            digest.coverage,
            sources=(replace(digest.coverage.sources[1], connection=long, reason="é" * 200),) * 60,
            quarantined=((long, "é" * 200, 3),) * 60,
            skipped=tuple((f"{long}{n}: extra.{long}", 3) for n in range(60)),
            missed=((long, 2),) * 60,
        ),
    )


def test_nothing_is_loaded_from_elsewhere(digest: Digest) -> None:
    """The mail shows whole without a network; links lead to the CRM only, its picture comes with it."""
    mail = render(digest, "en")
    html, page = mail.html, _Page(mail.html)
    assert not page.tags & {"link", "script", "iframe", "form", "object", "video"}
    assert "url(" not in html
    assert "@import" not in html
    inside = {f"cid:{one.name}" for one in mail.pictures}
    assert len(inside) == 1
    assert {link.split("/")[2] for link in {*page.links} - inside} == {"app-eu1.hubspot.com"}


def test_mail_is_made_for_mail_programs(digest: Digest) -> None:
    """Styles stand on the elements, dark mode and phone rules are kept, tables are for layout."""
    html = render(digest, "en").html
    assert html.count("<style") == 2  # the kept one, and Outlook's own
    assert "prefers-color-scheme: dark" in html
    assert 'name="color-scheme"' in html
    assert re.search(r'<td class="card[^"]*" style="[^"]*background-color', html)
    assert "[if mso]" in html


def test_colours_can_be_read() -> None:
    """Text and background of each style have a contrast of 4.5 at least (WCAG 2.2, 1.4.3)."""
    css = (TEMPLATES / "weekly.css").read_text()
    on_white = ("soft", "small", "note", "caption", "good", "bad", "even", "huge", "a")
    for name in on_white:
        found = re.search(rf"(?:^|\n)\.?{name} \{{[^}}]*?(?<!-)color: (#\w{{6}})", css)
        assert found, name
        assert _contrast(found[1], "#ffffff") >= 4.5, name
    for name in ("up", "down", "start", "whole"):
        found = re.search(rf"\.{name} \{{[^}}]*background-color: (#\w{{6}})", css)
        assert found, name
        assert _contrast(found[1], "#ffffff") >= 3, name  # WCAG 1.4.11: not text
    for name in ("critical", "high", "medium", "low", "band"):
        found = re.search(rf"\.{name} \{{[^}}]*background-color: (#\w{{6}})", css)
        assert found, name
        assert _contrast(found[1], "#ffffff") >= 4.5, name


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_one_contact_is_one(digest: Digest) -> None:
    """The first line of the mail agrees with how many contacts there are."""
    (source, *_) = digest.coverage.sources
    one = replace(digest, coverage=Coverage(sources=(replace(source, contacts=1),)))
    assert "82.4% of your 1 contact has no open finding." in render(one, "en").text
    assert "de votre 1 contact est sans anomalie ouverte" in render(one, "fr").html


def test_empty_week_is_a_report_too() -> None:
    """A base in which nothing was ever read says so."""
    digest = Digest(
        week=Week(2026, 1),
        since=datetime(2025, 12, 22, 7, tzinfo=ZoneInfo("UTC")),
        until=datetime(2025, 12, 29, 7, tzinfo=ZoneInfo("UTC")),
        zone=ZoneInfo("UTC"),
        figures=(Figure(name="clean", values={Week(2026, 1): None}),),
        movement=Movement(),
    )
    for language, said in (
        ("en", "No contact has been read yet."),
        ("fr", "Aucun contact n\u2019a encore été lu."),
    ):
        mail = render(digest, language)
        assert said in mail.text
        assert said in _Page(mail.html).text


def test_catalogues_hold_the_same() -> None:
    """Both languages have every key, each with the same placeholders and plural forms."""
    en, fr = CATALOGUES["en"], CATALOGUES["fr"]
    assert en.keys() == fr.keys()
    for key, phrase in en.items():
        other = fr[key]
        assert isinstance(phrase, tuple) == isinstance(other, tuple), key
        assert _placeholders(phrase) == _placeholders(other), key


def _placeholders(phrase: str | tuple[str, str]) -> set[str]:
    texts = [phrase] if isinstance(phrase, str) else phrase
    return {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}


def test_every_key_is_used_and_known() -> None:
    """Each sentence that templates and modules ask for exists, and none stands there for nothing."""
    source = "".join(path.read_text() for path in TEMPLATES.rglob("*.*ml"))
    source += "".join(path.read_text() for path in TEMPLATES.rglob("*.txt"))
    source += "".join(path.read_text() for path in TEMPLATES.parent.glob("*.py"))
    source += "".join(path.read_text() for path in Path(kinds.__file__).parent.glob("*.py"))
    asked = set(re.findall(r"""["']([a-z_]+(?:\.[a-z_]+)+)["']""", source))
    families = {
        "headline.", "severity.", "change.", "undo.", "problem.", "channel.", "consent.", "proof.",
        "level.", "how.", "figure.", "trouble.", "moved.", "gaps.", "decide.undo.", "target.", "withheld.",
        "record.", "alert.", "workbook.", "protection.period.", "bound.", "edits.", "consents.ending.", "length.", "then.", "duty.", "result.",
    }  # fmt: skip
    keys = CATALOGUES["en"].keys()
    unused = {key for key in keys - asked if not any(key.startswith(family) for family in families)}
    assert unused - {"subject", "points"} == set()
    prefixes = {key.partition(".")[0] for key in keys}
    unknown = {key for key in asked - set(keys) if key.partition(".")[0] in prefixes}
    assert {key for key in unknown if not key.endswith((".html", ".css", ".txt", ".png"))} == {
        "report.recipients"
    }


def test_why_contacts_were_not_compared_is_said_in_both_languages() -> None:
    """As rules of kind `duplicates` say it; what is not known is shown as it is."""
    common = (
        "twice: same name: 98960 contacts with very common values are compared only where something "
        "else agrees"
    )
    for language, said in (
        ("en", "very common values are compared only where something else agrees"),
        ("fr", "les valeurs très courantes ne sont comparées que si autre chose concorde"),
    ):
        words = Words(language, ZoneInfo("UTC"))
        assert left_out(common, words) == said
        assert left_out("own words", words) == "own words"


def test_every_code_has_words() -> None:
    """Problems, levels, channels and consents of the other packages are translated by name."""
    keys = CATALOGUES["en"].keys()
    wanted = {f"problem.{code}" for code in (*EMAIL_PROBLEMS, *PHONE_PROBLEMS)}
    wanted |= {f"level.{level}" for level in LEVELS}
    wanted |= {f"channel.{channel}" for channel in Channel}
    wanted |= {f"consent.{status.label}" for status in ConsentStatus}
    wanted |= {f"trouble.{trouble}" for trouble in Trouble}
    wanted |= {f"withheld.{why}" for why in Why}
    wanted |= {f"severity.{severity.label}" for severity in Severity}
    assert wanted - keys == set()


def test_no_english_in_french(digest: Digest) -> None:
    """No English sentence of the catalogue, nor a piece of one, appears in the French mail."""
    mail = render(digest, "fr")
    seen = _Page(mail.html).text + re.sub(r"https://\S+", "", mail.text)
    for key, piece in _english_pieces():
        assert piece not in seen, key


def _english_pieces() -> Iterator[tuple[str, str]]:
    """Yield the fixed parts of English phrases that no French phrase holds."""
    french = json.dumps(list(CATALOGUES["fr"].values()), ensure_ascii=False)
    for key, phrase in CATALOGUES["en"].items():
        for text in [phrase] if isinstance(phrase, str) else phrase:
            for piece, *_ in Formatter().parse(text):
                words = piece.strip(" ,.:;()")
                if len(words) > 4 and words not in french:
                    yield key, words


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "//evil.example",
        "/relative", "https://", "https://user:secret@crm.example/1", "https://crm.example/a b",
        "https://crm.example/\nx", "http://[::1", "https://crm.example/" + "x" * 500, "", None,
        " https://crm.example", "ftp://crm.example", "https://crm.example/\u202egnp",
    ],
)  # fmt: skip
def test_only_web_addresses_become_links(url: str | None) -> None:
    """Anything but an ordinary web address is shown as text."""
    assert safe_link(url) is None


def test_ordinary_links_are_kept() -> None:
    """What CRMs give as the address of a record is linked as it is."""
    url = "https://app-eu1.hubspot.com/contacts/99/record/0-1/4711?a=1&b=é#x"
    assert safe_link(url) == url


@given(st.text(max_size=300), st.integers(2, 80))
def test_plain_is_one_safe_line(text: str, limit: int) -> None:
    """Any text becomes one line without control or steering characters, cut, and stays so."""
    shown = plain(text, limit)
    assert len(shown) <= limit
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert plain(shown, limit) == shown
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert clean(shown) == shown


@given(st.lists(st.none() | st.floats(0, 1e9), max_size=10), st.integers(2, 80))
def test_bars_keep_their_order(values: list[float | None], tallest: int) -> None:
    """A higher value never has a lower bar, bars fit the chart, gaps stay gaps."""
    bars = heights(values, tallest)
    assert [bar is None for bar in bars] == [value is None for value in values]
    pairs = [(v, b) for v, b in zip(values, bars, strict=True) if v is not None and b is not None]
    assert all(1 <= bar <= max(tallest, 2) for _, bar in pairs)
    ordered = sorted(pairs)
    assert [bar for _, bar in ordered] == sorted(bar for _, bar in ordered)


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0.0%"), (1, "100.0%"), (0.99999, "99.9%"), (0.00001, "0.1%"), (0.5, "50.0%")],
)
def test_nearly_all_is_not_all(share: float, shown: str) -> None:
    """A share only reads 100 % or 0 % when it is."""
    assert Words("en", ZoneInfo("UTC")).percent(share) == shown


def test_times_are_local(digest: Digest) -> None:
    """Times are shown in the zone of the settings, through the change of clocks."""
    paris = Words("en", ZoneInfo("Europe/Paris"))
    assert paris.moment(digest.until) == "Mon 16 Nov, 07:30"
    assert paris.moment(digest.until - timedelta(days=120)) == "Sun 19 Jul, 08:30"


def test_a_name_without_a_link_has_its_id() -> None:
    """Initials alone tell nobody which record is meant; a link does, else the id stands beside."""
    person = Person(connection="sheet", id="17", name="J. D.", url="https://crm.example/17")
    assert label(person) == "J. D."
    assert label(replace(person, url="javascript:x")) == "J. D. (sheet:17)"
    assert label(replace(person, name="")) == "sheet:17"


@given(st.lists(st.integers(0, 200), max_size=14, unique=True), st.integers(0, 200))
def test_the_first_that_fits_is_found_by_few_attempts(sizes: list[int], room: int) -> None:
    """Of steps of which each makes less than the one before: the same as if each were tried."""
    steps, tried = sorted(sizes, reverse=True), list[int]()

    def made(size: int) -> str | None:
        tried.append(size)
        return str(size) if size <= room else None

    expected = next((str(size) for size in steps if size <= room), None)
    assert first_fitting(steps, made) == expected
    assert len(set(tried)) == len(tried) <= 5
