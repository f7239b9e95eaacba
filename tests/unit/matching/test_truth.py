"""Against an invented population whose truth is known: what is grouped is right."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations

import duckdb
import pyarrow as pa

from crm_steward import normalize as n
from crm_steward.matching import LEVELS, find_groups
from crm_steward.sandbox.person import Sighting
from crm_steward.sandbox.population import population

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def _row(number: int, sighting: Sighting) -> dict[str, str | None]:
    country = n.country_code(sighting.country) or sighting.country_code
    return {
        "connection": "crm",
        "id": f"{number:06}",
        "email_key": n.email_key(sighting.email),
        "phone_key": n.phone_e164(sighting.phone, country),
        "mobile_key": n.phone_e164(sighting.mobile, country),
        "first_name_key": n.name_key(sighting.first_name),
        "last_name_key": n.name_key(sighting.last_name),
        "name_key": n.person_key(sighting.first_name, sighting.last_name),
    }


def test_nearly_all_that_is_grouped_is_one_person() -> None:
    """97 pairs in 100 are right, and four in five that share an address or mobile are found."""
    sightings = population(4_000, 7, NOW)
    rows = [_row(number, sighting) for number, sighting in enumerate(sightings)]
    con = duckdb.connect(config={"threads": 2})
    con.register("contacts", pa.Table.from_pylist(rows))
    groups = find_groups(con, list(LEVELS)).groups
    found = {
        (int(left.id), int(right.id))
        for group in groups
        for left, right in combinations(group.refs, 2)
    }
    right = {pair for pair in found if sightings[pair[0]].person == sightings[pair[1]].person}
    own = ("email_key", "mobile_key")
    findable = {
        (left, right)
        for left, right in combinations(range(len(rows)), 2)
        if sightings[left].person == sightings[right].person
        and any(rows[left][key] and rows[left][key] == rows[right][key] for key in own)
    }

    assert len(found) > 100
    assert len(right) / len(found) >= 0.97
    assert len(right & findable) / len(findable) >= 0.8
