"""Duplicates by Splink, on DuckDB and on Spark: what it finds, what it leaves behind, what it says."""

from __future__ import annotations

import importlib.util
import logging
import socket
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from crm_steward.matching import splink_engine
from crm_steward.matching.splink_engine import splink_pairs
from crm_steward.model import ConfigError
from crm_steward.normalize import email_key, name_key, person_key, phone_e164


def _needs(*modules: str, extra: str) -> pytest.MarkDecorator:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    reason = f"needs {' and '.join(missing)}: pip install 'crm-steward[{extra}]'"
    return pytest.mark.skipif(bool(missing), reason=reason)


on_duckdb = _needs("splink", extra="splink")
on_spark = _needs("splink", "pyspark", extra="splink-spark")

Row = dict[str, str | None]


def contact(number: int, first: str, last: str, **more: str | None) -> Row:
    """Return one contact, keyed; the mail address and the mobile follow from the number."""
    mail = more.pop("email", f"{first}.{last}{number}@firm{number % 90}.example".lower())
    mobile = more.pop("mobile", f"06 {number:08}")
    return {
        "connection": "crm-a" if number % 2 else "crm-b",
        "id": f"{number:05}",
        "email_key": email_key(mail),
        "email_domain": mail.partition("@")[2] if mail else None,
        "phone_key": phone_e164(more.pop("phone", None), "FR"),
        "mobile_key": phone_e164(mobile, "FR"),
        "first_name_key": name_key(first),
        "last_name_key": name_key(last),
        "name_key": person_key(first, last),
        "street_key": f"{number} rue des lilas",
        "city_key": f"ville {number % 40}",
        "postcode_key": f"{10_000 + number % 40}",
        **more,
    }


FIRST = ("Anne", "Bernard", "Céline", "Denis", "Élodie", "Fabrice", "Gaëlle", "Hugo", "Inès", "Luc")
HEADS = ("Mar", "Dur", "Lef", "Ber", "Gau", "Roc", "Tou", "Vil", "Cha", "Pel")
TAILS = ("tin", "and", "ebvre", "geron", "tier", "hard", "maux", "lain", "bonnel", "quet")
CROWD = [
    contact(number, first, head + tail)
    for number, (first, head, tail) in enumerate(product(FIRST, HEADS, TAILS), start=1_000)
]
"""1,000 people of different names: what is usual in this base."""
FORGOTTEN = ({"street_key": None}, {"mobile_key": None}, {"email_key": None})
AGAIN = [
    {**row, **FORGOTTEN[number % 3], "id": f"{row['id']}-again"}
    for number, row in enumerate(CROWD[::5])
]
"""Every fifth of them a second time, one thing forgotten: what the model learns from."""
FEW = CROWD[:40]
"""Too few to learn from."""


def base(*rows: Row) -> duckdb.DuckDBPyConnection:
    """Return a connection whose `contacts` holds `rows`."""
    con = duckdb.connect(config={"threads": 1})
    schema = pa.schema([(name, pa.string()) for name in CROWD[0]])
    table = pa.Table.from_pylist(list(rows), schema=schema)
    con.register("given", table)
    con.execute("CREATE TABLE contacts AS FROM given")
    con.unregister("given")
    return con


def ids(pairs: pa.Table) -> set[tuple[str, str]]:
    """Return the pairs by their ids."""
    return set(zip(pairs["left_id"].to_pylist(), pairs["right_id"].to_pylist(), strict=True))


