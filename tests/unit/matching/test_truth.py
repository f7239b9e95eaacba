"""Against invented populations whose truth is known: what is grouped is right, and little is missed."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from tests.unit.matching.contacts import SCHEMA

from crm_steward import normalize as n
from crm_steward.matching import Wanted, find_groups
from crm_steward.sandbox.person import Sighting
from crm_steward.sandbox.population import population

NOW = datetime(2026, 11, 22, tzinfo=UTC)
POPULATION = Path(__file__).parents[3] / "bench" / "population.py"
COUNT = 4_000


def _row(number: int, sighting: Sighting) -> dict[str, Any]:
    country = n.country_code(sighting.country) or sighting.country_code
    emails = [one for one in (sighting.email, sighting.other_email) if one]
    phones = [one for one in (sighting.phone, sighting.mobile) if one]
    return {
        "connection": "crm",
        "id": f"{number:06}",
        "email_key": n.email_key(sighting.email),
        "email_keys": json.dumps([n.email_key(one) or "" for one in emails]),
        "phone_key": n.phone_e164(sighting.phone, country),
        "mobile_key": n.phone_e164(sighting.mobile, country),
        "phone_keys": json.dumps([n.phone_e164(one, country) or "" for one in phones]),
        "first_name_key": n.name_key(sighting.first_name),
        "last_name_key": n.name_key(sighting.last_name),
        "name_key": n.person_key(sighting.first_name, sighting.last_name),
        "company_key": n.company_key(sighting.company),
        "street_key": n.place_key(sighting.street),
        "postcode_key": n.postcode_key(sighting.postcode),
        "city_key": n.place_key(sighting.city),
        "country_code": country,
        "birth_date": None,
    }


def _judged(con: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Return how good the groups among `contacts` are, pair by pair; `truth` says who is who."""
    person = dict(con.execute("SELECT connection || ':' || id, person FROM truth").fetchall())
    groups = find_groups(con, Wanted()).groups

    def pairs(sizes: list[int]) -> int:
        return sum(size * (size - 1) // 2 for size in sizes)

    def sizes(of: list[list[Any]]) -> list[int]:
        return [people.count(one) for people in of for one in set(people)]

    people = [[person[str(ref)] for ref in group.refs] for group in groups]
    sure = [one for one, group in zip(people, groups, strict=True) if group.sure]
    true: int = con.execute(
        "SELECT sum(c * (c - 1) // 2)::INT FROM (SELECT count(*) AS c FROM truth GROUP BY person)"
    ).fetchall()[0][0]
    right, right_sure = pairs(sizes(people)), pairs(sizes(sure))
    return {
        "precision": right / pairs([len(one) for one in people]),
        "recall": right / true,
        "right where sure": right_sure / pairs([len(one) for one in sure]),
        "found and sure": right_sure / true,
    }


@pytest.mark.parametrize(("world", "seed"), [("default", 5), ("held-out", 6)])
def test_a_world_of_families_firms_and_namesakes(world: str, seed: int, tmp_path: Path) -> None:
    """19 pairs in 20 are right, 9 in 10 are found, and what is sure is right.

    On the held-out world nobody tuned the weights.
    """
    file = tmp_path / "world.parquet"
    command = [
        sys.executable,
        str(POPULATION),
        str(COUNT),
        str(file),
        "--seed",
        str(seed),
        "--world",
        world,
    ]
    subprocess.run(command, check=True, capture_output=True)
    con = duckdb.connect(config={"threads": 1})
    con.execute(
        f"CREATE TABLE contacts AS SELECT *, NULL::VARCHAR AS email_keys, NULL::VARCHAR AS phone_keys FROM '{file}'"
    )
    con.execute("CREATE TABLE truth AS SELECT connection, id, person FROM contacts")
    found = _judged(con)

    assert found["precision"] >= 0.95
    assert found["recall"] >= 0.90
    assert found["right where sure"] >= 0.99
    assert found["found and sure"] >= 0.5


def test_the_sandbox() -> None:
    """The population that people try the program on: fewer fields are filled, and less is found."""
    sightings = population(COUNT, 7, NOW)
    con = duckdb.connect(config={"threads": 1})
    rows = [_row(number, sighting) for number, sighting in enumerate(sightings)]
    con.register("contacts", pa.Table.from_pylist(rows, schema=SCHEMA))
    truth = [
        {"connection": "crm", "id": row["id"], "person": one.person}
        for row, one in zip(rows, sightings, strict=True)
    ]
    con.register("truth", pa.Table.from_pylist(truth))
    found = _judged(con)

    assert found["precision"] >= 0.95
    assert found["recall"] >= 0.85
    assert found["right where sure"] >= 0.99
