"""systemd notifications, received on real sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from crm_steward.daemon.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def listening(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[str, socket.socket]]:
    """Give the address of a socket that listens, and the socket: in a folder, then abstract."""
    address = f"{tmp_path}/s" if request.param == "path" else f"@{uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        receiving.settimeout(5)
        yield address, receiving


def test_states_arrive_as_datagrams(listening: tuple[str, socket.socket]) -> None:
    """READY, STATUS, WATCHDOG and STOPPING, each in one datagram (sd_notify(3))."""
    address, receiving = listening
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.status("2 connections\nand more")
    notifier.alive()
    notifier.stopping()
    received = [receiving.recv(100).decode() for _ in range(4)]
    assert received == ["READY=1", "STATUS=2 connections", "WATCHDOG=1", "STOPPING=1"]


def test_the_watchdogs_period_is_read_for_this_process_only() -> None:
    """A period meant for a parent process is not ours."""
    pid = str(os.getpid())
    assert Notifier({"WATCHDOG_USEC": "90000000"}).watchdog == timedelta(seconds=90)
    assert Notifier({"WATCHDOG_USEC": "5", "WATCHDOG_PID": pid}).watchdog is not None
    assert Notifier({"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}).watchdog is None
    assert Notifier({"WATCHDOG_USEC": "soon"}).watchdog is None
    assert Notifier({}).watchdog is None


def test_a_manager_that_is_gone_does_not_stop_the_work(tmp_path: Path) -> None:
    """The service outlives a socket that nobody reads, and no socket at all."""
    Notifier({"NOTIFY_SOCKET": f"{tmp_path}/gone"}).ready()
    Notifier({}).ready()
    assert not (tmp_path / "gone").exists()