MATHIEU = contact(1, "Mathieu", "Kerbrat-Tourment", phone="01 23 45 67 89")
ROBERT = contact(11, "Robert", "Vandenesse", street_key="9 impasse du phare")
JEAN = contact(21, "Jean", "Quintrec", street_key="3 quai du port")
CITY_11 = {"city_key": "ville 11", "postcode_key": "10011"}
CITY_21 = {"city_key": "ville 21", "postcode_key": "10021"}
AT_HOME = {"street_key": "3 quai du port", **CITY_21}
SAME = {
    "typo": (MATHIEU, {**MATHIEU, "id": "typo", "last_name_key": "kerbrat tourmnet", "name_key": "kerbrat mathieu tourmnet"}),
    "nickname": (ROBERT, contact(12, "Bob", "Vandenesse", email="robert.vandenesse11@firm11.example", mobile="06 00000011", street_key=None, **CITY_11)),
    "title": (ROBERT, {**ROBERT, "id": "title", "first_name_key": "mr r", "name_key": "mr r vandenesse", "email_key": None}),
    "swapped": (MATHIEU, {**MATHIEU, "id": "swapped", "first_name_key": "kerbrat tourment", "last_name_key": "mathieu", "email_key": None}),
    "same address": (JEAN, contact(22, "Jean", "Quintrec", email=None, mobile=None, **AT_HOME)),
    "mobile as telephone": (JEAN, contact(23, "Jean", "Quintrec", email=None, mobile=None, phone="06 00000021", street_key=None, **CITY_21)),
}  # fmt: skip
OTHERS = {
    "family": contact(31, "Maëlle", "Quintrec", email="jean.quintrec21@firm21.example", mobile="06 00000021", **AT_HOME),
    "couple": contact(32, "Solène", "Abgrall", email="jean.quintrec21@firm21.example", **AT_HOME),
    "colleague": contact(33, "Yves", "Palaric", mobile=None, phone="06 00000021", email="yves.palaric@firm21.example"),
}  # fmt: skip
OFFICE = [
    contact(41, "Corentin", "Le Braz", email="info@phare.example", mobile=None),
    contact(42, "Nolwenn", "Moal", email="info@phare.example", mobile=None),
]
EVERYBODY = [
    *CROWD, *AGAIN, MATHIEU, ROBERT, JEAN, *(other for _, other in SAME.values()), *OTHERS.values(), *OFFICE,
]  # fmt: skip


@pytest.fixture(scope="module")
def found() -> pa.Table:
    """Return the pairs among everybody; read, never changed."""
    return splink_pairs(base(*EVERYBODY))


@on_duckdb
@pytest.mark.parametrize("case", SAME)
def test_the_same_person_is_found(case: str, found: pa.Table) -> None:
    """What people and systems do to a contact does not hide that it is the same one."""
    assert tuple(sorted(str(row["id"]) for row in SAME[case])) in ids(found)


@on_duckdb
@pytest.mark.parametrize("case", OTHERS)
def test_who_shares_much_and_has_another_name_is_another_person(case: str, found: pa.Table) -> None:
    """A family shares mailbox, telephone and address; that does not make them one."""
    assert not {pair for pair in ids(found) if OTHERS[case]["id"] in pair}


@on_duckdb
def test_a_mailbox_of_a_function_says_nothing_about_who_writes(found: pa.Table) -> None:
    """info@ is many people's."""
    assert ("00041", "00042") not in ids(found)


@on_duckdb
def test_pairs_are_in_order_and_probable_enough(found: pa.Table) -> None:
    """Each pair once, the lower record left, nothing below the threshold, nobody with themselves."""
    columns = ("left_connection", "left_id", "right_connection", "right_id")
    rows = list(zip(*(found[name].to_pylist() for name in columns), strict=True))

    assert found.column_names == [*columns, "probability"]
    assert rows == sorted(set(rows))
    assert all((a, b) < (c, d) for a, b, c, d in rows)
    assert all(splink_engine.THRESHOLD <= each <= 1 for each in found["probability"].to_pylist())
    assert {(str(row["id"])[:5], str(row["id"])) for row in AGAIN} <= ids(found)


@on_duckdb
def test_the_same_contacts_give_the_same_pairs(found: pa.Table) -> None:
    """Whatever order they are read in, to the last digit."""
    assert splink_pairs(base(*reversed(EVERYBODY))).equals(found)


@on_duckdb
def test_a_higher_threshold_keeps_the_more_probable(found: pa.Table) -> None:
    """And changes nothing about them."""
    wanted = [row for row in found.to_pylist() if row["probability"] >= 0.999]

    assert 0 < len(wanted) < len(found)
    assert splink_pairs(base(*EVERYBODY), threshold=0.999).to_pylist() == wanted


@on_duckdb
def test_within_one_connection_others_are_not_compared() -> None:
    """`within: connection` pairs no records of two accounts."""
    twin = {**MATHIEU, "connection": "crm-b", "id": "4"}
    sibling = {**MATHIEU, "id": "5"}

    pairs = splink_pairs(base(*FEW, MATHIEU, twin, sibling), within="connection")

    assert ids(pairs) == {("00001", "5")}


@on_duckdb
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_bases_too_small_to_learn_from_are_no_mistake(count: int) -> None:
    """The model then stays as it was written."""
    rows = [MATHIEU, {**MATHIEU, "id": "6"}, JEAN][:count]

    assert len(splink_pairs(base(*rows))) == (1 if count > 1 else 0)


