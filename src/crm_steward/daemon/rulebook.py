"""The rules as they stand on disk, or the last good ones while an edit is broken."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from crm_steward.model import ConfigError
from crm_steward.rules import (
    RuleBook,
    load_register,
    load_rules,
    pack_path,
    shipped_register,
)
from crm_steward.settings import Settings
from crm_steward.store.rulebooks import REGISTER

_log = structlog.stdlib.get_logger(__name__)


def read_rules(settings: Settings) -> RuleBook:
    """Read the rules that the settings name.

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
    )
    return replace(book, texts={**book.texts, REGISTER: path.read_text(encoding="utf-8")})


class Rulebook:
    """Keeps the rules of a running service.

    Args:
        settings: Which rules run.

    Raises:
        ConfigError: They are wrong at the start.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._current = read_rules(settings)
        self.broken = ""
        """Why the rules on disk cannot be used; empty when they are the ones that run."""

    @property
    def current(self) -> RuleBook:
        """The rules that run."""
        return self._current

    def reload(self) -> RuleBook:
        """Read the rules again; while they are broken the last good ones run on."""
        with self._lock:
            try:
                fresh = read_rules(self._settings)
            except ConfigError as error:
                if self.broken != str(error):
                    problems = [str(problem) for problem in error.problems]
                    _log.error("rules are broken; the last good ones run on", problems=problems)
                self.broken = str(error)
                return self._current
            if fresh.digest != self._current.digest or self.broken:
                _log.info("rules read", rules=len(fresh.rules), digest=fresh.digest)
            self._current, self.broken = fresh, ""
            return fresh
