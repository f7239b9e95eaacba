"""The picture of a weakest link: how each comparison moves the odds, from before to the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, Literal

from crm_steward.matching.explaining import Part
from crm_steward.report.comparisons import against, comparison, rare, seen, signed
from crm_steward.report.groups import Link
from crm_steward.report.words import Words, plain

Kind = Literal["start", "up", "down", "whole"]
"""What a bar is: where it begins, what speaks for one person, what speaks against it, all together."""

_FULL: Final = 100
BAR: Final = 20
"""Characters of a bar in plain text."""
_LEAST: Final = 0.05
"""Bits below which evidence reads 0.0."""
_SIGNS: Final[dict[Kind, str]] = {"start": "=", "up": "+", "down": "-", "whole": "="}


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a row of the picture.

    Args:
        width: In percent of the row; those of a row make up 100.
        filled: Whether it belongs to the bar.
        axis: On which side of it the axis is, if any: 0 bits, as likely as not.
    """

    width: int
    filled: bool
    axis: Literal["", "left", "right"] = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of the picture: its bar begins where that of the step above ended.

    Args:
        kind: What it is.
        said: What is compared and seen, or what else the step is.
        rare: How seldom strangers agree so, in brackets, or nothing.
        bits: What it adds or takes, with its sign.
        cells: The bar, from left to right.
    """

    kind: Kind
    said: str
    rare: str
    bits: str
    cells: tuple[Cell, ...]

    @property
    def drawn(self) -> str:
        """The bar in plain text."""
        ends = accumulate(cell.width for cell in self.cells)
        drawn = ""
        for cell, end in zip(self.cells, ends, strict=True):
            sign = _SIGNS[self.kind] if cell.filled else " "
            drawn += sign * (round(end * BAR / _FULL) - len(drawn))
        return drawn.rstrip()


@dataclass(frozen=True, slots=True)
class _Step:
    kind: Kind
    bits: float
    said: str
    rare: str = ""


def waterfall(link: Link, words: Words) -> list[Bar]:
    """Return the steps from what is likely before anything is compared to all together.

    Args:
        link: What the scan wrote down; nothing is drawn where it did not.
        words: The language.
    """
    if not link.steps:
        return []
    steps = _steps(link, words)
    reached = list(accumulate((step.bits for step in steps), initial=0.0))
    whole = _Step("whole", link.bits, _together(link, words))
    spans = [*pairwise(reached), (0.0, link.bits)]
    scale = min(*reached, link.bits), max(*reached, link.bits)
    return [
        Bar(step.kind, step.said, step.rare, signed(step.bits, words), _cells(span, scale))
        for step, span in zip([*steps, whole], spans, strict=True)
    ]


def _steps(link: Link, words: Words) -> Sequence[_Step]:
    steps = [_Step("start", link.prior, words("twins.before"))]
    steps += [_compared(part, words) for part in link.steps]
    if abs(link.others) >= _LEAST:
        steps.append(_Step("down", link.others, words("twins.others")))
    return steps


def _compared(part: Part, words: Words) -> _Step:
    name = plain(comparison(part.comparison, words.language), 40)
    level = plain(seen(part.level, words.language), 60)
    said = words("twins.step", name=name, level=level)
    seldom = rare(part.one_in, words)
    kind: Kind = "down" if part.bits < 0 else "up"
    return _Step(kind, part.bits, said, f"({seldom})" if seldom else "")


def _together(link: Link, words: Words) -> str:
    other = plain(against(link.against, words.language), 40)
    return words("twins.together", other=other, probability=words.percent(link.probability))


def _cells(span: tuple[float, float], scale: tuple[float, float]) -> tuple[Cell, ...]:
    """Return a row's pieces: the bar from one end of `span` to the other, and the axis at 0."""
    low, size = scale[0], scale[1] - scale[0] or 1.0
    begin, axis, end = (round(_FULL * (bits - low) / size) for bits in (min(span), 0.0, max(span)))
    # What is too little for a bar is still to be seen.
    begin = min(begin, _FULL - 1)
    end = max(end, begin + 1)
    cuts = sorted({0, begin, axis, end, _FULL})
    return tuple(
        Cell(
            right - left,
            begin <= left < end,
            "left" if left == axis else "right" if right == axis == _FULL else "",
        )
        for left, right in pairwise(cuts)
    )
