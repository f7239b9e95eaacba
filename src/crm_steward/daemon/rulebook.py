"""The rules as they stand on disk, or the last good ones while an edit is broken."""

from __future__ import annotations

import threading

import structlog

from crm_steward.model import ConfigError
from crm_steward.rules import RuleBook, load_register, load_rules, pack_path, shipped_register
from crm_steward.settings import Settings

_log = structlog.stdlib.get_logger(__name__)


def read_rules(settings: Settings) -> RuleBook:
    """Read the rules that the settings name, with the periods of their register.

    Raises:
        ConfigError: Some are wrong; holds every mistake of every file.
    """
    sources = [*map(pack_path, settings.rules.packs), *settings.rules.paths]
    register = load_register(settings.rules.register_file or shipped_register(), settings.language)
    return load_rules(
        sources,
        language=settings.language,
        abilities=settings.abilities,
        periods=register.periods,
    )


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
