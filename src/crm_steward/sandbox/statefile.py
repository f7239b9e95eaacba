"""Keeps an emulator's state on disk, so that it can be killed and started again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crm_steward.model import InputError
from crm_steward.sandbox.emulator import Emulator


class StateFile:
    """A header line naming the generated population, then one line per row written since.

    Every change is on its way to the disk before its answer is sent, so `kill -9` loses nothing
    that a client was told. A last line cut short belongs to an answer never sent and is dropped.

    Args:
        path: The file; made when it does not exist.
        emulator: Brought to the state the file holds.

    Raises:
        InputError: The file belongs to another emulator or population, or cannot be used.
    """

    def __init__(self, path: Path, emulator: Emulator) -> None:
        self._path = path
        self._emulator = emulator
        try:
            if path.exists() and path.stat().st_size:
                self._load()
            else:
                self.rewrite()
            self._file = path.open("ab")
        except OSError as error:
            raise InputError(
                f"{path}: the state cannot be kept there ({error.strerror})."
            ) from error

    @staticmethod
    def born(path: Path) -> str | None:
        """Return when the population in the file was dated from, or None without a file."""
        if not path.exists() or not path.stat().st_size:
            return None
        with path.open(encoding="utf-8") as lines:
            header = json.loads(lines.readline())
        born = header.get("born") if isinstance(header, dict) else None
        return born if isinstance(born, str) else None

    def save(self) -> None:
        """Write down what changed since the last call."""
        with self._emulator.lock:
            lines = [
                _line({"table": name, "id": key, "row": row})
                for name, table in self._emulator.tables.items()
                for key, row in table.drain()
            ]
            if lines:
                self._file.write(b"".join(lines))
                self._file.flush()

    def rewrite(self, *, full: bool = False) -> None:
        """Begin the file anew; with `full`, everything is written and nothing is generated."""
        with self._emulator.lock:
            rows = [
                _line({"table": name, "id": key, "row": row})
                for name, table in self._emulator.tables.items()
                for key, row in table.items()
                if full
            ]
            temporary = self._path.with_name(self._path.name + ".new")
            temporary.write_bytes(b"".join([_line({**self._header(), "full": full}), *rows]))
            temporary.replace(self._path)
            if hasattr(self, "_file"):
                self._file.close()
                self._file = self._path.open("ab")

    def close(self) -> None:
        """Write what is left and close the file."""
        self.save()
        self._file.close()

    def _header(self) -> dict[str, Any]:
        emulator = self._emulator
        return {
            "kind": emulator.kind,
            "contacts": emulator.contacts,
            "seed": emulator.seed,
            "born": emulator.born.isoformat(),
        }

    def _load(self) -> None:
        lines = self._path.read_bytes().split(b"\n")
        if lines[-1]:  # a line cut short by a kill
            self._path.write_bytes(b"\n".join([*lines[:-1], b""]))
        try:
            header = json.loads(lines[0])
            changes = [json.loads(line) for line in lines[1:-1]]
        except ValueError as error:
            raise InputError(f"{self._path}: this is not a sandbox state.") from error
        if {key: header.get(key) for key in self._header()} != self._header():
            raise InputError(
                f"{self._path}: the state was made for another population "
                f"({header.get('kind')}, {header.get('contacts')} contacts, "
                f"seed {header.get('seed')}).",
                hint="Give the same --kind, --contacts and --seed, or another --state file.",
            )
        self._replay(changes, full=bool(header.get("full")))

    def _replay(self, changes: list[dict[str, Any]], *, full: bool) -> None:
        emulator = self._emulator
        tables: dict[str, dict[str, Any]] = {
            name: {} if full else dict(table) for name, table in emulator.tables.items()
        }
        for change in changes:
            rows = tables[change["table"]]
            if change["row"] is None:
                rows.pop(change["id"], None)
            else:
                rows[change["id"]] = change["row"]
        emulator.reset({"kind": emulator.kind, "tables": tables})


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
