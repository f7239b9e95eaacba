"""The picture of the trend."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from crm_steward.report.render import heights
from crm_steward.report.trend import HIGH, WIDE, picture

SHARES = st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=8)


@given(SHARES)
def test_any_weeks_make_a_picture(values: list[float | None]) -> None:
    """Two values or more are drawn, twice as large as shown, small enough for a mail; fewer are not."""
    made = picture(values, heights(values, 100))
    if sum(value is not None for value in values) < 2:
        assert made is None
        return
    assert made is not None
    image = Image.open(BytesIO(made.png))
    assert (image.format, image.size) == ("PNG", (2 * WIDE, 2 * HIGH))
    assert len(made.png) < 10_000
    assert image.convert("RGBA").getpixel((0, 0))[3] == 0, "it has no ground of its own"


def test_the_same_weeks_have_the_same_name() -> None:
    """A mail that is made again is the same; other weeks have another picture."""
    one, again, other = (
        picture(values, heights(values, 100)) for values in ([0.5, 0.6], [0.5, 0.6], [0.6, 0.5])
    )
    assert one == again
    assert one is not None
    assert other is not None
    assert one.name != other.name
    assert one.name.isascii()


@pytest.mark.parametrize(("weeks", "drawn"), [([0.2, 0.9], "rises"), ([0.9, 0.2], "falls")])
def test_the_line_goes_the_way_of_the_values(weeks: list[float], drawn: str) -> None:
    """What is higher stands higher."""
    made = picture(weeks, heights(weeks, 100))
    assert made is not None
    image = Image.open(BytesIO(made.png)).convert("RGBA")
    tops = [
        next(y for y in range(image.height) if image.getpixel((x, y))[3] > 200)
        for x in (image.width // 4, 3 * image.width // 4)
    ]
    assert (tops[0] > tops[1]) == (drawn == "rises")
