"""Loaded by Python itself when a test starts the program with this folder on its path.

Notes every name that is asked of the name server and every address a socket goes to, and is the
name server: WATCHED_NAMES (JSON: name → addresses) answers, and all other names lead nowhere. What
goes to port 443 of this machine is led to WATCHED_TLS, where a test plays the vendor.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

_NOTES = Path(os.environ["WATCHED_NOTES"])
_NAMES: dict[str, list[str]] = json.loads(os.environ.get("WATCHED_NAMES", "{}"))
_TLS = int(os.environ.get("WATCHED_TLS", "0"))
_asked, _connect = socket.getaddrinfo, socket.socket.connect


def _note(what: str, whom: str) -> None:
    with _NOTES.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps([what, whom])}\n")


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return False


def _getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> list[Any]:
    name = host.decode() if isinstance(host, bytes) else host
    if name is None or name == "localhost" or _is_literal(name):
        return _asked(host, port, *args, **options)
    _note("name", name)
    found = _NAMES.get(name.rstrip("."))
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [entry for address in found for entry in _asked(address, port, *args, **options)]


def _connected(self: socket.socket, address: Any) -> None:
    if isinstance(address, tuple):
        _note("connect", f"{address[0]} {address[1]}")
        if address[0] == "127.0.0.1" and address[1] == 443 and _TLS:
            address = ("127.0.0.1", _TLS)
    _connect(self, address)


def _audit(event: str, details: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        _note("start", json.dumps([details[0], list(details[1])], default=os.fsdecode))


sys.addaudithook(_audit)
socket.getaddrinfo = _getaddrinfo  # type: ignore[assignment] # the same call, answered from a list
socket.socket.connect = _connected  # type: ignore[method-assign, assignment] # same
