"""Invented populations are what they are declared to be (bench/population.py)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crm_steward.model import (
    Contact,
    Email,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    Revision,
)
from crm_steward.store.rows import content_of, row_of

ROOT = Path(__file__).parents[3]
COUNT = 20_000

Rows = list[dict[str, Any]]
Ask = Callable[[str], Rows]


def _run(*arguments: str) -> str:
    command = [sys.executable, str(ROOT / "bench" / "population.py"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a population of the default world."""
    file = tmp_path_factory.mktemp("population") / "default.parquet"
    _run(str(COUNT), str(file))
    return file


@pytest.fixture
def ask(population: Path) -> Ask:
    """Return what answers SQL about the records, which are called `r`."""
    con = duckdb.connect()
    con.execute(f"CREATE VIEW r AS FROM '{population}'")
    return lambda sql: con.sql(sql).to_arrow_table().to_pylist()


def test_it_has_as_many_records_as_asked_for_and_no_id_twice(ask: Ask) -> None:
    """A connection and an id name one record."""
    (found,) = ask(
        "SELECT count(*) AS records, count(DISTINCT connection || ':' || id) AS ids FROM r"
    )

    assert found == {"records": COUNT, "ids": COUNT}


def test_one_pair_for_every_two_records(ask: Ask) -> None:
    """There is about one duplicate pair for every two records, in groups of at most eight."""
    (found,) = ask(
        "SELECT sum(n * (n - 1) / 2) AS pairs, max(n) AS most FROM (SELECT count(*) AS n FROM r GROUP BY person)"
    )

    assert 0.45 < found["pairs"] / COUNT < 0.6
    assert found["most"] <= 8


def test_comparable_values_are_those_of_the_mirror(ask: Ask) -> None:
    """On 5,000 records every key is what the store itself makes of the raw columns."""
    rows = ask("FROM r LIMIT 5000")
    keys = [
        "country_code",
        "email_key",
        "email_domain",
        "phone_key",
        "mobile_key",
        "first_name_key",
        "last_name_key",
        "name_key",
        "company_key",
    ]

    for row in rows:
        contact = _contact(row)
        made = row_of(contact, *content_of(contact), country=None)
        assert {key: made[key] for key in keys} == {key: row[key] for key in keys}


def _contact(row: dict[str, Any]) -> Contact:
    numbers = (("phone", PhoneKind.WORK), ("mobile", PhoneKind.MOBILE))
    return Contact(
        ref=RecordRef(row["connection"], row["id"]),
        revision=Revision("1"),
        first_name=row["first_name"],
        last_name=row["last_name"],
        company=row["company"],
        emails=(Email(row["email"]),) if row["email"] else (),
        phones=tuple(Phone(row[name], kind) for name, kind in numbers if row[name]),
        address=PostalAddress(country=row["country"]),
    )


def test_corruptions_are_as_frequent_as_declared(ask: Ask) -> None:
    """Shares of what can befall any record are those of the world; the rest is not more frequent."""
    declared = _declared()
    (base,) = ask("SELECT count(*) AS records, count(DISTINCT person) AS persons FROM r")
    often = base["records"] - base["persons"] * (1 - declared["first_record"])
    counted = ask(
        "SELECT c, count(*) AS n FROM (SELECT unnest(string_split(corruptions, ', ')) AS c FROM r) GROUP BY c"
    )
    shares = {row["c"]: row["n"] / often for row in counted if row["c"]}

    assert shares.keys() == declared["corruptions"].keys()
    for name in ("capitals", "swapped names", "everything changed"):
        assert shares[name] == pytest.approx(declared["corruptions"][name], rel=0.35)
    together = declared["corruptions"]["everything changed"]
    for name, share in declared["corruptions"].items():
        assert shares[name] < share * 1.2 + together * 1.2


def _declared() -> dict[str, Any]:
    program = "import json, dataclasses as d; from world import World; print(json.dumps(d.asdict(World())))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "bench", check=True, capture_output=True
    )
    return dict(json.loads(done.stdout))


def test_a_seed_is_a_population(tmp_path: Path) -> None:
    """The same seed gives the same bytes, another seed or world other contacts."""
    files = {}
    for name, options in {
        "one": [],
        "again": [],
        "seed": ["--seed", "2"],
        "held": ["--world", "held-out"],
    }.items():
        files[name] = tmp_path / f"{name}.parquet"
        _run("1000", str(files[name]), *options)
    content = {name: file.read_bytes() for name, file in files.items()}

    assert content["one"] == content["again"]
    assert len(set(content.values())) == 3


def test_exact_keys_find_what_they_find_on_real_bases() -> None:
    """The difficulty is calibrated: exact keys find most duplicates and some that are none."""
    out = _run(str(COUNT))
    found = re.search(r"precision (0\.\d+), recall (0\.\d+)", out)

    assert found
    assert 0.8 < float(found[1]) < 0.92
    assert 0.92 < float(found[2]) < 0.96


def test_relatives_and_namesakes_are_in_the_base(ask: Ask) -> None:
    """A father and a son share a name and a city, twins a birth date, colleagues a domain, families a number."""
    pairs = "FROM r AS a JOIN r AS b ON a.person < b.person AND a.person // 4 = b.person // 4"
    (found,) = ask(
        f"""SELECT
        count(*) FILTER (a.group_kind = 'father and son' AND a.name_key = b.name_key AND a.city_key = b.city_key) AS fathers,
        count(*) FILTER (a.group_kind = 'twins' AND a.birth_date = b.birth_date) AS twins,
        count(*) FILTER (a.group_kind = 'spouses' AND a.phone_key = b.phone_key) AS spouses,
        count(*) FILTER (a.group_kind = 'homonyms' AND a.name_key = b.name_key AND a.city_key = b.city_key) AS homonyms
        {pairs}"""
    )

    assert min(found.values()) > 0
