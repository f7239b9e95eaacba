"""What `crm-steward check` looks at, one thing after the other."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from crm_steward.cli.context import chosen, open_register, open_rules, open_settings
from crm_steward.cli.exits import Exit, exit_for
from crm_steward.connect.discovery import installed, open_connection, spec_of
from crm_steward.connect.protocol import Account
from crm_steward.connect.spec import ConnectionSettings
from crm_steward.connect.tokens import Vault
from crm_steward.model import ConfigError, Problem, StewardError
from crm_steward.settings import Settings, key_of, readable_secrets, secrets_in_file, vault_of
from crm_steward.store.database import HEAD, Database
from crm_steward.store.restored import RECONCILING, Restored

_LITTLE = 1_000_000_000
_TOO_LITTLE = 100_000_000
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check.

    Args:
        name: What was looked at.
        state: ok, warning or failed.
        text: What was found.
        remedy: What to do about it; empty when nothing.
        code: What the process ends with because of it.
    """

    name: str
    state: Literal["ok", "warning", "failed"]
    text: str
    remedy: str = ""
    code: Exit = Exit.OK

    @property
    def ok(self) -> bool:
        """Whether nothing has to be done before the service can run."""
        return self.state != "failed"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return {
            "name": self.name,
            "state": self.state,
            "text": self.text,
            "remedy": self.remedy,
        }


def checks(config: Path, names: Sequence[str] | None) -> Iterator[Result]:
    """Check everything, in an order in which a failure does not hide what comes after it.

    Args:
        config: The settings file.
        names: Only these connections; None for all that are enabled.
    """
    try:
        settings = open_settings(config)
    except ConfigError as error:
        yield from _problems("settings", error.problems)
        return
    number = len(settings.connections)
    yield Result(
        "settings", "ok", f"{config}: {number} {'connection' if number == 1 else 'connections'}"
    )
    yield from _file_mode(config, settings)
    yield from _problems("connectors", installed().broken)
    yield from _rules(settings)
    yield from _register(settings)
    yield from _database(settings)
    yield from _connections(settings, names)
    yield from _mail(settings)


def _problems(name: str, problems: Sequence[Problem]) -> Iterator[Result]:
    for problem in problems:
        where = f"{problem.where}: " if problem.where else ""
        rule = f"rule '{problem.rule}': " if problem.rule else ""
        text = f"{where}{rule}{problem.message}"
        yield Result(name, "failed", text, problem.hint, Exit.CONFIG)


def _failed(name: str, error: StewardError) -> Iterator[Result]:
    if isinstance(error, ConfigError):
        yield from _problems(name, error.problems)
    else:
        said = error.message.removeprefix(f"{name.removeprefix('connection ')}: ")
        yield Result(name, "failed", said, error.hint, exit_for(error))


def _file_mode(config: Path, settings: Settings) -> Iterator[Result]:
    secrets = secrets_in_file(config, settings)
    if secrets and _readable(config):
        text = f"{config} holds {', '.join(secrets)} and others may read it"
        remedy = f"chmod 600 {config}, or move them to secret files or the environment."
        yield Result("secrets", "warning", text, remedy)
    named = (getattr(one, "private_key_file", None) for one in settings.connections.values())
    keys = [path for path in (*named, key_of(settings).file) if path and _readable(path)]
    for path in (*readable_secrets(settings.folder), *keys):
        yield Result("secrets", "warning", f"others may read {path}", f"chmod 600 {path}")


