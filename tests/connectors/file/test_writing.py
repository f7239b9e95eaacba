"""Corrections go to a copy beside the original, which is only ever read."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl  # noqa: TID253 -- a test looks at what was written
import pytest

from crm_steward.sdk import (
    ArchiveRecord,
    Connector,
    CreateTask,
    InputError,
    RecordRef,
    Status,
    UpdateFields,
    Value,
)
from crm_steward_file import corrected
from crm_steward_file.changelog import LOG_HEADER

if TYPE_CHECKING:
    from tests.connectors.file.conftest import Open, Written

HEADER = ["Id", "Nom", "Prénom", "E-mail", "Téléphone", "Couleur"]
ROWS = [
    ["1", "DUPONT", "zoé", "ZOE@example.com", "06 12 34 56 78", "=1+1"],
    ["2", "Martin", "Ana", "ana@example.com", "+33 1 23 45 67 89", "@cmd"],
    ["3", "Petit", "Luc", "luc@example.com", "", "+1+1"],
]


@pytest.fixture(params=["csv", "xlsx"])
def original(request: pytest.FixtureRequest, csv_file: Written, xlsx_file: Written) -> Path:
    """Give the same contacts as a Windows-1252 CSV, then as a workbook."""
    if request.param == "csv":
        text = "".join(";".join(row) + "\r\n" for row in [HEADER, *ROWS])
        return csv_file(text, "cp1252")
    path = xlsx_file()
    book = openpyxl.load_workbook(path)
    for line, row in enumerate([HEADER, *ROWS], start=1):
        for column, value in enumerate(row, start=1):
            cell = book.active.cell(line, column)  # type: ignore[union-attr]  # it has one
            cell.value = value
            cell.data_type = "s"
    book.active["A1"].font = openpyxl.styles.Font(bold=True)  # type: ignore[index]  # same
    book.create_sheet("Changes").append(["the user's own sheet"])
    book.save(path)
    return path


def _update(
    record: str, expected: Mapping[str, Value], values: Mapping[str, Value]
) -> UpdateFields:
    return UpdateFields(ref=RecordRef("file", record), values=values, expected=expected)


NAME = _update("1", {"last_name": "DUPONT"}, {"last_name": "Dupont"})
PHONE = _update("1", {"phone": "06 12 34 56 78"}, {"phone": "+33612345678"})
TASK = CreateTask(
    ref=RecordRef("file", "2"),
    title='=HYPERLINK("x")',
    body="Rappeler\nAna",
    due=date(2026, 12, 1),
    marker="task-1",
)


def _copy(original: Path) -> list[list[Any]]:
    path = original.with_name(f"contacts.corrected{original.suffix}")
    if original.suffix == ".csv":
        with path.open(encoding="cp1252", newline="") as file:
            return list(csv.reader(file, delimiter=";"))
    book = openpyxl.load_workbook(path)
    return [[cell.value for cell in row] for row in book["Contacts"].iter_rows()]


def _log(original: Path) -> list[dict[str, str]]:
    if original.suffix == ".csv":
        with original.with_name("contacts.changes.csv").open(encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    book = openpyxl.load_workbook(original.with_name("contacts.corrected.xlsx"))
    rows = [[c.value or "" for c in row] for row in book["Changes1"].iter_rows()]
    return [dict(zip(rows[0], map(str, row), strict=True)) for row in rows[1:]]


def _statuses(outcomes: Any) -> list[Status]:
    return [outcome.status for outcome in outcomes]


def test_the_original_is_untouched_and_the_copy_corrected(original: Path, open_file: Open) -> None:
    """The copy holds the corrections, every other cell as it was; the log says what changed."""
    before, stamp = original.read_bytes(), original.stat().st_mtime_ns
    connector = open_file(original)
    assert _statuses(connector.apply([NAME, TASK, PHONE])) == [Status.VERIFIED] * 3
    assert (original.read_bytes(), original.stat().st_mtime_ns) == (before, stamp)
    rows = _copy(original)
    assert rows[0] == HEADER
    assert rows[1][:5] == ["1", "Dupont", "zoé", "ZOE@example.com", "+33612345678"]
    assert rows[2][4] == "+33 1 23 45 67 89"
    log = _log(original)
    assert tuple(log[0]) == LOG_HEADER
    told = [(e["change"], e["record"], e["column"], e["before"], e["after"]) for e in log]
    assert told[0] == ("update", "1", "Nom", "DUPONT", "Dupont")
    assert told[1][:2] == ("task", "2")
    assert told[2][:4] == ("update", "1", "Téléphone", "06 12 34 56 78")
    assert not list(original.parent.glob(".*.tmp"))


def test_nothing_in_the_copy_is_a_formula(original: Path, open_file: Open) -> None:
    """What begins like a formula is text: prefixed in CSV, typed in XLSX; our own values too."""
    connector = open_file(original)
    hostile = _update("2", {"first_name": "Ana"}, {"first_name": "=cmd|' /C calc'!A0"})
    assert _statuses(connector.apply([hostile, TASK])) == [Status.VERIFIED] * 2
    if original.suffix == ".csv":
        rows = _copy(original)
        assert [row[5] for row in rows[1:]] == ["'=1+1", "'@cmd", "'+1+1"]
        assert rows[2][2] == "'=cmd|' /C calc'!A0"
        assert _log(original)[1]["title"] == '\'=HYPERLINK("x")'
    else:
        book = openpyxl.load_workbook(original.with_name("contacts.corrected.xlsx"))
        kinds = {c.data_type for sheet in book for row in sheet.iter_rows() for c in row}
        assert "f" not in kinds
        assert book["Contacts"]["C3"].value == "=cmd|' /C calc'!A0"
        assert book["Contacts"]["C3"].quotePrefix
    found = connector.get([RecordRef("file", "2"), RecordRef("file", "1")])
    assert found[RecordRef("file", "2")].first_name == "=cmd|' /C calc'!A0"
    assert found[RecordRef("file", "1")].extra["Couleur"] == "=1+1"


def test_signs_that_xml_cannot_hold_come_back(original: Path, open_file: Open) -> None:
    """Carriage returns and text that looks like Excel's escapes are read back as they were."""
    if original.suffix == ".csv":
        pytest.skip("a CSV has no escapes")
    connector = open_file(original)
    odd = _update("2", {"last_name": "Martin"}, {"last_name": "a\r\nb_x000D_c_x0041_"})
    assert _statuses(connector.apply([odd])) == [Status.VERIFIED]
    assert connector.get([odd.ref])[odd.ref].last_name == "a\r\nb_x000D_c_x0041_"
    assert _statuses(open_file(original).settle([odd])) == [Status.VERIFIED]


