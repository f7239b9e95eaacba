"""Writes findings and reports to files: whole or not at all, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer

from crm_steward.model import ConfigError, Finding, InputError, Problem

COLUMNS = ("rule", "kind", "severity", "refs", "ids", "score", "evidence")
_SHEET_ROWS = 1_048_575  # Excel's limit, without the header
_WIDTHS = (24, 12, 10, 40, 24, 8, 60)
"""Of its columns, in characters."""


def as_object(finding: Finding) -> dict[str, object]:
    """Return a finding as the JSON-ready object of an export."""
    return {
        "rule": finding.rule,
        "kind": finding.kind,
        "severity": finding.severity.label,
        "refs": [str(ref) for ref in finding.refs],
        "ids": [ref.id for ref in finding.refs],
        "score": finding.score,
        "evidence": dict(finding.evidence),
    }


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write findings, as they come, as `path` ends: `.jsonl`, `.csv` or `.xlsx`.

    Raises:
        ConfigError: `path` cannot be written.
        InputError: There are more findings than a worksheet has rows.
    """
    with replacing(path) as stream:
        _WRITERS[path.suffix.lower()](stream, findings)


def check_outputs(source: Path, *outputs: Path | None) -> None:
    """Refuse to write over the input, two outputs over one another, or into no folder.

    Raises:
        typer.BadParameter: They would.
    """
    seen = {_identity(source)}
    for path in filter(None, outputs):
        if _identity(path) in seen:
            raise typer.BadParameter(f"{path} is written to and is also another file of this call")
        seen.add(_identity(path))
        if not path.parent.is_dir():
            raise typer.BadParameter(f"{path} cannot be written: there is no folder {path.parent}")


def check_ending(path: Path) -> None:
    """Refuse an ending that no format has.

    Raises:
        typer.BadParameter: It has none of them.
    """
    if path.suffix.lower() not in _WRITERS:
        raise typer.BadParameter(f"{path}: write a name that ends in .jsonl, .csv or .xlsx")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a stream whose content stands at `path` afterwards, or not at all if something fails.

    Raises:
        ConfigError: The folder is missing, full, or cannot be written to.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        problem = Problem(
            f"{path} cannot be written ({error.strerror}).",
            hint="Name another place (--report, --findings), or free space there.",
        )
        raise ConfigError([problem]) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | Path:
    """Name a file so that links to it have the same name."""
    try:
        stat = path.stat()
    except OSError:
        return path.resolve()
    return stat.st_dev, stat.st_ino


def _flat(finding: Finding) -> list[str]:
    values = as_object(finding)
    return [
        *(str(values[name]) for name in ("rule", "kind", "severity")),
        "; ".join(str(ref) for ref in finding.refs),
        "; ".join(ref.id for ref in finding.refs),
        "" if finding.score is None else f"{finding.score:g}",
        json.dumps(values["evidence"], ensure_ascii=False, default=str),
    ]


def _write_jsonl(stream: BinaryIO, findings: Iterable[Finding]) -> None:
    for finding in findings:
        line = json.dumps(as_object(finding), ensure_ascii=False, default=str)
        stream.write(line.encode(errors="replace") + b"\n")


def _write_csv(stream: BinaryIO, findings: Iterable[Finding]) -> None:
    from crm_steward.connect.neutral import disarm

    # The mark at the start tells Excel that it is UTF-8.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([disarm(cell) for cell in _flat(finding)] for finding in findings)
    text.flush()
    text.detach()


def _write_xlsx(stream: BinaryIO, findings: Iterable[Finding]) -> None:
    from crm_steward.report.spreadsheet import Spreadsheet

    with tempfile.TemporaryDirectory() as folder, Spreadsheet(Path(folder)) as book:
        book.fill(book.sheet("Findings"), COLUMNS, _sheet_rows(findings), widths=_WIDTHS)
        stream.write(book.content())


def _sheet_rows(findings: Iterable[Finding]) -> Iterator[list[str]]:
    for number, finding in enumerate(findings, start=1):
        if number > _SHEET_ROWS:
            raise InputError(
                f"There are more findings than a worksheet has rows ({_SHEET_ROWS:,}).",
                hint="Write them to a .csv or .jsonl file.",
            )
        yield _flat(finding)


_WRITERS: dict[str, Callable[[BinaryIO, Iterable[Finding]], None]] = {
    ".jsonl": _write_jsonl,
    ".csv": _write_csv,
    ".xlsx": _write_xlsx,
}
