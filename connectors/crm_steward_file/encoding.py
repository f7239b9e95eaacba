"""Finds out what a file is: a workbook or text, and in which encoding."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from crm_steward.sdk import InputError

_CHUNK = 1 << 20  # bytes read at a time
_HEAD = 1 << 16  # bytes looked at to tell text from binary
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NUL_SHARE = 0.01  # above it, it is no text; a stray NUL only breaks its row
_CONTROL_SHARE = 0.05
_FEW = 8  # such characters are damage in a small file, not a sign of another form
_BAD_LINES = 0.01  # of a chosen encoding; above it, the choice is wrong
_ENOUGH_BAD = 1000  # lines that are no UTF-8: no need to count on
_CONTROL = bytes(set(range(32)) - set(b"\t\r\n\f"))


class Form(Enum):
    """What a file is."""

    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Content:
    """What is known about a file before it is parsed.

    Args:
        form: CSV or XLSX.
        sha256: Hash of its bytes.
        encoding: Python's name of it; empty for a workbook.
        lines: How many lines the text has; 0 for a workbook.
    """

    form: Form
    sha256: str
    encoding: str = ""
    lines: int = 0


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turn the system's refusals into an InputError that names the file and the remedy."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file.", hint="Check the path.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder.", hint="Name a CSV or XLSX file in it.") from error
    except PermissionError as error:
        raise InputError(
            f"{path}: reading it is not permitted.", hint="Give this user the right to read it."
        ) from error
    except OSError as error:
        raise InputError(
            f"{path}: it cannot be read ({error.strerror}).", hint="Copy it to a local disk."
        ) from error


def inspect(path: Path, encoding: str | None) -> Content:
    """Find out what `path` is, in one pass over its bytes.

    Args:
        path: The file.
        encoding: The encoding the user names, which is then only verified.

    Raises:
        InputError: It is missing, empty, neither text nor a workbook, or not in `encoding`.
    """
    with opening(path), path.open("rb") as stream:
        head = stream.read(_HEAD)
    if not head.strip():
        raise InputError(f"{path}: the file is empty.", hint="Export it again.")
    if head.startswith(b"PK\x03\x04"):
        return Content(Form.XLSX, sha256_of(path))
    if head.startswith(_OLE):
        raise _old_or_locked(path)
    named = _by_mark(head) if encoding in {None, "utf-8", "utf-16"} else encoding
    named = named or encoding
    letters = head.replace(b"\0", b"") if (named or "").startswith("utf-16") else head
    if encoding is None and _is_binary(letters):
        raise InputError(
            f"{path}: this is neither text nor an XLSX workbook.",
            hint="Export the contacts as CSV or XLSX.",
        )
    return _text(path, named, chosen=encoding is not None)


def sha256_of(path: Path) -> str:
    """Return the hash of the file's bytes.

    Raises:
        InputError: It cannot be read.
    """
    with opening(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _old_or_locked(path: Path) -> InputError:
    with opening(path):
        locked = _ENCRYPTED in path.read_bytes()
    if locked:
        return InputError(
            f"{path}: the workbook is protected by a password.",
            hint="Save a copy without the password.",
        )
    return InputError(
        f"{path}: this is the old Excel format (.xls).", hint="Save it as .xlsx or CSV."
    )


def _by_mark(head: bytes) -> str | None:
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half and odd > half * 0.4 and even < half * 0.1:
        return "utf-16-le"
    if half and even > half * 0.4 and odd < half * 0.1:
        return "utf-16-be"
    return None


def _is_binary(head: bytes) -> bool:
    controls = len(head) - len(head.translate(None, _CONTROL))
    return (
        head.count(0) > max(_FEW, len(head) * _NUL_SHARE)
        or controls > max(_FEW, len(head) * _CONTROL_SHARE)
        or head.startswith((b"%PDF-", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b"))
    )


def _text(path: Path, named: str | None, *, chosen: bool) -> Content:
    digest = hashlib.sha256()
    tally = _Tally()
    lines = 0
    with opening(path), path.open("rb") as stream:
        for block in _whole_lines(stream):
            digest.update(block)
            lines += block.count(b"\n") or block.count(b"\r")
            if named is None:
                tally.look(block, "utf-8")
            elif chosen and not named.startswith("utf-16"):
                tally.look(block, named)
    if chosen and named is not None and tally.bad > max(1, lines * _BAD_LINES):
        raise InputError(
            f"{path}: {tally.bad} lines are not {named}, the first is line {tally.first}.",
            hint="Leave the encoding out to have it recognised, or name another.",
        )
    return Content(Form.CSV, digest.hexdigest(), named or tally.verdict, lines)


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield blocks that end where a line ends, so that no character is cut."""
    rest = b""
    while chunk := stream.read(_CHUNK):
        block, newline, tail = (rest + chunk).rpartition(b"\n")
        if newline:
            yield block + newline
        rest = tail
    if rest:
        yield rest


class _Tally:
    """Counts the lines that are, and are not, in an encoding."""

    def __init__(self) -> None:
        self.good = 0  # lines with more than ASCII that decode
        self.bad = 0
        self.first = 0  # the first bad line
        self._seen = 0

    @property
    def verdict(self) -> str:
        """UTF-8 where most of what can tell says so: a few broken lines do not change it."""
        return "utf-8" if self.bad == 0 or self.good > 10 * self.bad else "cp1252"

    def look(self, block: bytes, encoding: str) -> None:
        """Count the lines of `block`."""
        if self.bad > _ENOUGH_BAD and self.bad > self.good:
            return
        lines = block.count(b"\n")
        if block.isascii():
            self._seen += lines
            return
        for number, line in enumerate(block.split(b"\n"), start=self._seen + 1):
            if not line.isascii():
                self._count(line, number, encoding)
        self._seen += lines

    def _count(self, line: bytes, number: int, encoding: str) -> None:
        try:
            line.decode(encoding)
        except UnicodeDecodeError:
            self.bad += 1
            self.first = self.first or number
        else:
            self.good += 1
