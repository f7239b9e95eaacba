"""What people see, in a real browser: readable at every width, in the dark, by screen readers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from crm_steward.report.alerts import Trouble, render_alert
from crm_steward.report.digest import Digest, Figure, Movement
from crm_steward.report.officer import render_officer
from crm_steward.report.owners import OwnerDigest, render_owner
from crm_steward.report.render import render
from crm_steward.report.words import Words

DESKTOP, PHONE, SMALLEST = (760, 900), (390, 844), (320, 568)
BAND, GROUND, NIGHT = "#123245", "#eef1f5", "#0f161d"
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium of this machine."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


Open = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Show a document at a size, in the light or in the dark; nothing but itself may be loaded."""
    contexts = []

    def show(html: str, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> Page:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        assert [url for url in asked if not url.startswith(("file:", "data:", "cid:"))] == []
        return page

    yield show
    for context in contexts:
        context.close()


def _violations(page: Page) -> list[tuple[str, list[str]]]:
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_nothing_keeps_anybody_out(
    opened: Open,
    digest: Digest,
    owned: OwnerDigest,
    language: str,
    size: tuple[int, int],
    *,
    dark: bool,
) -> None:
    """axe-core finds no violation: contrast, names of pictures, headers of tables, the language."""
    for mail in (
        render(digest, language),
        render_officer(digest, language),
        render_owner(owned, language),
    ):
        page = opened(mail.alone, size, dark=dark)
        assert _violations(page) == []
        assert page.evaluate("document.scrollingElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_short_report_and_an_alert(opened: Open, digest: Digest, *, dark: bool) -> None:
    """So it is where a report has nothing to tell, and of the mail that is sent at once."""
    empty = Digest(
        week=digest.week,
        since=digest.since,
        until=digest.until,
        zone=digest.zone,
        figures=(Figure(name="clean", values={digest.week: None}),),
        movement=Movement(),
    )
    assert _violations(opened(render(empty, "en").alone, dark=dark)) == []
    trouble = Trouble(
        key="paused hubspot-eu",
        what=lambda words: words("alert.paused", connection="hubspot-eu"),
        why=lambda _: "HTTP 401",
        remedy=lambda words: words("alert.paused.remedy"),
        command="crm-steward check",
    )
    alert = render_alert(Words("fr", digest.zone), [trouble], [{"fr": "Tout va bien"}], [trouble])
    assert _violations(opened(alert.html, PHONE, dark=dark)) == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE, SMALLEST])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_sideways_scrolling(
    opened: Open, digest: Digest, language: str, size: tuple[int, int]
) -> None:
    """The mail is as wide as the screen, down to 320 pixels (WCAG 2.2, 1.4.10)."""
    page = opened(render(digest, language).alone, size)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("size", [PHONE, SMALLEST])
def test_long_ids_are_broken_on_a_phone(
    opened: Open, digest: Digest, size: tuple[int, int]
) -> None:
    """Ids of CRMs and names of connections have no place to break at; the mail stays as wide as the screen."""
    group, long = digest.twins.groups[0], "salesforce-emea-production"
    people = tuple(
        replace(one, connection=long, id="0035g0000002TTTAA2", name="M.-C. d. L.", url=None)
        for one in group.people
    )
    one = replace(group, people=people, owners=("Maximilienne Vandenberghe",) * 3)
    wide = replace(
        digest,
        twins=replace(digest.twins, groups=(one,)),
        connections=(replace(digest.connections[0], connection=long * 2),),
    )
    page = opened(render(wide, "fr").alone, size)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_screenshot(opened: Open, digest: Digest, *, dark: bool) -> None:
    """The picture has the ground, the band and the bars in the colours that the styles want."""
    page = opened(render(digest, "en").alone, dark=dark)
    shot = Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB")
    assert _hex(shot, 2, shot.height // 2) == (NIGHT if dark else GROUND)
    colours = {_code(colour) for _, colour in shot.getcolors(1 << 24) or []}
    assert {BAND, "#5bc8be" if dark else "#0b6e69"} <= colours


def _hex(shot: Image.Image, x: int, y: int) -> str:
    return _code(shot.getpixel((x, y)))


def _code(colour: object) -> str:
    assert isinstance(colour, tuple)
    return "#" + "".join(f"{part:02x}" for part in colour)


def test_the_trend_is_drawn_and_said(opened: Open, digest: Digest) -> None:
    """The picture shows at its size; without it its meaning and every week's figure are there."""
    mail = render(digest, "en")
    page = opened(mail.alone)
    shown = page.locator("img.picture")
    assert shown.evaluate("img => [img.complete, img.naturalWidth, img.width]") == [True, 440, 220]
    blocked = opened(mail.html)
    assert blocked.locator("img.picture").evaluate("img => img.naturalWidth") == 0
    assert blocked.locator("img.picture").get_attribute("alt")
    night = opened(mail.html, dark=True).locator("img.picture")  # what it says can be read then too
    assert night.evaluate("img => getComputedStyle(img).color") == "rgb(169, 182, 194)"
    weeks = blocked.locator("table.weeks tr").all_inner_texts()
    assert len(weeks) == len(digest.figures[0].values)
    assert weeks[-1].split() == ["Week", "47", "82.4%"]


def test_hostile_values_run_nothing(opened: Open, digest: Digest) -> None:
    """No script, no frame and no form comes from what a CRM holds."""
    page = opened(render(digest, "en").alone)
    assert page.locator("script, iframe, form, object, embed, [onclick], [onerror]").count() == 0
