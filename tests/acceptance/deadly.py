"""An emulated CRM that aims: it kills its client at the call it is told to, and keeps what took effect.

The moments that matter are met so: the request lost, the answer lost, the answer there and not yet
written down. Other kills come after a random time.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from crm_steward.sandbox import Emulator, Request, Response, Server
from crm_steward_hubspot.sandbox import HubSpotSandbox
from crm_steward_pipedrive.sandbox import PipedriveSandbox

Value = tuple[str, str, str]
"""Record, field, value."""


class Kind(NamedTuple):
    """What an emulated CRM calls things.

    Args:
        make: Makes one with so many contacts, from a seed.
        people: The table of contacts.
        tasks: The table of tasks.
        values: The values of a contact that rules here write, as (field, value).
        marker: What a task bears.
    """

    make: Callable[[int, int], Emulator]
    people: str
    tasks: str
    values: Callable[[Mapping[str, Any]], set[tuple[str, str]]]
    marker: Callable[[Mapping[str, Any]], str]


def _hubspot(row: Mapping[str, Any]) -> set[tuple[str, str]]:
    names = {
        "firstname": "first_name", "lastname": "last_name", "phone": "phone", "mobilephone": "phone",
    }  # fmt: skip
    held = row["properties"]
    return {(ours, text(held[theirs])) for theirs, ours in names.items() if held.get(theirs)}


def _pipedrive(row: Mapping[str, Any]) -> set[tuple[str, str]]:
    names = {(name, text(row[name])) for name in ("first_name", "last_name") if row[name]}
    return names | {("phone", text(one["value"])) for one in row["phones"]}


def _pipedrive_account(contacts: int, seed: int) -> Emulator:
    """Make one without blanks around the halves of names.

    Pipedrive takes the two halves as one name, which cannot hold blanks around them: whoever writes
    one half trims the other. An approved change of the other half would not fit any more.
    """
    # Processes that die do not know how many calls those before them made.
    crm = PipedriveSandbox(contacts=contacts, seed=seed, burst=2000, daily=10_000_000)
    people = crm.tables["persons"]
    for key, row in people.items():
        halves = {name: text(row[name]) or None for name in ("first_name", "last_name")}
        people[key] = {**row, **halves}
    return crm


KINDS = {
    "hubspot": Kind(
        lambda contacts, seed: HubSpotSandbox(contacts=contacts, seed=seed),
        "contacts",
        "tasks",
        _hubspot,
        lambda row: str(row["properties"]["hs_task_body"]),
    ),
    "pipedrive": Kind(
        _pipedrive_account,
        "persons",
        "activities",
        _pipedrive,
        lambda row: str(row["note"]),
    ),
}


@dataclass(frozen=True)
class Aim:
    """When a process dies.

    Args:
        seconds: So long after its start; None when a call decides.
        call: At its n-th call.
        how: `lost` before the CRM heard of it, `sent` before the answer, `answered` after it.
        delay: Seconds after the answer.
        sent: What it gets: SIGKILL, or SIGSTOP that only holds it up.
    """

    seconds: float | None = None
    call: int = 0
    how: str = ""
    delay: float = 0.0
    sent: signal.Signals = signal.SIGKILL

    @classmethod
    def drawn(cls, rng: random.Random, usual: float, calls: int, earliest: float) -> Aim:
        """Draw one.

        Args:
            rng: What decides.
            usual: How long such a command takes, in seconds.
            calls: How many it makes; 0 lets it die after a time.
            earliest: After which part of its time it does what a kill could harm.
        """
        if not calls or rng.random() < 0.35:
            return cls(seconds=rng.uniform(earliest, 1.0) * usual)
        how = rng.choice(["lost", "sent", "answered"])
        return cls(call=rng.randint(1, calls), how=how, delay=rng.choice([0.0, 0.005, 0.02, 0.05]))


class Deadly(Server):
    """Serves an emulator, kills its client where it is told to, and keeps what took effect."""

    def __init__(self, emulator: Emulator, kind: Kind, **options: Any) -> None:
        super().__init__(emulator, **options)
        self._kind = kind
        self._guard = threading.Lock()
        self._aim = Aim()
        self._pid = 0
        self._calls = 0
        self.waiting = 0
        """How many calls it has not answered yet."""
        self.struck = threading.Event()
        """Set once a client was struck at the call that was aimed at."""
        self.values: Counter[Value] = Counter()
        """How often each was set to that from another."""
        self.moments: defaultdict[Value | str, list[datetime]] = defaultdict(list)
        """When each value was set, and when each task was made that bears this."""
        self.idle: list[str] = []
        """Records that were written without any change: a write that was made twice."""
        self.made: Counter[str] = Counter()
        """What tasks that were made bear."""
        self.closed: Counter[str] = Counter()
        """Ids of tasks that were written to after they were made."""

    def aim(self, aim: Aim, pid: int = 0) -> None:
        """Strike at this process from now on."""
        with self._guard:
            self._aim, self._pid, self._calls = aim, pid, 0
            self.struck.clear()

    def answer(self, request: Request) -> Response:
        """Answer; kill the client before or after, when it is this call's turn."""
        with self._guard:
            self.waiting += 1
        try:
            return self._answer(request)
        finally:
            with self._guard:
                self.waiting -= 1

    def _answer(self, request: Request) -> Response:
        aim = self._struck()
        if aim and aim.how == "lost":
            self._kill()
            return self.emulator.error(502)
        with self.emulator.lock:
            before = self._tables()
            try:
                response = super().answer(request)
            finally:
                self._note(request, *before)
        if aim and aim.how == "sent":
            self._kill()
        elif aim:
            threading.Timer(aim.delay, self._kill).start()
        return response

    def _struck(self) -> Aim | None:
        with self._guard:
            self._calls += 1
            return self._aim if self._pid and self._calls == self._aim.call else None

    def _kill(self) -> None:
        with self._guard:
            if self._pid:
                os.kill(self._pid, self._aim.sent)
                self.struck.set()

    def _tables(self) -> tuple[dict[str, Any], dict[str, Any]]:
        tables = self.emulator.tables
        return dict(tables[self._kind.people]), dict(tables[self._kind.tasks])

    def _note(self, request: Request, people: Mapping[str, Any], tasks: Mapping[str, Any]) -> None:
        """Write down what a request changed; rows are replaced, never changed in place."""
        now_people, now_tasks = self._tables()
        for key, row in now_tasks.items():
            if key not in tasks:
                marker = self._kind.marker(row)
                self.made[marker] += 1
                self.moments[marker].append(self.emulator.now())
            elif row is not tasks[key]:
                self.closed[key] += 1
        if "/tasks" in request.path or "/activities" in request.path:
            return  # the CRM itself notes on the contact that there is a task
        for key, row in now_people.items():
            if row is not people[key]:
                self._note_person(key, self._kind.values(row) - self._kind.values(people[key]))

    def _note_person(self, key: str, changed: set[tuple[str, str]]) -> None:
        for name, value in changed:
            self.values[key, name, value] += 1
            self.moments[key, name, value].append(self.emulator.now())
        if not changed:
            self.idle.append(key)


def text(value: Any) -> str:
    """Return a value as it is compared."""
    return str(value or "").strip()
