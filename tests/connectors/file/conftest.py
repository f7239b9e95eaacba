"""Opens files as connections, as the core does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crm_steward.connect.discovery import open_connection, spec_of
from crm_steward.sdk import Connector, Contact, Poison

NOW = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)

Open = Callable[..., Connector]
Written = Callable[..., Path]


@pytest.fixture
def open_file() -> Iterator[Open]:
    """Give a function that opens a file with settings."""
    opened: list[Connector] = []

    def opening(path: Path, **settings: Any) -> Connector:
        model = spec_of("file").settings(kind="file", **{"path": path, "ids": "line", **settings})
        connector = open_connection("file", model, clock=lambda: NOW)
        opened.append(connector)
        return connector

    yield opening
    for connector in opened:
        connector.close()


@pytest.fixture
def csv_file(tmp_path: Path) -> Written:
    """Give a function that writes a CSV of some text, or bytes."""

    def write(content: str | bytes, encoding: str = "utf-8", name: str = "contacts.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def xlsx_file(tmp_path: Path) -> Written:
    """Give a function that writes a workbook of some rows."""

    def write(*rows: list[Any], name: str = "contacts.xlsx", sheet: str = "Contacts") -> Path:
        import openpyxl

        path = tmp_path / name
        book = openpyxl.Workbook()
        page = book.active
        assert page is not None
        page.title = sheet
        for row in rows:
            page.append(row)
        book.save(path)
        return path

    return write


def everything(connector: Connector) -> tuple[list[Contact], list[Poison]]:
    """Read a file to its end."""
    contacts: list[Contact] = []
    poison: list[Poison] = []
    for page in connector.read(None):
        contacts += page.contacts
        poison += page.poison
    return contacts, poison
