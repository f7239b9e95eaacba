"""The templates: where they are, what they may do with foreign text, and their styles inlined."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from crm_steward.report.waterfall import BAR
from crm_steward.report.words import clean, plain, safe_link

if TYPE_CHECKING:
    import css_inline
    import jinja2

_TEXT_WIDTH = 72
_LONGEST = 1_000


@cache
def environment() -> jinja2.Environment:
    """Return the templates: HTML escaped, every missing name an error, foreign text made safe."""
    import jinja2  # noqa: PLC0415 -- a service at rest writes no mail, and does not keep this

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("crm_steward.report"),
        autoescape=jinja2.select_autoescape(["html"], default=False, default_for_string=True),
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        link=safe_link, plain=plain, left=_left, right=_right, wrapped=_wrapped, drawn=_drawn
    )
    return made


def _shown(value: Any) -> Any:
    if isinstance(value, Markup | _Laid) or not isinstance(value, str):
        return value
    return clean(value[:_LONGEST])


class _Laid(str):
    """Text whose lines and spaces are ours: made of parts that are safe already."""

    __slots__ = ()


def _left(text: object, width: int) -> _Laid:
    return _Laid(plain(str(text), width).ljust(width))


def _right(text: object, width: int) -> _Laid:
    return _Laid(plain(str(text), width).rjust(width))


def _drawn(bar: str) -> _Laid:
    return _Laid(bar.ljust(BAR))


def _wrapped(text: object, indent: int = 0) -> _Laid:
    lines: list[str] = []
    for word in plain(str(text), 1000).split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= _TEXT_WIDTH - indent:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return _Laid(("\n" + " " * indent).join(lines))


def inlined(html: str) -> str:
    """Return a page with its styles where mail programs look for them."""
    return _inliner().inline(html)


@cache
def _inliner() -> css_inline.CSSInliner:
    import css_inline  # noqa: PLC0415 -- as jinja2

    return css_inline.CSSInliner(
        load_remote_stylesheets=False, keep_style_tags=False, minify_css=True
    )
