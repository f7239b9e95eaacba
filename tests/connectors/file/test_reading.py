"""Files as they come: encodings, delimiters, broken rows, hostile workbooks."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import tracemalloc
import zipfile
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_steward.sdk import (
    Channel,
    ConsentStatus,
    InputError,
    Kind,
    PhoneKind,
    RecordRef,
    SourceType,
    Stage,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.file.conftest import Open, Written


def _read(connector: Any) -> tuple[list[Any], dict[str, str]]:
    contacts, poison = [], {}
    for page in connector.read(None):
        contacts += page.contacts
        poison |= {one.id: one.reason for one in page.poison}
    return contacts, poison


FRENCH = (
    "Identifiant;Nom;Prénom;E-mail;Téléphone;Portable;Société;Adresse;Code postal;Ville;Pays;"
    "Statut;Type client;Commercial;Dernière interaction;Opt-in;Date opt-in;Désinscrit;Couleur\r\n"
    "7;Lefèvre;Hélène;helene@example.com;01 23 45 67 89;06 12 34 56 78;Société Été;"
    '"12, rue\r\nde l\'Œuf";01000;Bourg;France;Client;Particulier;A. Durand;25/12/2023;oui;'
    "03/04/2022;non;vert\r\n"
)


def test_a_french_windows_1252_export(open_file: Open, csv_file: Written) -> None:
    """Encoding, delimiter, accents, quoted line ends, dates and consents come out right."""
    connector = open_file(csv_file(FRENCH, "cp1252"))
    ((contact,), poison) = _read(connector)
    assert poison == {}
    assert contact.ref == RecordRef("file", "7")
    assert (contact.first_name, contact.last_name) == ("Hélène", "Lefèvre")
    assert [p.kind for p in contact.phones] == [PhoneKind.WORK, PhoneKind.MOBILE]
    assert contact.address.street == "12, rue\r\nde l'Œuf"
    assert contact.address.postcode == "01000"
    assert (contact.stage, contact.kind) == (Stage.CUSTOMER, Kind.B2C)
    assert contact.last_activity == datetime(2023, 12, 25, tzinfo=UTC)
    (consent,) = contact.consents
    assert (consent.channel, consent.status) == (Channel.EMAIL, ConsentStatus.GRANTED)
    assert consent.given_at == datetime(2022, 4, 3, tzinfo=UTC)
    assert consent.address == "helene@example.com"
    assert dict(contact.extra) == {"Couleur": "vert"}
    assert connector.check().language == "fr"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_encodings_and_delimiters(
    open_file: Open, csv_file: Written, encoding: str, delimiter: str
) -> None:
    """Each encoding with each delimiter gives the same contacts."""
    rows = [
        ["E-mail", "Prénom", "Note A"],
        ["a@example.com", "Zoé", '"x;y,z|w"'],
        ["b@example.com"],
    ]
    text = "".join(delimiter.join(row) + "\n" for row in rows)
    contacts, poison = _read(open_file(csv_file(text, encoding)))
    assert [c.emails[0].address for c in contacts] == ["a@example.com", "b@example.com"]
    assert contacts[0].first_name == "Zoé"
    assert contacts[0].extra == {"Note A": "x;y,z|w"}
    assert poison == {}


def test_a_few_bad_bytes_do_not_change_the_encoding(open_file: Open, csv_file: Written) -> None:
    """One line that is not UTF-8 among many that are is broken; it does not make the rest Latin."""
    lines = [f"Zoé;a{n}@example.com\n".encode() for n in range(30)]
    lines[4] = b"Zo\xe9;bad@example.com\n"
    contacts, poison = _read(open_file(csv_file("Prénom;E-mail\n".encode() + b"".join(lines))))
    assert {c.first_name for c in contacts} == {"Zoé"}
    assert poison == {"line 6": "it holds bytes that are not utf-8"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x;y;z;;w", "it has 5 cells, the header has 3"),
        ("x", "it has 1 cells, the header has 3"),
        ("a\0b;y;z", "it holds NUL characters"),
        ('x;"Dupont;z', "a quote is opened and not closed"),
        ('x;"' + "n" * 10_000_000 + '";z', "a cell holds more than 131,072 characters"),
        ('x;"' + "n\n" * 200_000 + '";z', "a cell holds more than 131,072 characters"),
        ("x;" + "n" * 40_000 + ";z", "column 'E-mail' holds more than 32,767 characters"),
    ],
    ids=["too many", "too few", "nul", "open quote", "10 MB", "long in lines", "long e-mail"],
)
def test_a_broken_row_is_named_and_the_others_are_read(
    open_file: Open, csv_file: Written, row: str, reason: str
) -> None:
    """A broken row costs itself only, wherever it stands; its line is the editor's line."""
    good = [f'N{n};"m{n}@example.com";"p {n}"' for n in range(1, 400)]
    text = "\n".join(["Nom;E-mail;Ville", *good[:200], row, *good[200:], ""])
    contacts, poison = _read(open_file(csv_file(text)))
    assert [c.full_name for c in contacts] == [f"N{n}" for n in range(1, 400)]
    assert poison == {"line 202": reason}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    junk=st.lists(
        st.one_of(st.just("a\0;b"), st.text(alphabet='ab;",\n\r\t é\u2028=', max_size=30)),
        max_size=6,
    )
)
def test_no_text_is_fatal(open_file: Open, csv_file: Written, junk: list[str]) -> None:
    """Whatever stands between good rows, reading ends, and the first good row is there."""
    text = "Nom;E-mail\nA;first@example.com\n" + "\n".join(junk) + "\nB;last@example.com\n"
    contacts, poison = _read(open_file(csv_file(text)))
    assert contacts[0].emails[0].address == "first@example.com"
    assert len({c.ref for c in contacts} | set(poison)) == len(contacts) + len(poison)


