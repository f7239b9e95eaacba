"""The file connector keeps the contract, over files on a disk."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import openpyxl  # noqa: TID253 -- a hand inside the workbook
import pytest
from openpyxl.cell import WriteOnlyCell  # noqa: TID253 -- same

from crm_steward.connect.discovery import open_connection
from crm_steward.sdk import Calls, Clock, Connector, utc_now
from crm_steward.testing.contract import ConnectorContract, SandboxAccount, Verb
from crm_steward_file import SPEC, FileSettings

_HEADER = ["Id", "First name", "Last name", "E-mail", "Created at", "Colour"]


class FileAccount(SandboxAccount):
    """A file that people edit: each edit saves it anew, as a spreadsheet program does."""

    spec = SPEC
    secrets = ()

    def __init__(self, path: Path, rows: int) -> None:
        self._path = path
        self._rows = [
            [str(n), "Ana", f"Name {n}", f"m{n}@example.com", "2024-03-04", "green"]
            for n in range(rows)
        ]
        self._save()

    def open(
        self, *, calls: Calls | None = None, clock: Clock = utc_now, **settings: Any
    ) -> Connector:
        given = {"path": self._path, **settings}
        return open_connection("file", FileSettings.model_validate(given), calls=calls, clock=clock)

    def ids(self) -> set[str]:
        return {row[0] for row in self._rows}

    def requests(self, verb: Verb) -> int:
        """Count how often the copy was written: its log has one moment per call; or tasks in it."""
        if verb is Verb.TASK:
            return sum(entry[1] == "task" for entry in self._log())
        if verb is not Verb.UPDATE:
            pytest.skip("a file counts no calls")
        return len({entry[0] for entry in self._log()})

    @contextmanager
    def steps(self, step: Callable[[str], None]) -> Iterator[None]:
        """Count what lets a new file take an old one's place."""
        replace = Path.replace

        def counted(path: Path, target: Path) -> Path:
            step("replace")
            return replace(path, target)

        with patch.object(Path, "replace", counted):
            yield

    def edit(self, record_id: str, name: str, value: str) -> None:
        at = _HEADER.index({"last_name": "Last name"}.get(name, "Colour"))
        next(row for row in self._rows if row[0] == record_id)[at] = value
        self._save()

    def add(self, last_name: str) -> str:
        self._rows.append([f"n{len(self._rows)}", "New", last_name, "", "", ""])
        self._save()
        return self._rows[-1][0]

    def delete(self, record_id: str) -> None:
        self._rows = [row for row in self._rows if row[0] != record_id]
        self._save()

    def tasks(self, record_id: str) -> list[str]:
        return [e[8] for e in self._log() if e[1] == "task" and e[2] == record_id]

    def _log(self) -> list[list[str]]:
        if self._path.suffix == ".csv":
            path = self._path.with_name(f"{self._path.stem}.changes.csv")
            if not path.exists():
                return []
            with path.open(encoding="utf-8-sig", newline="") as file:
                return list(csv.reader(file))[1:]
        path = self._path.with_name(f"{self._path.stem}.corrected.xlsx")
        if not path.exists():
            return []
        sheet = openpyxl.load_workbook(path)["Changes"]
        return [[str(cell) for cell in row] for row in sheet.iter_rows(2, values_only=True)]

    def _save(self) -> None:
        target = self._path.with_suffix(".new")
        if self._path.suffix == ".csv":
            with target.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([_HEADER, *self._rows])
        else:
            book = openpyxl.Workbook(write_only=True)
            sheet = book.create_sheet("Contacts")
            for row in [_HEADER, *self._rows]:
                cells = [WriteOnlyCell(sheet, value.replace("\r", "_x000D_")) for value in row]
                for cell in cells:
                    cell.data_type = "s"  # what a person types as text, not as a formula
                sheet.append(cells)
            book.save(target)
        target.replace(self._path)


class TestCsv(ConnectorContract):
    """A CSV file of a few pages."""

    @pytest.fixture
    def account(self, tmp_path: Path) -> SandboxAccount:
        """Give a CSV."""
        return FileAccount(tmp_path / "contacts.csv", rows=2300)

    @pytest.fixture
    def few(self, tmp_path: Path) -> SandboxAccount:
        """Give one of a page."""
        return FileAccount(tmp_path / "few.csv", rows=120)


class TestXlsx(ConnectorContract):
    """A workbook."""

    @pytest.fixture
    def account(self, tmp_path: Path) -> SandboxAccount:
        """Give a workbook."""
        return FileAccount(tmp_path / "contacts.xlsx", rows=230)

    @pytest.fixture
    def few(self, tmp_path: Path) -> SandboxAccount:
        """Give a small one."""
        return FileAccount(tmp_path / "few.xlsx", rows=60)
