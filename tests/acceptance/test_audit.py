"""`crm-steward audit FILE`, as somebody runs it who has just installed it."""

from __future__ import annotations

import csv
import json
import re
import stat
from collections import Counter
from typing import TYPE_CHECKING, Any

import openpyxl  # noqa: TID253 -- a test looks at what was written
import pytest
from openpyxl.worksheet.worksheet import Worksheet  # noqa: TID253 -- the same

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.conftest import Cli

EXPORT = """\
Identifiant;NOM;Prénom;Courriel;Téléphone;Société;Pays;Dernière interaction;Consentement;Couleur
C1;LEFÈVRE;Hélène;helene@example.com;01 23 45 67 89;Été SARL;France;25/12/2019;oui;vert
C2;Lefèvre;Hélène;helene@example.com;+33123456789;Été SARL;France;03/04/2020;non;
C3;Müller;Zoé;zoe@example;06 12 34 56 78;=HYPERLINK("http://example.com");France;01/02/2020;;rouge
C4;Petit;Luc;luc@example.com;;Acme;France;02/11/2026;oui;;de trop
C5;<b>Gras</b>;Ève;;;Acme;France;02/11/2026;oui;
"""


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Give a French export in Windows-1252 with a broken row."""
    path = tmp_path / "contacts.csv"
    path.write_bytes(EXPORT.encode("cp1252"))
    return path


def _document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_french_export_without_any_configuration(steward: Cli, export: Path) -> None:
    """One command says how it read the columns, what it found, which rows are broken, and where."""
    done = steward("audit", export)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    text = re.sub(r"\s+", " ", done.stdout)
    assert "4 contacts lus, 1 ligne illisible" in text
    assert "Courriel → email synonyme" in text
    assert "Prénom → first_name nom exact" in text
    assert "gardées telles quelles : Couleur" in text
    assert "ligne 5: 11 cellules, l'en-tête en a 10" in text
    assert "contacts.report.html" in text
    page = export.with_name("contacts.report.html").read_text(encoding="utf-8")
    assert 'lang="fr"' in page
    assert "<b>Gras</b>" not in page
    assert stat.S_IMODE(export.with_name("contacts.report.html").stat().st_mode) == 0o600


def test_json_tells_the_same(steward: Cli, export: Path) -> None:
    """--json is one document with everything the summary shows."""
    document = _document(steward("audit", export, "--json", "--report", "r.html"))
    assert document["rows"] == 4
    assert document["broken"] == [{"line": 5, "reason": "it has 11 cells, the header has 10"}]
    mapping = {one["column"]: (one["field"], one["how"]) for one in document["mapping"]}
    assert mapping["NOM"] == ("last_name", "synonym")
    assert mapping["Dernière interaction"] == ("last_activity", "synonym")
    assert document["unmapped"] == ["Couleur"]
    assert (document["language"], document["country"]) == ("fr", "FR")
    counts = {one["kind"]: 0 for one in document["rules"]}
    for one in document["rules"]:
        counts[one["kind"]] += one["findings"]
    assert document["findings"] == sum(counts.values())
    assert counts["duplicates"] >= 1
    assert counts["stale"] == 3
    assert counts["consent"] >= 1
    assert counts["format"] >= 2
    assert export.with_name("r.html").exists()


@pytest.mark.parametrize("ending", ["jsonl", "csv", "xlsx"])
def test_findings_go_to_a_file(steward: Cli, export: Path, ending: str) -> None:
    """Each format holds one object per finding, with the same columns and no formula."""
    target = export.with_name(f"findings.{ending}")
    document = _document(steward("audit", export, "--json", "--findings", target))
    if ending == "jsonl":
        found = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
        assert {"C1", "C2"} in [set(one["ids"]) for one in found if one["kind"] == "duplicates"]
        assert all(one["refs"] == [f"file:{name}" for name in one["ids"]] for one in found)
        assert all(isinstance(one["evidence"], dict) for one in found)
    elif ending == "csv":
        with target.open(encoding="utf-8-sig", newline="") as file:
            found = list(csv.DictReader(file))
        assert {"C1; C2"} <= {one["ids"] for one in found}
        assert all(json.loads(one["evidence"]) for one in found)
    else:
        sheet = openpyxl.load_workbook(target).active
        assert sheet is not None
        rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
        assert {c.data_type for row in sheet.iter_rows() for c in row} <= {"s", "inlineStr", "n"}
        found = [dict(zip(map(str, rows[0]), row, strict=True)) for row in rows[1:]]
    assert list(found[0]) == ["rule", "kind", "severity", "refs", "ids", "score", "evidence"]
    counts = Counter(one["rule"] for one in found)
    assert counts == Counter({r["rule"]: r["findings"] for r in document["rules"] if r["findings"]})


def test_the_sheet_of_findings_filters_and_holds_text_only(steward: Cli, tmp_path: Path) -> None:
    """Its head stays in sight; an id such as =cmd|… is text, and what XML cannot hold is left out."""
    path = tmp_path / "contacts.csv"
    path.write_text("Id,Last name,Email\n=1+1,DUPONT,a\x0b@\n", encoding="utf-8")
    target = tmp_path / "findings.xlsx"
    _document(steward("audit", path, "--json", "--findings", target))
    sheet = openpyxl.load_workbook(target).active
    assert isinstance(sheet, Worksheet)
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:G{sheet.max_row}"
    cells = [cell for row in sheet.iter_rows(min_row=2) for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    assert "=1+1" in {cell.value for cell in cells}
    assert not list(tmp_path.glob(".*.tmp"))


def test_values_that_look_like_formulas_are_disarmed(steward: Cli, tmp_path: Path) -> None:
    """An id such as =cmd|… cannot run from the exported findings."""
    path = tmp_path / "contacts.csv"
    path.write_text("Id,Last name,Email\n=cmd|x!A0,DUPONT,a@\n", encoding="utf-8")
    target = tmp_path / "findings.csv"
    _document(steward("audit", path, "--json", "--findings", target))
    with target.open(encoding="utf-8-sig", newline="") as file:
        ids = {one["ids"] for one in csv.DictReader(file)}
    assert ids == {"'=cmd|x!A0"}


def test_the_input_is_only_read(steward: Cli, export: Path) -> None:
    """Bytes, time and mode of the file are as before, even where it could be written."""
    export.chmod(0o400)
    before = (export.read_bytes(), export.stat().st_mtime_ns, export.stat().st_mode)
    folder = {path.name for path in export.parent.iterdir()}
    _document(steward("audit", export, "--json"))
    assert (export.read_bytes(), export.stat().st_mtime_ns, export.stat().st_mode) == before
    assert {p.name for p in export.parent.iterdir()} - folder == {"contacts.report.html"}


def test_outputs_never_go_over_the_input(steward: Cli, export: Path) -> None:
    """Under its own name, or through a link, the input is not written to; nor one output twice."""
    before = export.read_bytes()
    export.with_name("link.csv").symlink_to(export)
    for options in (
        ["--report", "contacts.csv"],
        ["--findings", "link.csv"],
        ["--report", "x.csv", "--findings", "x.csv"],
    ):
        done = steward("audit", export, *options)
        assert done.returncode == 2
        assert "also another file" in re.sub(r"[\s│]+", " ", done.stderr)
    assert export.read_bytes() == before


def test_a_workbook_with_columns_named_by_hand(steward: Cli, tmp_path: Path) -> None:
    """--map, --id, --language and --country are obeyed, and shown as the user's choice."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Ref X", "Boîte", "Qui"], [7, "a@example.com", "ANNE"], [7, "b@example.com", "B"]):
        sheet.append(row)
    path = tmp_path / "contacts.xlsx"
    book.save(path)
    done = steward(
        "audit", path, "--map", "email=boite", "--map", "first_name=Qui", "--id", "Ref X",
        "--language", "en", "--country", "be", "--json",
    )  # fmt: skip
    document = _document(done)
    assert {one["field"]: one["how"] for one in document["mapping"]} == {
        "id": "user",
        "email": "user",
        "first_name": "user",
    }
    assert document["broken"] == [{"line": 3, "reason": "its id stands on an earlier line too"}]
    assert (document["language"], document["country"]) == ("en", "BE")


