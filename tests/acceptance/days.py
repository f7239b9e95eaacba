"""An office over days: the service's real jobs, four emulated CRMs and a mail server, and a clock that jumps.

A discrete simulation in one process. The job that is due first runs, and the clock is moved to that
moment; what people do in the CRMs, and what they approve, is due like a job. Calls go over real
HTTP, mails over real SMTP, the store is a real file. Only waiting takes no time: the service, the
pacing of its calls and the CRMs share one clock.
"""

from __future__ import annotations

import gc
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import sqlalchemy as sa
import yaml
from prometheus_client import generate_latest
from tests.acceptance.mishaps import KINDS, SHARE, Crm, Mailbox, faults

from crm_steward.daemon.here import Here
from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.rulebook import Rulebook
from crm_steward.daemon.runner import Job, Runner
from crm_steward.daemon.service import Service
from crm_steward.daemon.work import Work
from crm_steward.model import StewardError
from crm_steward.sandbox import parse_faults
from crm_steward.settings import Settings, load_settings
from crm_steward.store.database import Database
from crm_steward.store.jobs import Jobs
from crm_steward.store.journal import Journal
from crm_steward.store.outbox import Delivery, Outbox
from crm_steward.store.plans import Plans
from crm_steward.store.rulebooks import Rulebooks
from crm_steward.testing.account import Hurry
from crm_steward.testing.postbox import serving
from crm_steward.writing import approve, make_plan
from crm_steward.writing.apply import apply_plan

BEGAN = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
"""A quarter of a day before the clocks of Paris are set back, one and a half before a week begins."""
RECIPIENTS = ("crm@example.com", "direction@example.com")
RULES = """\
version: 1
rules:
  - id: names
    about: Names in capitals or small letters
    check: {kind: format, fields: [first_name, last_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
  - id: phones
    about: Numbers nobody can dial
    check: {kind: format, fields: [phone, mobile], only: fixable}
    actions: [update: {normalise: true}]
    mode: propose
  - id: no-title
    about: Nobody knows what they do
    check: {kind: required, fields: [job_title]}
    actions: [{task: {to: owner, due: 7 days, title: "Ask {full_name} what they do"}}]
    mode: propose
"""
_CALL_SECONDS, _SLOW_SECONDS, _JOB_SECONDS = 0.2, 45.0, 1.0
"""How long, on the simulated clock, a call takes, a slow one, and what a job does beside them."""
_LOCKED = 0.03
"""How many jobs find the database locked, from their start or from one of their calls on."""
_FIRST = ("CHLOE", "INES", "jerome", "NOEMIE", "karim", "ZOE", "gael", "LEA")


class Sample(NamedTuple):
    """What the process holds.

    Args:
        hour: Simulated hours since the start.
        memory: Resident bytes.
        descriptors: Open files, sockets and pipes.
        threads: Threads.
    """

    hour: float
    memory: int
    descriptors: int
    threads: int


