"""FEBRL's people are compared as a CRM would hold them (bench/febrl.py), on sets made up here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

SCRIPT = Path(__file__).parents[3] / "bench" / "febrl.py"
_HEADER = (
    *("rec_id", "given_name", "surname", "street_number", "address_1", "address_2", "suburb"),
    *("postcode", "state", "date_of_birth", "soc_sec_id"),
)
_FIRST = ("ava", "bruno", "clara", "dmitri", "elsa", "farid", "greta", "hugo", "ines", "jonas")
_LAST = ("abelard", "brightwell", "carmody", "duxbury", "ellerslie", "farquhar", "gillespie")
_STREETS = (
    *("acacia", "boronia", "cassia", "dryandra", "eremophila", "fuchsia", "grevillea", "hakea"),
    *("isopogon", "jacksonia", "kunzea"),
)
_SUBURBS = ("redcliff bay", "ironbark", "tallow creek")


def _write(file: Path, rows: Iterable[tuple[str, ...]]) -> None:
    """Write rows as the sets are written, with a space behind each comma."""
    file.write_text("".join(", ".join(row) + "\n" for row in (_HEADER, *rows)))


def _people() -> list[tuple[str, ...]]:
    """Return 210 people, of whom no two agree in more than three columns."""
    return [
        (
            *(first, last, str(number % 90 + 1), f"{_STREETS[number % 11]} street", "", suburb),
            *(str(2000 + number % 70), ("nsw", "vic")[number % 2]),
            f"19{number % 80 + 10}{number % 12 + 1:02}{number % 28 + 1:02}",
            str(9_000_000 + number),
        )
        for number, (first, last, suburb) in enumerate(product(_FIRST, _LAST, _SUBURBS))
    ]


def _slipped(number: int, one: tuple[str, ...]) -> tuple[str, ...]:
    """Return somebody with a slip in every second first name, and one elsewhere in half of the rows."""
    row = dict(zip(_HEADER[1:], one, strict=True))
    if number % 2:
        row["given_name"] = row["given_name"][:-1]
    other = {0: "surname", 1: "date_of_birth", 2: "suburb", 3: "state", 4: "address_1"}
    if number % 10 in other:
        row[other[number % 10]] = ""
    return tuple(row.values())


def _records(suffix: str, *, slips: bool) -> list[tuple[str, ...]]:
    """Return a record of each."""
    return [
        (f"rec-{number}-{suffix}", *(_slipped(number, one) if slips else one))
        for number, one in enumerate(_people())
    ]


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Return a folder with a set to deduplicate and one to link."""
    folder = tmp_path / "sets"
    folder.mkdir()
    kept, slipped = _records("org", slips=False), _records("dup-0", slips=True)
    _write(folder / "dataset1.csv", kept + slipped)
    _write(folder / "dataset4a.csv", kept)
    _write(folder / "dataset4b.csv", slipped)
    return folder


def _cells(*arguments: str) -> dict[tuple[str, str], list[str]]:
    """Run the bench; return set, engine → the cells behind them."""
    command = [sys.executable, str(SCRIPT), *arguments, "--threads", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.splitlines()[2:]]
    return {(row[0], row[1]): row[2:] for row in rows}


def test_sets_are_deduplicated_and_linked(sets: Path) -> None:
    """Of both sets ours finds what exact keys miss; with few pairs nothing is learned, and it is said."""
    found = _cells("--data", str(sets), "--only", "exact,ours,learned")

    assert {name for name, _ in found} == {"febrl1, 420", "febrl4, 420"}
    for name in ("febrl1, 420", "febrl4, 420"):
        precision, recall, f1, sure = map(float, found[name, "ours"][:4])
        assert min(precision, recall, f1, sure) > 0.9
        assert f1 > float(found[name, "exact"][2])
        assert "1,000 are needed" in found[name, "learned"][0]


def test_people_are_what_the_mirror_would_hold(
    bench: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    """Keys are the project's own; a day that never was is none; who is who comes from the id."""
    row = ("rec-7-dup-0", "Inès", "O'Hara", "12", "St. Mary's Rd", "", "Port  Gray", "0810")
    other = ("rec-7-org", "", "o'hara", "", "mill lane", "", "", "0810")
    _write(
        tmp_path / "dataset1.csv",
        [(*row, "nt", "19650213", "1234567"), (*other, "nt", "19650231", "1234567")],
    )

    (path,) = bench("febrl").written(tmp_path, tmp_path)
    first, second = pq.read_table(path).to_pylist()

    held = ("person", "first_name_key", "last_name_key", "name_key", "street_key", "city_key")
    assert [first[name] for name in held] == [
        *("7", "ines", "ohara", "ines ohara", "12 st mary s rd", "port gray")
    ]
    assert (first["postcode_key"], first["birth_date"]) == ("0810", "1965-02-13")
    assert (second["person"], second["first_name_key"], second["birth_date"]) == ("7", None, None)
    # Peers read the set's own words, and nobody the number that gives all away.
    assert (second["date_of_birth"], second["given_name"]) == ("19650231", None)
    assert "1234567" not in {*first.values(), *second.values()}


def test_two_files_are_two_connections(
    bench: Callable[[str], ModuleType], sets: Path, tmp_path: Path
) -> None:
    """The set that is linked says of each record which file it is of."""
    _, path = bench("febrl").written(sets, tmp_path)

    assert set(pq.read_table(path)["connection"].to_pylist()) == {"febrl4a", "febrl4b"}


def test_a_folder_without_sets_is_named(tmp_path: Path) -> None:
    """Nothing is measured, and the exit code says so."""
    command = [sys.executable, str(SCRIPT), "--data", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 1
    assert str(tmp_path) in done.stderr


def test_without_sets_the_bench_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make bench` runs every file of bench/ without arguments."""
    monkeypatch.delenv("FEBRL", raising=False)
    for script in (SCRIPT, SCRIPT.with_name("febrl_engines.py")):
        done = subprocess.run(
            [sys.executable, str(script)], check=True, capture_output=True, text=True
        )
        assert "left out" in done.stdout


@pytest.mark.parametrize(
    ("engine", "package"),
    [
        ("splink_example", "splink"),
        ("recordlinkage_guide", "recordlinkage"),
        ("recordlinkage_ecm", "recordlinkage"),
        ("recordlinkage_logistic", "recordlinkage"),
    ],
)
def test_peers_as_their_own_examples_use_them(sets: Path, engine: str, package: str) -> None:
    """Each finds pairs of both sets, where it is installed."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed here; see the top of bench/peers.py")
    found = _cells("--data", str(sets), "--peers", sys.executable, "--only", engine)

    assert len(found) == 2
    for row in found.values():
        assert float(row[0]) > 0.9
        assert float(row[1]) > 0.4