def test_formats_and_other_sheets_survive(original: Path, open_file: Open) -> None:
    """A corrected workbook keeps its formats and the user's own sheet called Changes."""
    if original.suffix == ".csv":
        pytest.skip("a CSV has no formats")
    list(open_file(original).apply([NAME]))
    book = openpyxl.load_workbook(original.with_name("contacts.corrected.xlsx"))
    assert book.sheetnames == ["Contacts", "Changes", "Changes1"]
    assert book["Contacts"]["A1"].font.bold
    assert book["Changes"]["A1"].value == "the user's own sheet"


def test_corrections_accumulate_and_are_not_made_twice(original: Path, open_file: Open) -> None:
    """A second process goes on from the copy; a repeated change adds nothing; read and get see it."""
    list(open_file(original).apply([NAME, TASK]))
    connector = open_file(original)
    assert _statuses(connector.settle([NAME, TASK, PHONE])) == [
        Status.VERIFIED,
        Status.VERIFIED,
        Status.ABSENT,
    ]
    assert _statuses(connector.apply([NAME, TASK, PHONE])) == [Status.VERIFIED] * 3
    assert len(_log(original)) == 3
    contacts = [c for page in connector.read(None) for c in page.contacts]
    assert [c.ref.id for c in contacts] == ["1", "2", "3"]
    assert (contacts[0].last_name, contacts[0].phones[0].number) == ("Dupont", "+33612345678")
    assert connector.get([NAME.ref])[NAME.ref] == contacts[0]
    assert open_file(original, corrections=False).get([NAME.ref])[NAME.ref].last_name != "Dupont"


