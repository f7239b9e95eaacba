"""The heavy verbs: those that take rules, DuckDB and much memory; what they are asked, and answer.

`here` does them in this process, `apart` has each done by a process of its own, whose memory goes
with it. Answers hold ids and numbers, and are of light classes: whoever reads one loads nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from crm_steward.model import ConfigError, Problem
from crm_steward.rules import pack_path, shipped_register
from crm_steward.rules.loading import rule_files
from crm_steward.settings import Settings
from crm_steward.store.lease import Lease

if TYPE_CHECKING:
    from crm_steward.rules import RuleBook
    from crm_steward.store.reminders import Deed

Stamps = tuple[tuple[str, ...], ...]
"""Of each file its name, and what changes when it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesRead:
    """The rules that run, as far as it must be known without reading them.

    Args:
        digest: Theirs; empty before they were read for the first time.
        count: How many they are.
        problems: Why those on disk cannot be used; empty when they are the ones that run.
        texts: What their files said: file → text. They run on while those on disk are broken.
        stamps: Of the files on disk, just before they were read.
    """

    digest: str = ""
    count: int = 0
    problems: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    stamps: Stamps = ()

    @property
    def broken(self) -> str:
        """What is wrong with the rules on disk, as text; empty when they are the ones that run."""
        return "\n".join(self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What a scan did.

    Args:
        figures: What the log may tell of it.
        jumped: Rule → how much it found and what was usual, of those that only report from now on.
        moved: Whether some finding is new, reopened or resolved.
    """

    figures: Mapping[str, object]
    jumped: Mapping[str, str]
    moved: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was stored.

    Args:
        hash: The plan's.
        rules: The digest of the rules that it was made with.
    """

    hash: str
    rules: str


class Heavy(Protocol):
    """Does the heavy verbs.

    Each raises what the verb raises, and RetryableError when the service is asked to stop meanwhile.
    """

    @property
    def rules(self) -> RulesRead:
        """The rules as they were read last."""
        ...

    def read(self) -> RulesRead:
        """Read the rules; while an edit is broken the last good ones run on.

        Raises:
            ConfigError: They are wrong, and none ran before.
        """
        ...

    def book(self) -> RuleBook:
        """Return the rules themselves, in this process: seldom needed, and heavy."""
        ...

    def scan(self, lease: Lease, *, changed: bool) -> Scanned:
        """Read the rules and look at the mirror with them, at all of it or at what changed."""
        ...

    def plan(self, lease: Lease) -> Planned | None:
        """Make a plan, and store it when it holds something automatic; None when it does not."""
        ...

    def weekly(self, now: datetime) -> int:
        """Read the rules, queue the mails of this week that are missing, and return how many."""
        ...

    def restore_test(self, now: datetime) -> Deed | None:
        """Restore the newest backup into a temporary place, and return what was written down of it.

        None when it is not time.
        """
        ...


def stamps_of(settings: Settings) -> Stamps:
    """Return what changes when a file of the rules, or their register, is written, comes or goes."""
    return tuple(_stamps(settings))


def _stamps(settings: Settings) -> Iterator[tuple[str, ...]]:
    paths, problems = list(settings.rules.paths), list[Problem]()
    for name in settings.rules.packs:
        try:
            paths.append(pack_path(name))
        except ConfigError as error:
            problems += error.problems
    register = settings.rules.register_file or shipped_register()
    for file in (*rule_files(paths, settings.language, problems), register):
        try:
            found = os.stat(file)  # noqa: PTH116 -- the numbers in nanoseconds of any path
        except OSError as error:
            yield str(file), type(error).__name__
            continue
        yield str(file), str(found.st_mtime_ns), str(found.st_size), str(found.st_ino)
    yield tuple(str(problem) for problem in problems)