def _readable(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _rules(settings: Settings) -> Iterator[Result]:
    try:
        book = open_rules(settings)
    except ConfigError as error:
        yield from _problems("rules", error.problems)
        return
    if book.rules:
        packs = ", ".join(settings.rules.packs)
        yield Result("rules", "ok", f"{len(book.rules)} rules ({packs})")
    else:
        remedy = "Name packs or files under `rules:`."
        yield Result("rules", "warning", "there is no rule: nothing would be found", remedy)


def _register(settings: Settings) -> Iterator[Result]:
    if settings.rules.register_file is None:
        return
    try:
        register = open_register(settings)
    except ConfigError as error:
        yield from _problems("register", error.problems)
        return
    text = f"{len(register.content.activities)} activities, {len(register.periods)} periods"
    if blanks := register.blanks(settings.language):
        said = f"{text}; still to be filled in: {', '.join(blanks)}"
        yield Result("register", "warning", said, f"Edit {register.file}.")
    else:
        yield Result("register", "ok", text)


def _database(settings: Settings) -> Iterator[Result]:
    url = settings.database
    path = Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None
    if path is not None and not path.exists():
        # Not made here: whoever checks is often not the user the service runs as.
        yield from _new_database(path)
        return
    try:
        with Database.open(url) as database:
            with database.write() as writing:
                writing.execute(sa.text("SELECT 1"))
            database.examine()
            version, place = database.version(), database.place
            restored = Restored.of(database)
    except StewardError as error:
        yield from _failed("database", error)
        return
    yield Result("database", "ok", f"{place}: writable, schema {version or HEAD}")
    if restored is not None:
        yield Result("restored", "warning", restored.said(settings.abilities), RECONCILING)
    if path is not None:
        yield from _space(path.parent)
        if _readable(path):
            text = f"{path} holds personal data and others may read it"
            yield Result("database", "warning", text, f"chmod 600 {path}")


def _new_database(path: Path) -> Iterator[Result]:
    folder = path.parent
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        yield Result("database", "ok", f"{path} will be made by the first pull")
        yield from _space(folder)
        return
    what = "may not be written by this user" if folder.is_dir() else "does not exist"
    remedy = f"Make it: install -d -m 700 {folder}, owned by the user the service runs as."
    yield Result("database", "failed", f"the folder {folder} {what}", remedy, Exit.STORE)


def _space(folder: Path) -> Iterator[Result]:
    free = shutil.disk_usage(folder).free
    said = f"{free / 1e9:,.1f} GB free in {folder}"
    if free < _TOO_LITTLE:
        yield Result("disk", "failed", said, "Free at least 1 GB.", Exit.STORE)
    elif free < _LITTLE:
        yield Result("disk", "warning", said, "Free at least 1 GB.")
    else:
        yield Result("disk", "ok", said)


def _connections(settings: Settings, names: Sequence[str] | None) -> Iterator[Result]:
    try:
        wanted = chosen(settings, names)
    except ConfigError as error:
        yield from _problems("connections", error.problems)
        return
    with closing(vault_of(settings)) as vault:
        for name, one in wanted.items():
            yield from _connection(name, one, vault)


def _connection(name: str, one: ConnectionSettings, vault: Vault) -> Iterator[Result]:
    label = f"connection {name}"
    try:
        with closing(open_connection(name, one, vault=vault)) as connector:
            account = connector.check()
    except StewardError as error:
        yield from _failed(label, error)
        return
    yield Result(label, "ok", _account(one, account))
    for line in account.missing:
        yield Result(label, "warning", line, code=Exit.PARTIAL)


def _account(one: ConnectionSettings, account: Account) -> str:
    known = account.name if account.id in account.name else f"{account.name} ({account.id})"
    title = spec_of(one.kind).title
    parts = [known if known.startswith(title) else f"{title} {known}"]
    if account.time_zone:
        parts.append(account.time_zone)
    parts.append(f"{len(account.fields)} fields")
    if account.owners:
        parts.append(f"{len(account.owners)} owners")
    parts += [f"{left:,} {name} calls left" for name, left in account.quota.items()]
    return ", ".join(parts)


def _mail(settings: Settings) -> Iterator[Result]:
    mail, recipients = settings.mail, settings.report.mailed
    if mail is None:
        if recipients:
            text = "the report has recipients, but there is no mail server"
            remedy = "Add `mail:` with host, sender and, if needed, username and password."
            yield Result("mail", "failed", text, remedy, Exit.CONFIG)
        return
    from crm_steward.report import greet

    try:
        said = greet(mail)
    except StewardError as error:
        yield from _failed("mail", error)
        return
    yield Result("mail", "ok", f"{mail.host}:{mail.port}, {said}")
    if not recipients:
        remedy = "Add addresses under `report: recipients:`."
        yield Result("mail", "warning", "nobody receives the report", remedy)
