"""The rules as they stand on disk, or the last good ones while an edit is broken."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from crm_steward.daemon.heavy import RulesRead, stamps_of
from crm_steward.model import ConfigError, Problem, utc_now
from crm_steward.rules import (
    RuleBook,
    load_register,
    load_rules,
    pack_path,
    shipped_register,
)
from crm_steward.settings import Settings
from crm_steward.store.rulebooks import REGISTER
from crm_steward.writing.fighting import refuse_fights

_log = structlog.stdlib.get_logger(__name__)


def read_rules(settings: Settings) -> RuleBook:
    """Read the rules that the settings name, with the periods of their register.

    Raises:
        ConfigError: Some are wrong; holds every mistake of every file.
    """
    return rules_in([*map(pack_path, settings.rules.packs), *settings.rules.paths], settings)


def rules_in(paths: Sequence[Path], settings: Settings) -> RuleBook:
    """Read the rules in `paths` for the connections and the register of the settings.

    Raises:
        ConfigError: Some are wrong; holds every mistake of every file.
    """
    path = settings.rules.register_file or shipped_register()
    register = load_register(path, settings.language)
    book = load_rules(
        paths,
        language=settings.language,
        abilities=settings.abilities,
        periods=register.periods,
        zone=settings.timezone,
    )
    refuse_fights(book, language=settings.language, now=utc_now(), connections=settings.abilities)
    return replace(book, texts={**book.texts, REGISTER: register.text})


def restored(kept: Mapping[str, str], settings: Settings) -> RuleBook:
    """Read rules that ran once; what they ask of the connections may be there no longer.

    Args:
        kept: Their files: name → text, the register of that time among them.
        settings: The connections they are for.

    Raises:
        ConfigError: This version cannot read them any more.
    """
    if REGISTER not in kept:
        kept = {**kept, REGISTER: _present_register(settings)}
    with tempfile.TemporaryDirectory(prefix="crm-steward-rules-") as folder:
        paths = {name: Path(folder, f"{n:04d}", Path(name).name) for n, name in enumerate(kept)}
        for name, text in kept.items():
            paths[name].parent.mkdir()
            paths[name].write_text(text, encoding="utf-8")
        book = load_rules(
            [path for name, path in paths.items() if name != REGISTER],
            language=settings.language,
            abilities=settings.abilities,
            periods=load_register(paths[REGISTER], settings.language).periods,
            zone=settings.timezone,
            excuse=True,
        )
    # As they were kept, for the next scan keeps them again.
    return replace(book, texts=dict(kept))


def _present_register(settings: Settings) -> str:
    """Return the register for rules that were kept without one: the settings', else the shipped one."""
    for path in filter(None, (settings.rules.register_file, shipped_register())):
        try:
            text = load_register(path, settings.language).text
        except ConfigError:
            continue
        _log.warning("the last good rules were kept without a register", periods_from=str(path))
        return text
    raise ConfigError([Problem("no register of retention periods can be read.")])


class Rulebook:
    """Keeps the rules of a running service.

    Args:
        settings: Which rules run.
        kept: The rule files of the last scan: while an edit is broken, they run, also when the
            service is started again.
        before: How another process of the service found the rules: what was said of them is not
            said again.

    Raises:
        ConfigError: They are wrong at the start, and none ran before.
    """

    def __init__(
        self,
        settings: Settings,
        kept: Mapping[str, str] | None = None,
        *,
        before: RulesRead | None = None,
    ) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self.problems: tuple[str, ...] = before.problems if before else ()
        """Why the rules on disk cannot be used; empty when they are the ones that run."""
        self._stamps = stamps_of(settings)
        try:
            self._current = read_rules(settings)
            self._welcome(self._current, before.digest if before else "")
        except ConfigError as error:
            if not kept:
                raise
            try:
                self._current = restored(kept, settings)
            except ConfigError as other:
                # What the manager can mend is the mistake on disk, not the copies of old files.
                said = [problem.message for problem in other.problems]
                _log.error("the rules of the last scan cannot be read any more", problems=said)
                raise error from None
            self._complain(error)

    @property
    def broken(self) -> str:
        """What is wrong with the rules on disk, as text; empty when they are the ones that run."""
        return "\n".join(self.problems)

    @property
    def current(self) -> RuleBook:
        """The rules that run."""
        return self._current

    def reload(self) -> RuleBook:
        """Read the rules again; while they are broken the last good ones run on."""
        with self._lock:
            self._stamps = stamps_of(self._settings)
            try:
                fresh = read_rules(self._settings)
            except ConfigError as error:
                self._complain(error)
                return self._current
            self._welcome(fresh, self._current.digest)
            self._current = fresh
            return fresh

    @property
    def said(self) -> RulesRead:
        """What must be known of the rules without reading them."""
        book = self._current
        return RulesRead(
            digest=book.digest,
            count=len(book.rules),
            problems=self.problems,
            texts=dict(book.texts),
            stamps=self._stamps,
        )

    def _welcome(self, fresh: RuleBook, before: str) -> None:
        """Say that other rules run than before; `before` is their digest, empty for none."""
        if (before and fresh.digest != before) or self.problems:
            _log.info("rules read", rules=len(fresh.rules), digest=fresh.digest)
        self.problems = ()

    def _complain(self, error: ConfigError) -> None:
        """Say once what is wrong."""
        problems = tuple(str(problem) for problem in error.problems)
        if problems != self.problems:
            _log.error("rules are broken; the last good ones run on", problems=list(problems))
        self.problems = problems