def test_rules_of_ones_own_replace_the_shipped(steward: Cli, export: Path) -> None:
    """--rules runs only those; a mistake in them is a configuration error with its place."""
    rules = export.with_name("mine.yaml")
    rules.write_text(
        "version: 1\nrules:\n  - id: red-ones\n    about: No company\n"
        "    check: {kind: required, fields: [job_title]}\n    mode: report\n",
        encoding="utf-8",
    )
    document = _document(steward("audit", export, "--rules", rules, "--json"))
    assert [(one["rule"], one["findings"]) for one in document["rules"]] == [("red-ones", 4)]
    rules.write_text("version: 1\nrules:\n  - id: x\n    chek: {}\n", encoding="utf-8")
    done = steward("audit", export, "--rules", rules)
    assert done.returncode == 3
    assert "mine.yaml:" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--map", "emial=Courriel"], 2, "unknown field 'emial' (did you mean 'email'?)"),
        (["--map", "email"], 2, "write --map field=column"),
        (["--map", "email=Couriel"], 10, "no column 'Couriel' (did you mean 'Courriel'?)"),
        (["--id", "Nope"], 10, "there is no column 'Nope'"),
        (["--encoding", "klingon"], 2, "unknown encoding 'klingon'"),
        (["--encoding", "utf-8"], 10, "lines are not utf-8, the first is line 1"),
        (["--delimiter", "abc"], 2, "one character"),
        (["--language", "de"], 2, "write en or fr"),
        (["--country", "Xyz"], 2, "no country"),
        (["--findings", "out.pdf"], 2, ".jsonl, .csv or .xlsx"),
        (["--report", "no/such/folder/r.html"], 2, "there is no folder no/such/folder"),
        (["--rules", "nothing.yaml"], 3, "nothing.yaml"),
    ],
)
def test_wrong_options(
    steward: Cli, export: Path, options: list[str], code: int, message: str
) -> None:
    """Each wrong option has its exit code and one message that says what and how; no traceback."""
    done = steward("audit", export, *options)
    said = re.sub(r"[\s│]+", " ", done.stderr)
    assert (done.returncode, message in said) == (code, True), said
    assert "Traceback" not in done.stderr
    assert not [p for p in export.parent.iterdir() if p != export]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"", "the file is empty"),
        (b"Nom;E-mail\n", "there are no rows"),
        (b"a;b\n1;2\n", "no column is recognised"),
        (b"\0\1\2\3" * 999, "neither text nor an XLSX workbook"),
        (b"PK\x03\x04" + b"\0" * 99, "the workbook is damaged"),
    ],
)
def test_unusable_files(steward: Cli, tmp_path: Path, content: bytes | None, message: str) -> None:
    """Each ends with exit code 10 and one line that names the file, the fault and the remedy."""
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_bytes(content)
    done = steward("audit", path)
    assert done.returncode == 10, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("encoding", "delimiter", "form"),
    [("cp1252", ";", "CSV, cp1252, ;"), ("utf-8", "\t", "CSV, utf-8, tab")],
)
def test_it_says_how_the_file_is_written(
    steward: Cli, tmp_path: Path, encoding: str, delimiter: str, form: str
) -> None:
    """What was recognised is told: whoever sees garbage knows which option to give."""
    path = tmp_path / "contacts.csv"
    rows = ("Prénom;Nom;E-mail", "Zoé;Fée;zoe@example.com", "René;Noël;rene@example.com")
    path.write_bytes("\n".join(rows).replace(";", delimiter).encode(encoding))
    assert f"contacts.csv ({form})" in steward("audit", path).stdout
    assert _document(steward("audit", path, "--json"))["form"] == form