@on_duckdb
def test_keys_that_are_missing_or_empty_count_as_empty() -> None:
    """A mirror without addresses is compared by the rest, and one without anything by nothing."""
    con = base(*FEW, MATHIEU, {**MATHIEU, "id": "8"})
    con.execute("ALTER TABLE contacts DROP COLUMN street_key")
    con.execute("UPDATE contacts SET city_key = NULL, postcode_key = NULL")
    assert len(splink_pairs(con)) == 1

    con.execute("CREATE OR REPLACE TABLE contacts AS SELECT connection, id FROM contacts")
    assert len(splink_pairs(con)) == 0


@on_duckdb
def test_a_switchboard_proves_nothing() -> None:
    """A number that hundreds share blocks nothing, and the names differ."""
    names = ("connection", "id", "first_name_key", "last_name_key", "name_key")
    office = [
        {**{name: row[name] for name in names}, "phone_key": "+33123456789"} for row in CROWD[:300]
    ]

    assert len(splink_pairs(base(*office))) == 0


@on_duckdb
def test_nothing_remains_and_nothing_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    """No table, no database, no output, no log level of others that stays changed."""
    con = base(*EVERYBODY)
    before = logging.getLogger("splink").level
    databases = "SELECT database_name FROM duckdb_databases() ORDER BY 1"

    splink_pairs(con)

    assert con.execute("SHOW TABLES").fetchall() == [("contacts",)]
    assert con.execute(databases).fetchall() == [("memory",), ("system",), ("temp",)]
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("splink").level == before


@on_duckdb
def test_contacts_that_a_rule_narrowed_are_read() -> None:
    """Rules look at a temporary table that only their own cursor sees."""
    con = base(*FEW, MATHIEU, {**MATHIEU, "id": "9"})
    with con.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE narrowed AS FROM contacts WHERE id <> '9'")
        cursor.execute("ALTER TABLE narrowed RENAME TO contacts")
        assert len(splink_pairs(cursor)) == 0
    assert len(splink_pairs(con)) == 1


@on_duckdb
def test_the_network_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splink has no telemetry; should it ever get one, this says so."""

    def refuse(*_: Any) -> None:
        raise AssertionError("something was sent")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert len(splink_pairs(base(*EVERYBODY))) > 0


@pytest.mark.parametrize(("spark", "extra"), [(False, "splink"), (True, "splink-spark")])
def test_a_missing_extra_is_named(spark: bool, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to type, and before anything is done."""
    monkeypatch.setattr(splink_engine, "find_spec", lambda _: None)

    with pytest.raises(ConfigError, match=rf"pip install 'crm-steward\[{extra}\]'"):
        splink_pairs(duckdb.connect(), spark=spark)


@pytest.fixture
def spark_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Settings as any Spark program reads them; gives the folder that the machines share."""
    shared = tmp_path / "shared"
    (tmp_path / "spark-defaults.conf").write_text(
        "spark.master local[1]\n"
        "spark.sql.shuffle.partitions 1\n"
        "spark.driver.memory 1g\n"
        f"spark.checkpoint.dir {shared.as_uri()}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path / "local"))
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    return shared


@on_spark
@pytest.mark.long
def test_spark_finds_what_duckdb_finds(
    spark_settings: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same rule on one machine and on many; the contacts are gone from there afterwards."""
    monkeypatch.setattr(splink_engine, "_LEARNS_FROM", 100)  # Spark takes its time for each step
    rows = [*CROWD[:300:2], *AGAIN[:60:2], MATHIEU, SAME["typo"][1], ROBERT, SAME["nickname"][1]]

    here, there = splink_pairs(base(*rows)), splink_pairs(base(*rows), spark=True)

    assert len(here) > 30
    assert ids(there) == ids(here)
    assert there["probability"].to_pylist() == pytest.approx(
        here["probability"].to_pylist(), abs=0.02
    )
    folders = (spark_settings, spark_settings.parent / "local")
    assert not [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    said = "".join(capfd.readouterr()).lower()
    assert "mathieu" not in said
    assert "@" not in said


@on_spark
def test_spark_connect_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splink cannot use it, and says so late and unclearly."""
    monkeypatch.setenv("SPARK_REMOTE", "sc://localhost")

    with pytest.raises(ConfigError, match=r"SPARK_REMOTE: .* spark\.master"):
        splink_pairs(base(*FEW), spark=True)
