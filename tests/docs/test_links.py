"""Links between pages lead somewhere, and every page can be reached."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("", "config", "connectors", "deploy", "docs", "rules")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _pages() -> list[Path]:
    deep = [page for name in FOLDERS if name for page in (ROOT / name).rglob("*.md")]
    pages = {*ROOT.glob("*.md"), *deep}
    return sorted(page for page in pages if not _is_hidden(page.relative_to(ROOT)))


def _is_hidden(page: Path) -> bool:
    """Tell whether a tool left it, such as pytest's cache in the folder of an example."""
    return any(part.startswith(".") for part in page.parts)


def _links(page: Path) -> list[str]:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    return [link for link in _LINK.findall(text) if "://" not in link]


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", _pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """The file stands in the project, and where a heading is named, it has that heading."""
    for link in _links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in _anchors(target), link


def test_every_page_can_be_reached() -> None:
    """From README.md, link by link: a page that nobody finds is not documentation."""
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            paths = [link.partition("#")[0] for link in _links(page)]
            targets = [(page.parent / path).resolve() for path in paths if path]
            ahead += [target for target in targets if target.suffix == ".md"]
    assert set(_pages()) - reached == set()
