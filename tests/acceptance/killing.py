"""An office whose commands are killed: the real program, a CRM that aims, and what the journal says.

What the CRM really did is written down beside it, by the emulator (`deadly`), and compared with
what the journal says.
"""

from __future__ import annotations

import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
import yaml
from tests.acceptance.deadly import Aim, Deadly, Value, text
from tests.program import PATIENCE_SECONDS, Program

from crm_steward.model import CloseTask, CreateTask, RecordRef, UpdateFields
from crm_steward.sandbox import parse_faults
from crm_steward.store.database import Database
from crm_steward.store.journal import MAX_ATTEMPTS, UNDER_WAY, Journal, Line, State
from crm_steward.store.lease import hold
from crm_steward.store.lines import SET_ASIDE
from crm_steward.store.plans import Plans, StoredPlan
from crm_steward.store.tables import quarantine
from crm_steward.store.verifying import verify
from crm_steward.writing.aside import WAITS

FAULTS = """
- {name: lost answer, method: POST, reset: after, probability: 0.03}
- {name: lost answer, method: PATCH, reset: after, probability: 0.03}
- {name: gateway, status: 502, probability: 0.02}
- {name: half an answer, half_body: true, probability: 0.01}
"""
RULES = """\
version: 1
rules:
  - id: phones
    about: Numbers nobody can dial
    check: {kind: format, fields: [phone, mobile], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
    limits: {max_changes: 3, max_percent: 100}
  - id: names
    about: Names in capitals or small letters
    check: {kind: format, fields: [first_name, last_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: propose
  - id: no-region
    about: Contacts without a region
    check: {kind: required, fields: [region]}
    actions: [{task: {to: owner, due: 7 days, title: "Where is {full_name}?"}}]
    mode: propose
"""
_AHEAD = """
from datetime import datetime, timedelta, timezone
import time_machine
time_machine.travel(datetime.now(timezone.utc) + timedelta(seconds={seconds}), tick=True).start()
from crm_steward.cli.app import main
main()
"""
_COLD = 0.1
"""How many of the killed are started as a user does; the others are forked from a loaded program."""
_NEXT_TRY = max(WAITS) + timedelta(hours=1)
"""Whatever failed before may be tried again after this time."""
_LAST_RUNS = 8
"""How often what was approved is planned and written anew, at most, until all of it is done."""
_NOTHING_BROKEN = {0, 1, 5, 6, 8, 12}
"""Done, something to look at, the CRM out of reach, a plan used up, busy, halted: no bug, no damage."""