def _unsynced(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF").close()  # no power fails here


class Office:
    """The service and those around it.

    Args:
        folder: Where it works.
        seed: What happens follows from it.
        contacts: How many people each CRM holds at the start.
        day, at: When the weekly report is due, in Paris.
    """

    def __init__(self, folder: Path, seed: int, contacts: int, *, day: str, at: str) -> None:
        self.rng = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
        self.time = Hurry()
        self.time.began = BEGAN
        self.samples: list[Sample] = []
        self.deeds: Counter[str] = Counter()
        self.mailbox = Mailbox(self.rng)
        self.crms = {
            name: Crm(kind.make(contacts=contacts, seed=seed, clock=self.time.now), self._meanwhile)
            for name, kind in KINDS.items()
        }
        self._folder, self._day, self._at = folder, day, at
        self._made: dict[str, list[str]] = {name: [] for name in KINDS}
        self._due: dict[str, datetime] = {}
        self._acts: dict[str, Callable[[], datetime]] = {}
        self._running, self._wanted = "", set[str]()
        self._locking: sqlite3.Connection | None = None
        self._locks_at = -1
        self._guard = threading.Lock()

    @contextmanager
    def open(self) -> Iterator[Office]:
        """Serve, and let the service begin."""
        with ExitStack() as held:
            for name, crm in self.crms.items():
                crm.start()
                held.callback(crm.stop)
                crm.faults.add(parse_faults(faults(name)))
            self.settings = self._settings(held.enter_context(serving(self.mailbox.postbox)))
            self.database = held.enter_context(Database.open(self.settings.database))
            sa.event.listen(self.database.engine, "connect", _unsynced)
            self.database.engine.dispose()
            self._begin()
            yield self
        assert [crm.crashes for crm in self.crms.values()] == [[]] * len(self.crms)

    def _settings(self, port: int) -> Settings:
        path = self._folder / "crm-steward.yaml"
        (self._folder / "own.yaml").write_text(RULES, "utf-8")
        generous = {"max_percent_per_day": 100, "max_changes_per_day": 10_000, "canary": 10_000}
        blocks: dict[str, Any] = {
            "version": 1,
            "timezone": "Europe/Paris",
            "database": f"sqlite:///{self._folder}/steward.db",
            "connections": {
                name: {
                    "kind": name, "country": "FR", "pull_every": "15 minutes",
                    **crm.emulator.connection(crm.url),
                }
                for name, crm in self.crms.items()
            },
            "rules": {"packs": ["duplicates"], "paths": ["own.yaml"]},
            "limits": generous,
            "service": {"apply_automatic": True, "full_pull_every": "1 day"},
            "mail": {
                "host": "127.0.0.1", "port": port, "security": "none", "sender": "steward@example.com",
            },
            "report": {
                "recipients": list(RECIPIENTS), "owners": "all", "day": self._day, "at": self._at,
            },
        }  # fmt: skip
        path.write_text(yaml.safe_dump(blocks), "utf-8")
        path.chmod(0o600)
        return load_settings(path)

    def _begin(self) -> None:
        stop, now = self.time, self.time.now
        self.rules = Rulebook(self.settings, Rulebooks(self.database).last())
        self.metrics = Metrics(self.database, clock=now)
        self.work = Work(
            self.settings,
            self.database,
            # In this process: another one knows no clock that stands still.
            Here(self.settings, self.database, self.rules, clock=now, stop=stop),
            self.metrics,
            clock=now,
            stop=stop,
            nudge=self._nudge,
            monotonic=self.time.monotonic,
        )
        self.runner = Runner(Jobs(self.database), self.metrics, now, stop)
        # The very jobs, with the very cadences, that the service would run.
        for job in Service(self.settings, clock=now)._jobs(self.work):
            self._acts[job.name] = partial(self._run, job)
            self._due[job.name] = self.runner.due(job)
        for name, act in {"people": self._edit, "approval": self._approve}.items():
            self._acts[name] = act
            self._due[name] = now() + timedelta(hours=1)

    # -- the schedule --------------------------------------------------------------------------

    def until(self, end: datetime) -> None:
        """Let time pass: whatever is due first happens first."""
        while (due := min(self._due.values())) <= end:
            name = min(one for one, at in self._due.items() if at == due)
            self._move_to(due)
            self._running = name
            self._wanted.discard(name)
            following = self._acts[name]()
            self._running = ""
            self.time.seconds += _JOB_SECONDS
            self._due[name] = self.time.now() if name in self._wanted else following
            self.time.slept.clear()
        self._move_to(end)

    def sampled(self, hours: int) -> None:
        """Let so many hours pass, and look at the process after each."""
        for hour in range(1, hours + 1):
            self.until(BEGAN + timedelta(hours=hour))
            self.samples.append(self.sample())

    def sample(self) -> Sample:
        """Return what the process holds, when nothing is under way; what the CRMs noted is let go."""
        generate_latest(self.metrics.registry)
        for crm in self.crms.values():
            crm.log.clear()
        for thread in threading.enumerate():
            if "process_request_thread" in thread.name:  # of an emulator: its client has gone
                thread.join(10)
        gc.collect()
        here = psutil.Process()
        hour = self.time.seconds / 3600
        return Sample(hour, here.memory_info().rss, here.num_fds(), here.num_threads())

    def rest(self, longest: timedelta) -> None:
        """Let nothing go wrong any more and nobody act, until all is settled and sent."""
        self.mailbox.calm = True
        for crm in self.crms.values():
            crm.faults.clear()
        for name in ("people", "approval"):
            del self._due[name]
        end = self.time.now() + longest
        self.until(self.time.now() + timedelta(hours=1))
        while self._unfinished() and self.time.now() < end:
            self.until(self.time.now() + timedelta(hours=1))

    def _unfinished(self) -> bool:
        mails = Outbox(self.database).letters()
        unsent = any(mail.status is not Delivery.SENT for mail in mails)
        return unsent or bool(Journal(self.database).under_way())

    def _move_to(self, moment: datetime) -> None:
        self.time.seconds = max(self.time.seconds, (moment - BEGAN).total_seconds())

    def _run(self, job: Job) -> datetime:
        unlucky = not self.mailbox.calm and self.rng.random() < _LOCKED
        self._locks_at = self.rng.randrange(4) if unlucky else -1
        try:
            if self._locks_at == 0:
                self._lock()
            return self.runner.run(job)
        finally:
            self._locks_at = -1
            if self._locking is not None:
                self._locking.close()
                self._locking = None

    def _nudge(self, name: str) -> None:
        self._wanted.add(name)
        if name != self._running:
            self._due[name] = self.time.now()

    # -- what goes wrong -----------------------------------------------------------------------

    def _meanwhile(self) -> None:
        """Let a call take its time, and the database be locked from it on if it is to be."""
        with self._guard:
            slow = not self.mailbox.calm and self.rng.random() < SHARE / 6
            self.deeds["slow answer"] += slow
            self.time.seconds += _SLOW_SECONDS if slow else _CALL_SECONDS
            if self._locks_at > 0:
                self._locks_at -= 1
                if self._locks_at == 0:
                    self._lock()

    def _lock(self) -> None:
        """Lock the database as another program does, until the job ends."""
        held = sqlite3.connect(
            self._folder / "steward.db", timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            held.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # the service itself is writing
            held.close()
            return
        self._locking = held
        self.deeds["locked database"] += 1

    # -- what people do ------------------------------------------------------------------------

    def _edit(self) -> datetime:
        """Add two people to a CRM, edit one, delete one now and then; nobody is edited twice."""
        name = self.rng.choice(list(self.crms))
        kind, crm, made = KINDS[name], self.crms[name].emulator, self._made[name]
        for _ in range(2):
            values = {kind.first: self.rng.choice(_FIRST), kind.last: self._surname()}
            values[kind.phone] = f"06 {self.rng.randrange(10**8):08d}"
            row = crm.by_hand({"do": "create", "values": values})
            made.append(str(row["id"]))
            self.deeds["created"] += 1
        if len(made) > 4:
            edited = made.pop(self.rng.randrange(len(made)))
            values = {kind.last: self._surname()}
            crm.by_hand({"do": "edit", "id": edited, "values": values})
            self.deeds["edited"] += 1
        if len(made) > 4:
            gone = made.pop(self.rng.randrange(len(made)))
            crm.by_hand({"do": kind.delete, "id": gone})
            self.deeds["deleted"] += 1
        return self.time.now() + timedelta(minutes=self.rng.uniform(15, 60))

    def _surname(self) -> str:
        return "".join(self.rng.choice("BCDFGLMNPRST") + self.rng.choice("AEIOU") for _ in range(4))

    def _approve(self) -> datetime:
        """Plan as a person does, approve all of it, write it."""
        settings, now = self.settings, self.time.now
        # What befalls a person's command ends it with a message; the next one goes on.
        with suppress(StewardError):
            self.deeds["plan"] += 1
            made = make_plan(
                self.database,
                self.rules.current,
                limits=settings.limits,
                abilities=settings.abilities,
                language=settings.language,
                zone=settings.timezone,
                clock=now,
            )
            stored = Plans(self.database).get(made.plan.hash)
            assert stored is not None
            if made.plan.changes:
                approve(self.database, stored, "all", by="Dana", clock=now)
                self.deeds["approved"] += len(made.plan.changes)
            with self.work._writer.use() as lease, closing(self.work._targets()) as targets:
                apply_plan(
                    self.database,
                    stored,
                    targets,
                    limits=settings.limits,
                    rules=self.rules.current.digest,
                    clock=now,
                    stop=self.time,
                    lease=lease,
                )
            self.deeds["plan written"] += 1
        return now() + timedelta(hours=self.rng.uniform(1, 4))

    # -- what became of it ---------------------------------------------------------------------

    def endings(self) -> Counter[str]:
        """Return how often jobs ended how."""
        ended: Counter[str] = Counter()
        for metric in self.metrics.runs.collect():
            for sample in metric.samples:
                if sample.name.endswith("_total"):
                    ended[sample.labels["outcome"]] += int(sample.value)
        return ended
