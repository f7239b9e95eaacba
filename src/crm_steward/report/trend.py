"""The headline's trend as a small picture that stands beside its numbers."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WIDE: Final = 220
"""Pixels of its width as a mail shows it."""
HIGH: Final = 96
_SHARP: Final = 2
"""Pixels of the picture for each that is shown: for screens with two to the point."""
_SMOOTH: Final = 4
"""Pixels drawn for each of the picture: what is drawn larger and made smaller has smooth edges."""
_MARGIN: Final = 8
_DOT: Final = 3
_LINE, _FILL, _GROUND, _CORE = "#1f938c", "#1f938c38", "#8794a1a0", "#ffffff"
"""Read on white and on a dark page alike: the picture itself has no ground."""

_Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a mail.

    Args:
        name: What the HTML calls it: `cid:` and this.
        png: Its content.
    """

    name: str
    png: bytes


def picture(values: Sequence[float | None], heights: Sequence[int | None]) -> Picture | None:
    """Draw one value per week, oldest first, as a line with a dot for each.

    Args:
        values: What was measured; None where nothing was.
        heights: How high each stands, of 100, as the bars of the same figure do.

    Returns:
        The picture; None where fewer than two values are known, which make no line.
    """
    known = [at for at, value in enumerate(values) if value is not None]
    if len(known) < 2:  # noqa: PLR2004 -- a line has two ends
        return None
    png = _drawn(_runs(heights), len(values))
    # Named after its content (RFC 2392), so that the same week gives the same mail.
    return Picture(f"trend.{hashlib.sha256(png).hexdigest()[:16]}@crm-steward.invalid", png)


def _runs(heights: Sequence[int | None]) -> list[list[tuple[int, int]]]:
    """Return the stretches of weeks without a gap: (which week, how high)."""
    runs: list[list[tuple[int, int]]] = [[]]
    for at, height in enumerate(heights):
        if height is None:
            runs.append([])
        else:
            runs[-1].append((at, height))
    return [run for run in runs if run]


def _drawn(runs: Sequence[Sequence[tuple[int, int]]], weeks: int) -> bytes:
    from PIL import Image, ImageDraw  # noqa: PLC0415 -- a service that reports once a week need not hold it

    scale = _SHARP * _SMOOTH
    image = Image.new("RGBA", (WIDE * scale, HIGH * scale), "#1f938c00")
    draw = ImageDraw.Draw(image)
    bottom = HIGH - _MARGIN
    step = (WIDE - 2 * _MARGIN) / max(weeks - 1, 1)

    def place(at: int, height: int) -> _Point:
        share = height / 100 * (HIGH - 2 * _MARGIN)
        return (_MARGIN + at * step) * scale, (bottom - share) * scale

    ends = [(_MARGIN * scale, bottom * scale), ((WIDE - _MARGIN) * scale, bottom * scale)]
    draw.line(ends, fill=_GROUND, width=scale)
    for run in runs:
        _line(draw, [place(*point) for point in run], bottom * scale, scale)
    _dot(draw, place(*runs[-1][-1]), scale, _LINE, _DOT + 1)
    smaller = image.resize((WIDE * _SHARP, HIGH * _SHARP), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    smaller.quantize(64).save(out, "PNG", optimize=True)
    return out.getvalue()


def _line(draw: ImageDraw, points: Sequence[_Point], bottom: float, scale: int) -> None:
    """Draw one stretch: what lies under it, the line, and a dot for each week."""
    if len(points) > 1:
        draw.polygon([(points[0][0], bottom), *points, (points[-1][0], bottom)], fill=_FILL)
        draw.line(points, fill=_LINE, width=2 * scale, joint="curve")
    for point in points:
        _dot(draw, point, scale, _LINE, _DOT)
        _dot(draw, point, scale, _CORE, _DOT - 1.5)


def _dot(draw: ImageDraw, centre: _Point, scale: int, colour: str, radius: float) -> None:
    x, y = centre
    r = radius * scale
    draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
