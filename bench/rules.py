"""Time and memory of a scan: loading the mirror, asking every rule, storing what is found.

The contacts are invented, seeded and thrown away; they lie in a real SQLite file. Each size runs
as a process of its own. Run it alone:

    python bench/rules.py [--sizes 10000 100000 1000000] [--copies 1]
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crm_steward.model import Contact, Email
    from crm_steward.rules import RuleBook
    from crm_steward.store.database import Database

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
_SIZES = (10_000, 100_000, 1_000_000)
_TEMPLATES = 10_000
_CHANGED = 1_000
_FIRST = ["Anaïs", "Béatrice", "François", "Hélène", "Jérôme", "Karim", "Zoé", "Hans", "Greta"]
_LAST = ["Dupré", "Lefèvre", "Garçon", "Müller", "Núñez", "Martin", "Le Goff", "Côté", "Moreau"]
_CITIES = [("Besançon", "25000"), ("Orléans", "45000"), ("Nîmes", "30000"), ("Lyon", "69003")]


def _template(number: int, rng: random.Random) -> Contact:
    """Return one invented contact; each kind of dirt in 1 to 12 of a hundred."""
    from crm_steward.model import (
        Contact,
        Kind,
        Phone,
        PostalAddress,
        RecordRef,
        Revision,
        Stage,
    )

    def dirty(percent: float) -> bool:
        return rng.random() * 100 < percent

    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    city, postcode = rng.choice(_CITIES)
    created = NOW - timedelta(days=rng.randrange(20, 2000))
    idle = rng.randrange(560, 1500) if dirty(8) else rng.randrange(1, 500)
    reachable = not dirty(1)
    phone = f"+331{number % 100_000:05}000"
    if dirty(10):
        phone = f"01{number % 100_000:05}000"
    return Contact(
        ref=RecordRef("hubspot-eu" if rng.random() < 0.7 else "zoho-fr", str(number)),
        revision=Revision("1"),
        first_name=first.lower() if dirty(3) else first,
        last_name=None if dirty(1) else last.upper() if dirty(4) else last,
        emails=(_email(number, rng),) if reachable and not dirty(3) else (),
        phones=(Phone("12" if dirty(2) else phone),) if reachable and not dirty(20) else (),
        company=f"Société {number % 997}",
        job_title="Gérant",
        address=PostalAddress(f"{number % 200}, rue de l'Église", postcode, city, None, "France"),
        owner=None if dirty(5) else f"owner{number % 30}",
        stage=rng.choice([Stage.PROSPECT, Stage.PROSPECT, Stage.CUSTOMER, Stage.FORMER]),
        kind=rng.choice([Kind.B2B, Kind.B2B, Kind.B2C]),
        source=None if dirty(8) else "Salon",
        created_at=created,
        updated_at=NOW - timedelta(days=rng.randrange(1, 300)),
        last_activity=None if dirty(3) else NOW - timedelta(days=idle),
        last_person_act=None if dirty(30) else NOW - timedelta(days=idle + 20),
        consents=_consents(rng),
    )


def _email(number: int, rng: random.Random) -> Email:
    from crm_steward.model import Email

    if rng.random() < 0.02:
        return Email(f"personne{number}.x000 at example")
    address = f"personne{number}.x000@example.com"
    return Email(f" mailto:{address}" if rng.random() < 0.03 else address)


def _consents(rng: random.Random) -> tuple[Any, ...]:
    from crm_steward.model import Channel, Consent, ConsentStatus

    if rng.random() < 0.2:
        return ()
    status = ConsentStatus.WITHDRAWN if rng.random() < 0.05 else ConsentStatus.GRANTED
    proof = {"text_version": "2024-1", "source": "form"} if rng.random() < 0.9 else {}
    return (
        Consent(
            channel=Channel.EMAIL,
            status=status,
            basis="consent",
            given_at=NOW - timedelta(days=rng.randrange(900)),
            how="form",
            evidence="form/1",
            **proof,
        ),
    )


def fill(database: Database, size: int) -> None:
    """Store `size` contacts that changed a month ago.

    Some thousand are read as a pull reads them, the others are copies of these with an id, an
    e-mail and a phone of their own.
    """
    import duckdb
    import pyarrow as pa
    import sqlalchemy as sa

    from crm_steward.store.columns import to_micros
    from crm_steward.store.mirror import Mirror
    from crm_steward.store.rows import content_of, row_of
    from crm_steward.store.tables import contacts

    rng = random.Random(7)  # noqa: S311 -- invented contacts
    people = [_template(number, rng) for number in range(min(size, _TEMPLATES))]
    at = to_micros(NOW - timedelta(days=30))
    rows = [
        {**row_of(one, *content_of(one), country="FR"), "seen_at": at, "changed_at": at}
        for one in people
    ]
    names = list(rows[0])
    with duckdb.connect() as con:
        con.register("templates", pa.Table.from_pylist(rows))
        chosen = ", ".join(_copied(name) for name in names)
        con.execute(
            f"SELECT {chosen} FROM templates, range({-(-size // len(rows))}) copies(copy) "
            f"ORDER BY copy LIMIT {size}"
        )
        insert = f"INSERT INTO contacts ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        with database.write() as writing:
            raw = writing.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)  # noqa: S101 -- fill() is for SQLite
            raw.execute("PRAGMA cache_size = -200000")
            while batch := con.fetchmany(10_000):
                raw.executemany(insert, batch)
    for name, kind in (("hubspot-eu", "hubspot"), ("zoho-fr", "zoho")):
        Mirror(database).note(name, kind, last_full_at=NOW - timedelta(days=30))
    with database.read() as reading:
        assert reading.execute(sa.select(sa.func.count()).select_from(contacts)).scalar() == size  # noqa: S101 -- the bench itself


def _copied(name: str) -> str:
    if name == "id":
        return "concat_ws('-', id, copy)"
    if name in {"email", "email_key", "email_clean", "email_keys", "emails", "consent_keys"}:
        return f"replace({name}, '.x000', '.x' || copy)"
    if name in {"phone", "phone_key", "phone_keys"}:
        return f"regexp_replace({name}, '000(\"]|)$', lpad(copy::VARCHAR, 3, '0') || '\\1')"
    return f'"{name}"'


def book(folder: Path, copies: int) -> RuleBook:
    """Return the rules of all shipped packs but those that find duplicates.

    Args:
        folder: Where copies may be written.
        copies: How often each rule is asked, with other thresholds from the second time on.
    """
    from crm_steward.rules import RuleBook, load_rules
    from crm_steward.rules.loading import packs
    from crm_steward.rules.register import load_register, shipped_register

    files = []
    for name, path in packs().items():
        for copy in range(copies):
            file = folder / f"{name}-{copy}.yaml"
            file.write_text(_varied(path.read_text("utf-8"), copy), "utf-8")
            files.append(file)
    loaded = load_rules(files, periods=load_register(shipped_register()).periods)
    return RuleBook(tuple(rule for rule in loaded.rules if rule.kind != "duplicates"))


def _varied(text: str, copy: int) -> str:
    """Return a pack with other ids, and each duration longer by a few months."""
    if copy == 0:
        return text
    text = re.sub(r"^(  - id: .*)$", rf"\1-{copy}", text, flags=re.MULTILINE)
    text = re.sub(r"(\d+) months", lambda m: f"{int(m[1]) + copy} months", text)
    return re.sub(r": 1 year", f": {12 + copy} months", text)


@contextmanager
def timed(figures: dict[str, float], name: str) -> Iterator[None]:
    """Note wall and CPU seconds of the block."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    figures[name] = time.perf_counter() - wall
    figures[f"{name}_cpu"] = time.process_time() - cpu


