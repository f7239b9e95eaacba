"""The picture of a weakest link: it is drawn to scale, about one axis, and says each figure."""

from __future__ import annotations

from datetime import UTC
from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from crm_steward.matching.explaining import Part
from crm_steward.report.groups import Link
from crm_steward.report.waterfall import BAR, waterfall
from crm_steward.report.words import Words

EN, FR = Words("en", UTC), Words("fr", UTC)
bits = st.integers(-300, 300).map(lambda tenths: tenths / 10)


@st.composite
def links(draw: st.DrawFn) -> Link:
    """Draw a link whose parts make up its bits."""
    each = draw(st.lists(bits, min_size=1, max_size=11))
    parts = tuple(Part(comparison="phone", level="same", bits=one, one_in=1) for one in each)
    prior, others = draw(bits), draw(st.integers(-16, 0)) / 10
    total = prior + sum(each) + others
    return Link(
        level="x",
        probability=0.5,
        bits=total,
        against="family",
        prior=prior,
        steps=parts,
        others=others,
    )


@given(links())
def test_it_is_drawn_to_scale_about_one_axis(link: Link) -> None:
    """Rows are full, the axis is at one place, each bar begins where the one above ended."""
    bars = waterfall(link, EN)
    places = set()
    ends = []
    for bar in bars:
        assert sum(cell.width for cell in bar.cells) == 100
        assert all(cell.width > 0 for cell in bar.cells)
        starts = [0, *accumulate(cell.width for cell in bar.cells)]
        (axis,) = {
            start if cell.axis == "left" else start + cell.width
            for start, cell in zip(starts, bar.cells, strict=False)
            if cell.axis
        }
        places.add(axis)
        filled = [n for n, cell in enumerate(bar.cells) if cell.filled]
        assert filled == list(range(filled[0], filled[-1] + 1))
        ends.append((starts[filled[0]], starts[filled[-1] + 1]))
        assert len(bar.drawn) <= BAR
    assert len(places) == 1
    axis = places.pop()
    assert axis in {ends[0][0], ends[0][1], ends[0][1] - 1}
    for above, below in pairwise(ends[:-1]):
        assert min(abs(one - other) for one in above for other in below) <= 1


def test_each_step_is_said_in_words_and_figures() -> None:
    """From before to the end, in both languages; how rare it is where it is rare."""
    parts = (
        Part(comparison="first name", level="same", bits=5.0, one_in=40),
        Part(comparison="company", level="other", bits=-2.4, one_in=1.1),
    )
    link = Link(
        level="x", probability=0.13, bits=-2.7, against="strangers", prior=-5.3, steps=parts
    )
    said = [(bar.kind, bar.said, bar.rare, bar.bits) for bar in waterfall(link, EN)]
    assert said == [
        ("start", "before anything is compared", "", "-5.3"),
        ("up", "first name: same", "(1 in 40)", "+5.0"),
        ("down", "company: other", "", "-2.4"),
        ("whole", "together, against two strangers: 13.0%", "", "-2.7"),
    ]
    assert waterfall(link, FR)[1].said == "prénom\N{NO-BREAK SPACE}: identique"
    assert waterfall(link, FR)[1].rare == "(1 sur 40)"


def test_in_plain_text_it_is_drawn_too() -> None:
    """`+` speaks for one person, `-` against it, `=` is where it begins and all together."""
    parts = (
        Part(comparison="phone", level="same", bits=15.0, one_in=40),
        Part(comparison="company", level="other", bits=-2.5, one_in=1),
    )
    link = Link(level="x", probability=0.85, bits=2.5, against="family", prior=-10, steps=parts)
    drawn = [bar.drawn for bar in waterfall(link, EN)]
    assert drawn == ["=" * 13, "+" * 20, " " * 17 + "-" * 3, " " * 13 + "=" * 4]


def test_what_another_version_found_is_said_as_it_is() -> None:
    """A comparison that is not known here, or nothing at all."""
    part = Part(comparison="shoe size", level="huge", bits=1.0, one_in=1)
    link = Link(level="x", probability=0.5, against="clones", steps=(part,))
    assert [bar.said for bar in waterfall(link, FR)][1:] == [
        "shoe size\N{NO-BREAK SPACE}: huge",
        "en tout, contre clones\N{NO-BREAK SPACE}: 50,0\N{NARROW NO-BREAK SPACE}%",
    ]
    assert waterfall(Link(level="x", probability=0.5), EN) == []
