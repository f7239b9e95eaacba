"""What pulling costs us: own CPU per contact of pull + normalise + store, and peak memory.

The source makes contacts out of a seeded population in memory; what making them costs is measured
apart and taken off. Figures: ≤ 0.4 ms per contact; peak memory flat from 10,000 to 100,000.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

SIZES = (10_000, 100_000)
PAGE = 100


def measure(size: int) -> dict[str, float]:
    """Pull `size` contacts into a fresh SQLite file; return figures of this process."""
    from crm_steward.connect.protocol import Account, Cursor, Page
    from crm_steward.model import Contact, Email, Phone, PostalAddress, RecordRef, utc_now
    from crm_steward.pull import pull
    from crm_steward.sandbox import population
    from crm_steward.store.database import Database

    people = population(2000, seed=7, now=datetime(2026, 11, 1, tzinfo=UTC))
    templates = [
        Contact(
            ref=RecordRef("bench", "0"),
            first_name=one.first_name,
            last_name=one.last_name,
            phones=tuple(Phone(number) for number in (one.phone, one.mobile) if number),
            company=one.company,
            job_title=one.job_title,
            address=PostalAddress(one.street, one.postcode, one.city, None, one.country),
            created_at=one.created_at,
            last_person_act=one.last_person_act,
        )
        for one in people
        if "\0" not in repr(one)
    ]

    def contacts() -> Iterator[Contact]:
        for number in range(size):
            yield replace(
                templates[number % len(templates)],
                ref=RecordRef("bench", str(number)),
                emails=(Email(f"person.{number}@company{number % 997}.example"),),
            )

    class Source:
        def check(self) -> Account:
            return Account(id="bench", name="bench")

        def read(self, _since: Cursor | None) -> Iterator[Page]:
            page: list[Contact] = []
            for number, one in enumerate(contacts(), start=1):
                page.append(one)
                if len(page) == PAGE or number == size:
                    yield Page(cursor=Cursor(str(number)), contacts=page, complete=number == size)
                    page = []

    start = time.process_time()
    for _ in contacts():
        pass
    making = time.process_time() - start
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        tempfile.TemporaryDirectory() as folder,
        Database.open(f"sqlite:///{folder}/b.db") as database,
    ):
        start = time.process_time()
        pull(database, "bench", "bench", Source(), clock=utc_now)  # type: ignore[arg-type] # check() and read() are called
        cpu = time.process_time() - start - making
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"ms": cpu / size * 1000, "peak_mb": peak / 1024, "before_mb": before / 1024}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
        sys.exit()
    peaks = []
    for size in SIZES:
        done = subprocess.run(
            [sys.executable, __file__, str(size)], check=True, capture_output=True, text=True
        )
        figures = json.loads(done.stdout)
        peaks.append(figures["peak_mb"])
        print(
            f"pull: {size:>7,} contacts  {figures['ms']:.3f} ms CPU each (≤ 0.4)  "
            f"peak {figures['peak_mb']:.0f} MB (start {figures['before_mb']:.0f} MB)"
        )
    print(
        f"pull: peak memory at {SIZES[1]:,} / {SIZES[0]:,} contacts: {peaks[1] / peaks[0]:.2f} (flat: ≤ 1.2)"
    )