@dataclass
class KilledOffice:
    """One office: its folder, its database, its CRM, and its commands, which are killed.

    Args:
        folder: Where it works.
        url: Its database.
        kind: Its CRM's kind.
        server: Its CRM.
        rng: What decides.
        program: What starts its commands.
        approved: Keys of changes that were approved, with the records they are about.
        undone: Keys of changes whose undo was asked for.
        kills: How often each command was killed.
        ended: How often each command ended by itself, by exit code.
        port: Where its service answers.
    """

    folder: Path
    url: str
    kind: str
    server: Deadly
    rng: random.Random
    program: Program
    approved: dict[str, RecordRef] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    kills: Counter[str] = field(default_factory=Counter)
    ended: Counter[tuple[str, int]] = field(default_factory=Counter)
    port: int = 0
    _usual: dict[tuple[str, bool], float] = field(default_factory=dict)

    def write(self, **more: str) -> None:
        """Write the settings, with more of the connection, and the rules; the service gets a free port."""
        self.port = free_port()
        connection = {
            "kind": self.kind,
            "country": "FR",
            "pull_every": "1 second",
            **self.server.emulator.connection(self.server.url),
            **more,
        }
        settings = {
            "version": 1,
            "database": self.url,
            "connections": {"crm": connection},
            "rules": {"packs": [], "paths": ["own.yaml"]},
            "limits": {
                "canary": 100_000,
                "max_percent_per_day": 100,
                "max_changes_per_day": 100_000,
                "max_changes_per_run": 100_000,
            },
            "service": {"listen": f"127.0.0.1:{self.port}", "apply_automatic": True},
        }
        path = self.folder / "crm-steward.yaml"
        path.write_text(yaml.safe_dump(settings), "utf-8")
        path.chmod(0o600)
        (self.folder / "own.yaml").write_text(RULES, "utf-8")

    def calls(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call a command that is left alone."""
        self.server.aim(Aim())
        return self.program.run(arguments, cwd=self.folder)

    def well(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call a command that must end well."""
        done = self.calls(*arguments)
        assert done.returncode == 0, (arguments, done.stderr[-2000:], done.stdout[-1000:])
        return done

    def strike(self, *arguments: str, calls: int) -> bool:
        """Call a command and kill it; return whether it died before its end."""
        name = arguments[0]
        cold = not self.program.forks or self.rng.random() < _COLD
        usual = self._usual.get((name, cold), 1.5 if cold else 0.5)
        aim = Aim.drawn(self.rng, usual, calls, earliest=0.4 if cold else 0.1)
        begun = time.monotonic()
        with self.program.start(arguments, cwd=self.folder, anew=cold) as process:
            self.server.aim(aim, process.pid)
            try:
                code = process.wait(aim.seconds if aim.seconds is not None else PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
                assert aim.seconds is not None, (arguments, aim, process.err[-3000:])
            # A kill that is still on its way must not meet another process of this number.
            self.server.aim(Aim())
            said = process.err
        if code == -signal.SIGKILL:
            self.kills[name] += 1
            if aim.seconds is not None:  # the next one may come closer to the end
                self._usual[name, cold] = usual * 1.1
            return True
        assert code in _NOTHING_BROKEN, (arguments, said[-3000:])
        self.ended[name, code] += 1
        self._usual[name, cold] = (usual + time.monotonic() - begun) / 2
        return False

    @contextmanager
    def seen(self) -> Iterator[Database]:
        """Give the database as it lies there; a SQLite file is copied, so that the program recovers its own."""
        if not self.url.startswith("sqlite"):
            with Database.open(self.url) as database:
                yield database
            return
        looked = self.folder / "looked"
        shutil.rmtree(looked, ignore_errors=True)
        looked.mkdir()
        for name in ("steward.db", "steward.db-journal"):
            if (self.folder / name).exists():
                shutil.copy(self.folder / name, looked / name)
        with closing(sqlite3.connect(looked / "steward.db")) as opened:
            assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        with Database.open(f"sqlite:///{looked}/steward.db") as database:
            yield database

    def look(self) -> tuple[StoredPlan | None, list[Line]]:
        """Return the present plan and the journal, oldest first; all must be whole."""
        with self.seen() as database:
            assert verify(database, None).sound
            return Plans(database).latest(), list(Journal(database).each())

    def set_aside(self) -> set[str]:
        """Return the keys of changes that are set aside after five attempts; the report names them."""
        with self.seen() as database, database.read() as reading:
            # Records that could not be read stand there, too: a large office has some.
            query = sa.select(quarantine.c.id, quarantine.c.attempts).where(
                quarantine.c.id.startswith(SET_ASIDE, autoescape=True)
            )
            named = reading.execute(query).all()
        assert all(row.attempts >= MAX_ATTEMPTS for row in named)
        return {row.id.removeprefix(SET_ASIDE) for row in named}

    def round(self) -> bool:
        """Call and kill one command; return whether it died before its end."""
        plan, lines = self.look()
        verb = self.rng.choices(
            ["apply", "undo", "pull", "scan", "plan", "run"], [10, 2, 2, 2, 2, 2]
        )[0]
        if verb == "apply" and plan is not None:
            return self._apply(plan)
        if verb == "undo" and (keys := self._done(lines)):
            key = self.rng.choice(keys)
            self.undone.add(key)
            return self.strike("undo", key, "--yes", "--wait", "0", calls=5)
        if verb in {"scan", "plan"}:
            return self.strike(verb, calls=0)
        return self.strike("pull" if verb == "pull" else "run", calls=8)

    def _apply(self, plan: StoredPlan) -> bool:
        waiting = {
            one.key: one.change.ref
            for one in plan.plan.changes
            if not one.automatic and one.key not in self.approved
        }
        chosen = self.rng.sample(list(waiting), min(3, len(waiting)))
        self.approved |= {key: waiting[key] for key in chosen}
        return self.strike(*self.applied(plan, chosen), calls=8)

    def applied(self, plan: StoredPlan, keys: list[str], wait: int = 0) -> list[str]:
        """Return the command that approves some changes of a plan and writes it."""
        approving = [word for key in keys for word in ("--approve", key)]
        return ["apply", plan.hash, "--yes", "--wait", str(wait), *approving]

    def _done(self, lines: list[Line]) -> list[str]:
        """Return what took effect and nobody asked yet to undo."""
        return [
            line.key
            for line in lines
            if line.state is State.VERIFIED and line.undoes is None and line.key not in self.undone
        ]

    def prove(self) -> None:
        """Let the rules be no canaries any more: undoing what one wrote would stop it."""
        plan, _ = self.look()
        assert plan is not None
        with Database.open(self.url) as database, hold(database) as lease:
            Journal(database).prove(dict(plan.plan.digests), lease)

    def finish(self) -> None:
        """Let the program carry out everything that was approved, and leave it alone meanwhile.

        What failed waits for up to twelve hours before it is tried again, and what failed five
        times for a person: the clocks of both sides move on, and the person lets it go.
        """
        self.server.faults.clear()
        ahead = timedelta()
        for _ in range(_LAST_RUNS):
            _, lines = self.look()
            if not self.left(lines):
                return
            ahead += _NEXT_TRY
            self.server.emulator.offset = ahead
            if self.set_aside():
                self.later(ahead, "release", "--all")
            told = [self.later(ahead, command) for command in ("pull", "scan", "plan")]
            plan, lines = self.look()
            assert plan is not None
            # Approved before, in a plan that another one replaced since.
            left = self.left(lines)
            again = [one.key for one in plan.plan.changes if one.key in left]
            told.append(self.later(ahead, *self.applied(plan, again, wait=15), well=(0, 1)))
        left = self.left(lines)
        history = [line for line in lines if line.ref in left.values()]
        raise AssertionError("what was approved does not come to an end", left, history, told[-2:])

    def left(self, lines: list[Line]) -> dict[str, RecordRef]:
        """Return what was approved and did not take effect, and what is under way, with its record."""
        last = {line.key: line for line in lines}
        verified = {line.key for line in lines if line.state is State.VERIFIED}
        waiting = {key: ref for key, ref in self.approved.items() if key not in verified}
        return waiting | {key: one.ref for key, one in last.items() if one.state in UNDER_WAY}

    def later(self, ahead: timedelta, *arguments: str, well: tuple[int, ...] = (0,)) -> str:
        """Call a command on a machine whose clock is ahead; it must end well. Return what it said."""
        self.server.aim(Aim())
        code = _AHEAD.format(seconds=ahead.total_seconds())
        done = self.program.run(arguments, cwd=self.folder, code=code)
        said = done.stdout[-3000:] + done.stderr[-3000:]
        assert done.returncode in well, (arguments, said)
        return said

    def go_wrong(self) -> None:
        """Let calls fail as calls fail."""
        self.server.faults.add(parse_faults(yaml.safe_load(FAULTS)))


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class Ledger(NamedTuple):
    """What the journal says took effect.

    Args:
        values: How often each value was set.
        made: How often each task was made, by what it bears.
        closed: How often each task was closed, by its id.
        since: When the intents were written down, of each value and each task that was made.
    """

    values: Counter[Value]
    made: Counter[str]
    closed: Counter[str]
    since: Mapping[Value | str, list[datetime]]

    @classmethod
    def of(cls, lines: list[Line]) -> Ledger:
        """Return what the verified lines say: each belongs to the last intent of its key."""
        ledger = cls(Counter(), Counter(), Counter(), defaultdict(list))
        intents: dict[str, Line] = {}
        for line in lines:
            if line.state is State.INTENT:
                intents[line.key] = line
            elif line.state is State.VERIFIED:
                ledger._add(intents[line.key])
        return ledger

    def _add(self, intent: Line) -> None:
        match intent.change:
            case UpdateFields() as update:
                names = {"mobile": "phone"}
                for name, value in update.values.items():
                    # Where a name is written whole, its other half goes along unchanged.
                    if text(value) != text(update.expected[name]):
                        one = (update.ref.id, names.get(name, name), text(value))
                        self.values[one] += 1
                        self.since[one].append(intent.at)
            case CreateTask() as task:
                self.made[task.marker] += 1
                self.since[task.marker].append(intent.at)
            case CloseTask() as closing_:
                self.closed[closing_.task] += 1

    def early(self, server: Deadly) -> list[Value | str]:
        """Return what took effect before the intent that it is said to belong to.

        It is an effect of an earlier one, of which the journal says that it had none.
        """
        found: list[Value | str] = []
        for one, since in self.since.items():
            happened = [
                moment
                for key, moments in server.moments.items()
                if key == one or (isinstance(one, str) and isinstance(key, str) and one in key)
                for moment in moments
            ]
            found += [one for a, b in zip(sorted(since), sorted(happened), strict=True) if b < a]
        return found