def test_a_10_mb_cell_costs_its_row_only(steward: Cli, tmp_path: Path) -> None:
    """The row with the giant cell is named by its line; the rest is audited."""
    path = tmp_path / "contacts.csv"
    giant = "x" * 10_000_000
    path.write_text(f"Nom;E-mail\nA;a@example.com\nB;{giant}\nC;c@example.com\n", encoding="utf-8")
    document = _document(steward("audit", path, "--json"))
    assert document["rows"] == 2
    assert [one["line"] for one in document["broken"]] == [3]


def test_many_broken_rows_are_counted_and_ten_shown(steward: Cli, tmp_path: Path) -> None:
    """The summary stays short; the count is right."""
    path = tmp_path / "contacts.csv"
    path.write_text("Email,City\n" + "a@example.com,X\n" * 50 + "x,y,z\n" * 30, encoding="utf-8")
    done = steward("audit", path)
    assert "50 contacts read, 30 rows could not be read" in done.stdout
    assert done.stdout.count("it has 3 cells") == 10
    assert "and 20 more" in done.stdout


def test_reasons_are_french_in_french(steward: Cli, tmp_path: Path) -> None:
    """Whatever is wrong with a row is said in the language of the reader, on screen and page."""
    rows = [
        "1;a;b;c",
        '2;"a',
        "3;a\0",
        f"4;{'x' * 140_000}",
        f"5;{'x' * 40_000}",
        ";a",
        "6;a",
        "6;b",
    ]
    content = "Id;Nom;Ville\n" + "".join(f"{100 + n};é;\n" for n in range(300)) + "\n".join(rows)
    path = tmp_path / "contacts.csv"
    path.write_bytes(content.encode() + b"\n7;\xff\n")
    done = steward("audit", path)
    assert done.returncode == 0, done.stderr
    page = path.with_name("contacts.report.html").read_text(encoding="utf-8")
    for said in (
        "4 cellules",
        "un guillemet ouvert",
        "caractères NUL",
        "une cellule dépasse",
        "la colonne « Nom » dépasse",
        "son identifiant est vide",
        "figure déjà",
        "octets qui ne sont pas du utf-8",
    ):
        assert said in done.stdout
        assert said.replace("'", "&#39;") in page
    for english in ("it h", "its id", "a cell", "column "):
        assert english not in done.stdout


def test_headers_cannot_steer_the_terminal(steward: Cli, tmp_path: Path) -> None:
    """Escape sequences and markup in a header are shown as text."""
    path = tmp_path / "contacts.csv"
    path.write_text("Email,[red]x[/red]\x1b[31m\na@example.com,1\n", encoding="utf-8")
    done = steward("audit", path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "[red]x[/red]" in done.stdout


def test_nothing_is_left_behind(steward: Cli, export: Path, tmp_path: Path) -> None:
    """The database of the audit, which holds personal data, is gone afterwards."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    _document(steward("audit", export, "--json", env={"TMPDIR": str(scratch)}))
    assert not list(scratch.iterdir())