def test_an_update_is_taken_back(original: Path, open_file: Open) -> None:
    """Undo is the update the other way round; doing it again after that is listed again."""
    connector = open_file(original)
    back = _update("1", {"last_name": "Dupont"}, {"last_name": "DUPONT"})
    for change in (NAME, back, NAME):
        assert _statuses(connector.apply([change])) == [Status.VERIFIED]
    assert [e["after"] for e in _log(original)] == ["Dupont", "DUPONT", "Dupont"]
    assert _copy(original)[1][1] == "Dupont"


def test_what_a_person_changed_is_not_overwritten(original: Path, open_file: Open) -> None:
    """A field that holds something else by now is a conflict, and nothing of it is written."""
    connector = open_file(original)
    stale = _update(
        "2",
        {"last_name": "MARTIN", "first_name": "Ana"},
        {"last_name": "Martin", "first_name": "A"},
    )
    outcomes = list(connector.apply([stale, NAME]))
    assert _statuses(outcomes) == [Status.CONFLICT, Status.VERIFIED]
    assert _copy(original)[2][2] == "Ana"


def test_what_a_file_cannot_do_is_refused(original: Path, open_file: Open) -> None:
    """Unknown records and fields, values a cell cannot hold, other changes: each says why."""
    connector = open_file(original)
    changes = [
        _update("99", {"last_name": "X"}, {"last_name": "Y"}),
        _update("1", {"city": None}, {"city": "Lyon"}),
        _update("1", {"last_name": "DUPONT"}, {"last_name": "a\0b"}),
        _update("1", {"last_name": "DUPONT"}, {"last_name": "x" * 200_000}),
        ArchiveRecord(ref=RecordRef("file", "1"), reason="old"),
    ]
    outcomes = list(connector.apply(changes))
    assert _statuses(outcomes) == [Status.REJECTED] * 5
    assert all(outcome.reason for outcome in outcomes)
    assert not original.with_name(f"contacts.corrected{original.suffix}").exists()


def test_a_value_the_encoding_cannot_hold_is_refused(csv_file: Written, open_file: Open) -> None:
    """A Windows-1252 file takes no letter it does not know; the other changes go through."""
    connector = open_file(csv_file("Id;Nom;Ville\n1;Élo;X\n2;B;Y\n", "cp1252"))
    polish = _update("2", {"last_name": None, "city": "Y"}, {"city": "Łódź"})
    polish = replace(polish, expected={"city": "Y"})
    fine = _update("1", {"city": "X"}, {"city": "Nîmes"})
    rejected, verified = connector.apply([polish, fine])
    assert rejected.status is Status.REJECTED
    assert "cp1252" in rejected.reason
    assert verified.status is Status.VERIFIED


def test_a_corrected_mail_does_not_rename_its_record(csv_file: Written, open_file: Open) -> None:
    """Where e-mails name the records, putting one right keeps the name; lines stay too."""
    path = csv_file('sep=,\nNom,E-mail\nA,a@exmaple.com\n\nB,b@example.com\n"C\nD",c@example.com\n')
    connector = open_file(path, ids="email")
    ids = [c.ref.id for page in connector.read(None) for c in page.contacts]
    change = _update(ids[0], {"email": "a@exmaple.com"}, {"email": "b@example.com"})
    assert _statuses(connector.apply([change])) == [Status.VERIFIED]
    assert [c.ref.id for page in connector.read(None) for c in page.contacts] == ids
    copy = path.with_name("contacts.corrected.csv").read_text(encoding="utf-8")
    assert copy == path.read_text(encoding="utf-8").replace("a@exmaple.com", "b@example.com")