@given(
    cells=st.lists(
        st.lists(st.text(alphabet="ab;\",\n é='", max_size=8), min_size=2, max_size=2), min_size=1
    )
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_a_csv_writer_wrote_is_read(
    open_file: Open, csv_file: Written, cells: list[list[str]]
) -> None:
    """Anything quoted by the rules is read back cell by cell, none is called broken."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=";").writerows(
        [["Nom", "Ville", "Couleur"], *([*row, "x"] for row in cells)]
    )
    contacts, poison = _read(open_file(csv_file(buffer.getvalue())))
    assert poison == {}
    read = [(c.full_name or "", c.address.city or "") for c in contacts]
    assert read == [tuple(cell if cell.strip() else "" for cell in row) for row in cells]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"E-mail;Nom\n", "below the header on line 1 there are no rows"),
        (b"foo;bar\n1;2\n", "no column is recognised in its first 10 lines"),
        (bytes(range(256)) * 40, "neither text nor an XLSX workbook"),
        (b"%PDF-1.7\nNom;E-mail\n1;2\n", "neither text nor an XLSX workbook"),
        (b"PK\x03\x04" + b"rubbish" * 50, "the workbook is damaged or is no XLSX"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "this is the old Excel format"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "protected by a password",
        ),
    ],
)
def test_a_file_that_cannot_be_used(
    open_file: Open, csv_file: Written, content: bytes, message: str
) -> None:
    """Each is refused in one line with the file's name and a remedy, and without its content."""
    path = csv_file(content)
    with pytest.raises(InputError) as failure:
        open_file(path).check()
    assert message in str(failure.value)
    assert str(path) in str(failure.value)
    assert failure.value.hint


def test_a_missing_file_a_folder_and_a_wrong_encoding(
    open_file: Open, csv_file: Written, tmp_path: Path
) -> None:
    """The place and the remedy are named for each."""
    with pytest.raises(InputError, match="there is no such file"):
        open_file(tmp_path / "none.csv").check()
    with pytest.raises(InputError, match="is a folder"):
        open_file(tmp_path).check()
    path = csv_file("Prénom;E-mail\n" + "Zoé;a@example.com\n" * 9, "cp1252")
    with pytest.raises(InputError, match="10 lines are not utf-8, the first is line 1"):
        open_file(path, encoding="utf-8").check()


def test_dates_are_decided_per_column(open_file: Open, csv_file: Written) -> None:
    """One value that can only be read one way decides its column; the others follow."""
    path = csv_file(
        "Email,Created at,Last activity,Updated at\n"
        "a@example.com,03/04/2024,03/04/2024,03/04/2024\n"
        "b@example.com,25/04/2024,04/25/2024,\n"
    )
    first = _read(open_file(path))[0][0]
    assert first.created_at == datetime(2024, 4, 3, tzinfo=UTC)
    assert first.last_activity == datetime(2024, 3, 4, tzinfo=UTC)
    chosen = _read(open_file(path, dates="month first"))[0][0]
    assert chosen.updated_at == datetime(2024, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize(("header", "month"), [("Date de création", 4), ("Created at", 3)])
def test_dates_that_do_not_tell_follow_the_headers(
    open_file: Open, csv_file: Written, header: str, month: int
) -> None:
    """Without a telling value, French headers mean day first and English ones month first."""
    path = csv_file(f"Email,{header}\na@example.com,03/04/2024\n")
    assert _read(open_file(path))[0][0].created_at.month == month


def test_the_order_is_found_however_late_it_shows(open_file: Open, csv_file: Written) -> None:
    """A file sorted by date, whose first thousands of rows do not tell, is read to the one that does."""
    rows = "".join(f"m{n}@example.com,03/04/2024\n" for n in range(3000))
    path = csv_file(f"Email,Created at\n{rows}z@example.com,25/04/2024\n")
    assert _read(open_file(path))[0][0].created_at.month == 4


def test_what_a_field_cannot_hold_is_kept(open_file: Open, csv_file: Written) -> None:
    """A date, a stage or a consent that is not understood stays readable beside the fields."""
    path = csv_file(
        "E-mail;Date de création;Statut;Opt-in;Remarque libre\n"
        f"a@example.com;31/02/2024;bidule;on verra;{'x' * 1500}\n"
    )
    ((contact,), _) = _read(open_file(path))
    assert contact.extra == {
        "Date de création": "31/02/2024",
        "Statut": "bidule",
        "Opt-in": "on verra",
    }
    assert contact.consents[0].status is ConsentStatus.UNKNOWN
    assert contact.has_notes


def test_ids(open_file: Open, csv_file: Written) -> None:
    """An id that comes twice or is empty breaks the later row; without ids, e-mail then line."""
    path = csv_file("Id;E-mail\n1;a@example.com\n1;b@example.com\n;c@example.com\n")
    contacts, poison = _read(open_file(path))
    assert [c.ref.id for c in contacts] == ["1"]
    assert poison == {
        "line 3": "its id stands on an earlier line too",
        "line 4": "its id is empty",
    }
    path = csv_file("E-mail\na@example.com\nA@example.com \n\nb@example.com\n", name="mails.csv")
    ids = [c.ref.id for c in _read(open_file(path, ids="email"))[0]]
    assert ids[0].startswith("mail-")
    assert ids[1] == "line 3"
    assert "example" not in "".join(ids)
    again = csv_file("E-mail\nb@example.com\na@example.com\n", name="again.csv")
    assert {c.ref.id for c in _read(open_file(again, ids="email"))[0]} == {ids[0], ids[2]}


def test_titles_above_the_header_and_excels_hint(open_file: Open, csv_file: Written) -> None:
    """The header is found below titles, and the line `sep=;` is obeyed; lines keep their number."""
    path = csv_file("sep=;\nExport du 3 mars\n\nNom;E-mail\nDupont;a@example.com\n")
    ((contact,), _) = _read(open_file(path))
    assert contact.ref.id == "line 5"
    assert contact.emails[0].address == "a@example.com"


def test_a_read_goes_on_where_it_was_cut(open_file: Open, csv_file: Written) -> None:
    """From any page's cursor the rest comes, once; an unchanged file brings nothing."""
    path = csv_file("E-mail\n" + "".join(f"m{n}@example.com\n" for n in range(2500)))
    connector = open_file(path)
    first = next(iter(connector.read(None)))
    rest = list(connector.read(first.cursor))
    ids = [c.ref.id for page in (first, *rest) for c in page.contacts]
    assert ids == [f"line {n}" for n in range(2, 2502)]
    assert [page.complete for page in rest] == [False, True]
    (page,) = connector.read(rest[-1].cursor)
    assert (page.complete, page.contacts) == (True, ())
    os.utime(path, (1, 1))
    assert not next(iter(connector.read(rest[-1].cursor))).contacts
    path.write_bytes(path.read_bytes() + b"new@example.com\n")
    assert sum(len(page.contacts) for page in connector.read(rest[-1].cursor)) == 2501
    for nonsense in ("", "[]", '{"file": 1}', json.dumps({"file": first.cursor, "rows": "x"})):
        assert sum(len(page.contacts) for page in connector.read(nonsense)) == 2501


def test_memory_does_not_grow_with_the_file(open_file: Open, csv_file: Written) -> None:
    """Reading ten times the rows takes no more memory than the ids of the rows."""

    def peak(rows: int) -> int:
        text = "Id;E-mail;Nom\n" + "".join(f"{n};m{n}@example.com;N{n}\n" for n in range(rows))
        connector = open_file(csv_file(text, name=f"{rows}.csv"))
        del text
        tracemalloc.start()
        for _ in connector.read(None):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    small, large = peak(2_000), peak(20_000)
    assert large - small < 18_000 * 250  # bytes per further row: its id in a set


def test_a_workbook(open_file: Open, xlsx_file: Written) -> None:
    """Numbers, dates, truths and text of an XLSX become what a person sees in the cells."""
    path = xlsx_file(
        ["Export"],
        [],
        ["Nom", "Prénom", "E-mail", "Téléphone", "Code postal", "Dernier contact", "Opt-in", "=x"],
        ["Dupont", "Zoé", "a@example.com", 612345678, 75001.0, datetime(2024, 3, 4), True, "=1+1"],  # noqa: DTZ001 -- as Excel has it
        ["Petit", None, "b@example.com", "+33 6", None, 45355, "non"],
    )
    contacts, poison = _read(open_file(path))
    assert poison == {}
    first, second = contacts
    assert first.ref.id == "line 4"
    assert first.phones[0].number == "612345678"
    assert first.address.postcode == "75001"
    assert first.last_activity == second.last_activity == datetime(2024, 3, 4, tzinfo=UTC)
    assert [c.consents[0].status for c in contacts] == [ConsentStatus.GRANTED, ConsentStatus.NONE]


def test_the_sheet_with_contacts_is_found(open_file: Open, xlsx_file: Written) -> None:
    """A cover sheet is passed over; a sheet that is not there is refused by name."""
    import openpyxl

    path = xlsx_file(["Read me first"], ["nothing here"])
    book = openpyxl.load_workbook(path)
    page = book.create_sheet("Liste")
    page.append(["Nom", "E-mail"])
    page.append(["Dupont", "a@example.com"])
    book.save(path)
    assert len(_read(open_file(path))[0]) == 1
    with pytest.raises(InputError, match="no worksheet 'Lists'"):
        open_file(path, sheet="Lists").check()


def _rewritten(path: Path, part: str, change: Any) -> None:
    """Change one part of a workbook's archive."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"<worksheet",
        lambda _: b"\xff\xfe\x00",
        lambda sheet: sheet[: len(sheet) // 2],
        lambda sheet: sheet.replace(b'r="2"', b'r="99999999999"'),
        lambda sheet: sheet.replace(b't="inlineStr"', b't="s"').replace(b't="s"', b't="s" x="1"'),
        lambda sheet: b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + sheet,
    ],
    ids=["no xml", "bytes", "cut", "row number", "attributes", "entities"],
)
def test_a_damaged_workbook_is_refused_or_read(
    open_file: Open, xlsx_file: Written, change: Any
) -> None:
    """Damage ends in an InputError with a remedy, or does no harm; never in a bug or a hang."""
    path = xlsx_file(["Nom", "E-mail"], ["Dupont", "a@example.com"])
    _rewritten(path, "xl/worksheets/sheet1.xml", change)
    with contextlib.suppress(InputError):
        contacts, _ = _read(open_file(path))
        assert len(contacts) <= 1


def test_a_zip_bomb_is_refused_before_it_is_unpacked(open_file: Open, xlsx_file: Written) -> None:
    """An archive that unpacks to a thousand times its size is not unpacked."""
    path = xlsx_file(["Nom", "E-mail"], ["Dupont", "a@example.com"])
    _rewritten(path, "xl/worksheets/sheet1.xml", lambda _: bytes(100 << 20))
    tracemalloc.start()
    with pytest.raises(InputError, match="unpacks to 100 MB"):
        open_file(path).check()
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_another_archive_is_no_workbook(open_file: Open, tmp_path: Path) -> None:
    """A zip of something else is named as such."""
    path = tmp_path / "contacts.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("content.xml", "<x/>")
    with pytest.raises(InputError, match="this archive is no XLSX workbook"):
        open_file(path).check()


def test_get_brings_rows_by_id(open_file: Open, csv_file: Written) -> None:
    """Rows are found by id; what is not there is left out."""
    path = csv_file("Id;E-mail\n" + "".join(f"{n};m{n}@example.com\n" for n in range(50)))
    refs = [RecordRef("file", name) for name in ("7", "49", "99")]
    found = open_file(path).get(refs)
    assert [found[ref].emails[0].address for ref in refs[:2]] == [
        "m7@example.com",
        "m49@example.com",
    ]
    assert len(found) == 2


def test_pages_come_as_they_are_read(open_file: Open, csv_file: Written) -> None:
    """The first page is there before the file is read to its end, with about how many there are."""
    path = csv_file("E-mail\n" + "x@example.com\n" * 5000)
    (page,) = islice(open_file(path).read(None), 1)
    assert (len(page.contacts), page.total, page.complete) == (1000, 5000, False)


def test_columns_of_what_few_tools_keep(open_file: Open, csv_file: Written) -> None:
    """Dates, flags and numbers are recognised by header; what is no such thing stays readable."""
    path = csv_file(
        "E-mail;Fin de contrat;Date de naissance;Legal hold;Achats;Type de source\n"
        "a@example.com;31/12/2026;12/03/65;oui;1 234,5;tiers\n"
        "b@example.com;bientôt;;;beaucoup;salon\n"
    )
    ((first, second), _) = _read(open_file(path))
    assert first.contract_end == datetime(2026, 12, 31, tzinfo=UTC)
    assert first.birth_date == datetime(1965, 3, 12, tzinfo=UTC), "nobody is born in the future"
    assert (first.legal_hold, first.purchases) == (True, 1234.5)
    assert first.source_type is SourceType.THIRD_PARTY
    assert (second.legal_hold, second.purchases, second.contract_end) == (None, None, None)
    assert second.extra == {
        "Fin de contrat": "bientôt",
        "Achats": "beaucoup",
        "Type de source": "salon",
    }


def test_notes_are_kept_only_where_somebody_asked(open_file: Open, csv_file: Written) -> None:
    """A column of notes says that there are some; mapped by the settings, what they say."""
    path = csv_file("E-mail;Notes\na@example.com;Likes tea.\n")
    ((seen,), _) = _read(open_file(path))
    ((kept,), _) = _read(open_file(path, columns={"notes": "Notes"}))
    assert (seen.has_notes, seen.notes, dict(seen.extra)) == (True, None, {})
    assert (kept.has_notes, kept.notes) == (True, "Likes tea.")