def change(database: Database, at: datetime) -> None:
    """Let a thousand contacts change: some lose their owner, some their e-mail, some neither."""
    from crm_steward.store.columns import to_micros

    with database.write() as writing:
        writing.exec_driver_sql(
            "UPDATE contacts SET owner = CASE WHEN rowid % 3 = 0 THEN NULL ELSE 'other' END, "
            "email = CASE WHEN rowid % 3 = 1 THEN NULL ELSE email END, changed_at = ? "
            "WHERE rowid % ((SELECT count(*) FROM contacts) / ?) = 0",
            (to_micros(at), _CHANGED),
        )


def measure(folder: Path, copies: int) -> dict[str, float]:
    """Return the figures of one mirror, of this process."""
    from crm_steward.rules.kinds import SqlCheck
    from crm_steward.scan import columns_read, scan
    from crm_steward.store.database import Database
    from crm_steward.store.relation import open_relation

    figures: dict[str, float] = {}
    rules = book(folder, copies)
    with Database.open(f"sqlite:///{folder}/bench.db") as database:
        with timed(figures, "load"):
            con = open_relation(database, columns=columns_read(rules.rules, NOW))
        with timed(figures, "ask"):
            for rule in rules.rules:
                assert isinstance(rule.check, SqlCheck)  # noqa: S101 -- all but duplicates are
                query = rule.check.query(rule.scope(con, NOW))
                con.execute(f"CREATE OR REPLACE TEMP TABLE t AS {query.sql}", query.values)
        con.close()
        with timed(figures, "first"):
            done = scan(database, rules, clock=lambda: NOW)
        with timed(figures, "again"):
            scan(database, rules, clock=lambda: NOW + timedelta(minutes=5))
        change(database, NOW + timedelta(minutes=10))
        with timed(figures, "changed"):
            some = scan(database, rules, clock=lambda: NOW + timedelta(minutes=11), changed=True)
        figures["contacts"], figures["found"] = done.contacts, done.new
        figures["few"], figures["waiting"] = some.contacts, len(some.waiting)
        figures["opened"], figures["resolved"] = some.new, some.resolved
        figures["rules"] = len(rules.rules)
    figures["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def _here(*arguments: str) -> str:
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _print(figures: dict[str, float]) -> None:
    size = int(figures["contacts"])
    print(
        f"rules: {size:,} contacts, {figures['rules']:.0f} rules, {figures['found']:,.0f} findings, "
        f"peak {figures['peak']:,.0f} MB (≤ 2,000)"
    )
    for name, words in _PARTS.items():
        wall, cpu = figures[name], figures[f"{name}_cpu"]
        each = "" if name == "changed" else f", {cpu / size * 1e6:6.1f} µs CPU a contact"
        print(f"  {words:<42} {wall:7.2f} s, {cpu:7.2f} s CPU{each}")
    print(
        f"  of {figures['few']:,.0f} changed: {figures['opened']:,.0f} findings new, "
        f"{figures['resolved']:,.0f} resolved; {figures['waiting']:.0f} rules wait for all contacts"
    )


_PARTS = {
    "load": "loading the mirror into DuckDB",
    "ask": "asking all rules",
    "first": "a first scan, everything is new",
    "again": "the next scan, nothing changed (≤ 15 at 1 M)",
    "changed": "a scan of 1,000 changed contacts (≤ 0.5)",
}


def _print_loading(count: int) -> None:
    """Print how long it takes to read and check `count` rules."""
    from crm_steward.rules import load_rules

    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count // 100):
            rules = [_DENSE.format(id=f"r{number}-{rule}", months=rule + 1) for rule in range(100)]
            text = "version: 1\nrules:\n" + "".join(rules)
            Path(folder, f"{number}.yaml").write_text(text, "utf-8")
        load_rules([Path(folder, "0.yaml")])  # what is imported once
        with timed(figures, "load"):
            loaded = load_rules([Path(folder)])
    print(
        f"rules: reading and checking {len(loaded.rules):,} rules: {figures['load']:.2f} s (≤ 1.5), "
        f"{figures['load_cpu']:.2f} s CPU"
    )


_DENSE = """\
  - id: {id}
    about: {{en: "Prospects idle for {months} months", fr: "Prospects sans activité"}}
    reference: GDPR art. 5(1)(d)
    severity: medium
    where:
      all:
        - {{field: stage, in: [prospect, customer]}}
        - {{not: {{field: country, equals: FR}}}}
        - any: [{{field: email, ends_with: "@example.com"}}, {{field: phone, is: set}}]
    check: {{kind: stale, clock: last_activity, longer_than: {months} months}}
    actions:
      - task:
          to: owner
          due: 14 days
          title: {{en: "Call {{full_name}} again", fr: "Rappeler {{full_name}}"}}
    mode: propose
    limits: {{max_changes: 50, max_percent: 2}}
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=_SIZES)
    parser.add_argument("--copies", type=int, default=1, help="ask each shipped rule so often")
    parser.add_argument("--part", choices=["fill", "measure"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part == "fill":
        from crm_steward.store.database import Database as _Database

        with _Database.open(f"sqlite:///{asked.folder}/bench.db") as opened:
            fill(opened, asked.sizes[0])
        sys.exit()
    if asked.part == "measure":
        print(json.dumps(measure(asked.folder, asked.copies)))
        sys.exit()
    _print_loading(1_000)
    for size in asked.sizes:
        with tempfile.TemporaryDirectory() as folder:
            _here("--part", "fill", "--sizes", str(size), "--folder", folder)
            got = _here("--part", "measure", "--copies", str(asked.copies), "--folder", folder)
            _print(json.loads(got))
