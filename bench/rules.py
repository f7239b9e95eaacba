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
    """Store `size` contacts that changed a month ago: some thousand read as a pull reads them,
    the others copies with an id, an e-mail and a phone of their own."""
    import duckdb
    import pyarrow as pa
    import sqlalchemy as sa

    from crm_steward.store.mirror import Mirror
    from crm_steward.store.rows import content_of, row_of
    from crm_steward.store.tables import contacts, to_micros

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
    if name in {"email", "email_key", "email_clean"}:
        return f"replace({name}, '.x000', '.x' || copy)"
    if name in {"phone", "phone_key"}:
        return f"regexp_replace({name}, '000$', lpad(copy::VARCHAR, 3, '0'))"
    return f'"{name}"'


def book(folder: Path, copies: int) -> RuleBook:
    """Return the rules of all shipped packs but those that find duplicates.

    Args:
        folder: Where copies may be written.
        copies: How often each rule is asked, with other thresholds from the second time on.
    """
    from crm_steward.rules import RuleBook, load_rules
    from crm_steward.rules.loading import packs

    files = []
    for name, path in packs().items():
        for copy in range(copies):
            file = folder / f"{name}-{copy}.yaml"
            file.write_text(_varied(path.read_text("utf-8"), copy), "utf-8")
            files.append(file)
    loaded = load_rules(files)
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


def measure(size: int, copies: int) -> dict[str, float]:
    """Return the figures of one size, of this process."""
    from crm_steward.scan import scan
    from crm_steward.store.database import Database
    from crm_steward.store.relation import open_relation

    figures: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Database.open(f"sqlite:///{folder}/bench.db") as database,
    ):
        rules = book(Path(folder), copies)
        fill(database, size)
        with timed(figures, "load"):
            con = open_relation(database)
        with timed(figures, "ask"):
            found = sum(1 for rule in rules.rules for _ in rule.find(con, NOW))
        con.close()
        figures["found"], figures["rules"] = found, len(rules.rules)
        with timed(figures, "first"):
            scan(database, rules, clock=lambda: NOW)
        with timed(figures, "again"):
            scan(database, rules, clock=lambda: NOW + timedelta(minutes=5))
    figures["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one, asked.copies)))
        sys.exit()
    for size in asked.sizes:
        command = [sys.executable, __file__, "--one", str(size), "--copies", str(asked.copies)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        print(size, {k: round(v, 2) for k, v in json.loads(done.stdout).items()})