def test_a_new_export_starts_afresh(original: Path, open_file: Open, tmp_path: Path) -> None:
    """The copy of the last export is kept aside, its tasks are remembered, its corrections are not."""
    list(open_file(original).apply([NAME, TASK]))
    if original.suffix == ".csv":
        original.write_bytes(original.read_bytes() + b"4;NEU;Eva;eva@example.com;;\r\n")
    else:
        book = openpyxl.load_workbook(original)
        book["Contacts"].append(["4", "NEU", "Eva", "eva@example.com"])
        book.save(original)
    connector = open_file(original)
    assert connector.get([NAME.ref])[NAME.ref].last_name == "DUPONT"
    new = _update("4", {"last_name": "NEU"}, {"last_name": "Neu"})
    assert _statuses(connector.apply([new, TASK])) == [Status.VERIFIED] * 2
    assert _copy(original)[1][1] == "DUPONT"
    assert _copy(original)[4][1] == "Neu"
    assert [e["change"] for e in _log(original)] == ["update", "task", "update"]
    assert len(list(tmp_path.glob("contacts.corrected.????????.*"))) == 1


def test_broken_rows_are_in_the_copy(csv_file: Written, open_file: Open) -> None:
    """Rows that cannot be read are carried over, and lines keep their numbers."""
    path = csv_file(
        b"Id;Nom de famille\n1;DUPONT\n2;a\0b\n3;x;y;=1\n4;\xe9\x81\n5;Zo\xe9\n" + b"6;\xe9\n" * 9
    )
    connector = open_file(path)
    assert _statuses(connector.apply([NAME])) == [Status.VERIFIED]
    copied = path.with_name("contacts.corrected.csv").read_bytes().split(b"\n")
    assert copied[:6] == [
        b"Id;Nom de famille",
        b"1;Dupont",
        b"2;a\0b",
        b"3;x;y;'=1",
        b"4;\xe9\x81",
        b"5;Zo\xe9",
    ]


def test_a_full_disk_leaves_what_was_there(
    original: Path, open_file: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the copy cannot be written, the earlier one stands whole and nothing counts as done."""
    connector: Connector = open_file(original)
    list(connector.apply([NAME]))
    files = {p: p.read_bytes() for p in original.parent.iterdir()}

    def full(_: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(corrected, "_sync", full)
    with pytest.raises(InputError, match="No space left on device"):
        list(connector.apply([PHONE]))
    assert {p: p.read_bytes() for p in original.parent.iterdir()} == files
    assert _statuses(connector.settle([PHONE])) == [Status.ABSENT]


@pytest.mark.parametrize("step", [1, 2])
def test_a_stop_between_log_and_copy_is_made_good(
    csv_file: Written, open_file: Open, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Killed before or after the log is in place, the change is made once and listed once."""
    path = csv_file("Id;Nom de famille;Téléphone\n1;DUPONT;06 12 34 56 78\n")
    list(open_file(path).apply([PHONE]))
    steps = iter(range(1, 9))
    move = Path.replace

    def stopping(self: Path, target: Path) -> Path:
        if next(steps) == step:
            raise KeyboardInterrupt
        return move(self, target)

    with monkeypatch.context() as stopped:
        stopped.setattr(Path, "replace", stopping)
        with pytest.raises(KeyboardInterrupt):
            list(open_file(path).apply([NAME]))
    connector = open_file(path)
    assert _statuses(connector.settle([NAME])) == [Status.ABSENT]
    assert _statuses(connector.apply([NAME])) == [Status.VERIFIED]
    assert [entry["after"] for entry in _log(path)] == ["+33612345678", "Dupont"]
    # It once was not: nothing was new in the log, so the copy was taken for written.
    assert connector.get([NAME.ref])[NAME.ref].last_name == "Dupont"
    assert not list(path.parent.glob(".*.tmp"))


def test_a_read_only_original_can_be_corrected(original: Path, open_file: Open) -> None:
    """The copy of a read-only file can be written again; the original keeps its mode."""
    original.chmod(0o440)
    connector = open_file(original)
    list(connector.apply([NAME]))
    list(connector.apply([PHONE]))
    assert original.stat().st_mode & 0o777 == 0o440
    assert _copy(original)[1][1] == "Dupont"


def test_a_damaged_change_log_is_not_written_over(csv_file: Written, open_file: Open) -> None:
    """A file of that name that is not ours stops the writing, with its name and a remedy."""
    path = csv_file("Id;Nom\n1;DUPONT\n")
    path.with_name("contacts.changes.csv").write_text("my own notes\n", encoding="utf-8")
    with pytest.raises(InputError, match="is no change log") as failure:
        list(open_file(path).apply([NAME]))
    assert failure.value.hint
