"""A seeded population of invented people, seen by a CRM or a file, with the truth recorded.

A sighting is what one system holds about one person, with the mess people make. The same person
can be sighted by several systems, and several times by one: `Sighting.person` says who it really
is.
"""

from __future__ import annotations

import random
import zlib
from datetime import datetime

from crm_steward.sandbox.mess import sightings_of
from crm_steward.sandbox.person import Sighting, person

_PRIVATE = 1_000_000_000
"""Where the numbers of people known to one system only begin."""


def population(
    n: int,
    seed: int,
    now: datetime,
    *,
    slice: str = "",  # noqa: A002 -- the word the caller writes
    shared: float = 0.3,
) -> list[Sighting]:
    """Return `n` sightings, the same for the same arguments.

    Args:
        n: How many records the system holds.
        seed: Of the people; the same in every slice.
        now: What activity dates and consents are counted back from.
        slice: Names the system that looks (`hubspot`, `file`); each sees its own mess.
        shared: Share of its people that any other slice may know too. They are the first people
            of the seed, so a small slice's shared people are found in a larger one's.
    """
    rng = random.Random(f"{seed}/{slice}")  # noqa: S311 -- repeatable draws, not secrets
    sightings: list[Sighting] = []
    common, private = 0, _first_private(slice)
    while len(sightings) < n:
        if rng.random() < shared:
            number, common = common, common + 1
        else:
            number, private = private, private + 1
        sightings += sightings_of(person(seed, number, now), rng, now)
    del sightings[n:]
    rng.shuffle(sightings)
    return sightings


def _first_private(name: str) -> int:
    """Return the number of the first person only slice `name` knows; slices do not meet."""
    return _PRIVATE * (1 + zlib.crc32(name.encode()) % 10_000)
