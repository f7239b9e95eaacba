"""Puts the sources together, checks the whole and names every mistake with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from crm_steward.connect.discovery import installed, specs
from crm_steward.connect.spec import ConnectionSettings
from crm_steward.model import ConfigError, Problem
from crm_steward.settings.models import Settings
from crm_steward.settings.sources import (
    PREFIX,
    Loc,
    Source,
    read_environment,
    read_secret_files,
    read_yaml,
)
from crm_steward.settings.values import UNKNOWN_KIND
from crm_steward.store.cipher import DatabaseUrl

_RESERVED = "folder"
STOP_FILE = "STOP-WRITING"
"""While a file of this name is beside the database, nothing is written."""


def load_settings(path: Path) -> Settings:
    """Read the settings file, then secret files, then the environment; the last one wins.

    Args:
        path: The settings file; relative paths in it start at its folder.

    Raises:
        ConfigError: The file is missing or wrong, or a prefixed environment variable is unknown;
            holds every problem found, each with its place, never with a secret.
    """
    sources = (read_environment(), read_secret_files(path.parent), read_yaml(path))
    problems = [problem for source in sources for problem in source.problems]
    problems += _reserved(sources)
    try:
        settings = _merge(sources)
    except ValidationError as error:
        explain = _Explainer(sources, path)
        problems += [explain(details) for details in error.errors(include_input=False)]
        problems += installed().broken if _lacks_kind(error) else ()
        raise ConfigError(sorted(problems, key=_reading_order)) from None
    if problems:
        raise ConfigError(sorted(problems, key=_reading_order))
    return _resolved(settings, path.resolve().parent)


def secrets_in_file(path: Path, settings: Settings) -> tuple[str, ...]:
    """Name the secrets that are written in the settings file itself, such as `mail.password`."""
    file = read_yaml(path)
    named = [_dotted(loc) for loc in file.places if isinstance(_at(settings, loc), SecretStr)]
    return tuple(named + (["database"] if _has_password(file.values.get("database")) else []))


def settings_schema() -> dict[str, Any]:
    """Return the JSON schema of the settings file, with the kinds that are installed."""
    schema = Settings.model_json_schema()
    definitions = schema["$defs"]
    definitions.pop(ConnectionSettings.__name__, None)
    for kind, spec in sorted(specs().items()):
        own = spec.settings.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= own.pop("$defs", {})
        own["properties"]["kind"] = {"const": kind, "description": f"{spec.title}."}
        own["title"] = spec.title
        definitions[f"{kind} connection"] = own
    schema["properties"]["connections"] = {
        "type": "object",
        "description": schema["properties"]["connections"]["description"],
        "propertyNames": {"pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"},
        "additionalProperties": {
            "oneOf": [{"$ref": f"#/$defs/{kind} connection"} for kind in sorted(specs())]
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Settings of crm-steward",
    }


def _merge(sources: Iterable[Source]) -> Settings:
    given = [source.values for source in sources]

    class Given(PydanticBaseSettingsSource):
        """Hands over what was read; pydantic's own readers keep no places, nor `123` as text."""

        def __init__(self, cls: type[BaseSettings], values: Mapping[str, Any]) -> None:
            super().__init__(cls)
            self._values = values

        def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 -- pydantic's signature
            return self._values.get(field_name), field_name, False

        def __call__(self) -> dict[str, Any]:
            return dict(self._values)

    class Layered(BaseSettings, Settings):  # type: ignore[misc]  # pydantic merges the two configs
        """The settings with their sources, the strongest first."""

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(Given(settings_cls, values) for values in given)

    layered = Layered()
    return Settings.model_construct(
        **{name: getattr(layered, name) for name in Settings.model_fields}
    )


def _keyed(database: str, settings: Settings) -> str:
    """Let the key of the database's file go where its URL goes, so that neither is without it."""
    key = settings.database_key.get_secret_value() if settings.database_key else ""
    if not key:
        return database
    if not database.startswith("sqlite:///"):
        problem = Problem(
            "database_key encrypts a SQLite file; PostgreSQL keeps its own files.",
            hint="Leave it out, and encrypt the server's disk (LUKS) or use its own encryption.",
        )
        raise ConfigError([problem])
    return DatabaseUrl.keyed(database, key)


def _resolved(settings: Settings, folder: Path) -> Settings:
    """Let relative paths start at the settings file's folder."""
    database = settings.database
    scheme, slashes, name = database.partition("sqlite:///")
    beside = folder
    if not scheme and slashes and name and name != ":memory:":
        database = f"sqlite:///{folder / name}"
        beside = (folder / name).parent
    database = _keyed(database, settings)
    register = settings.rules.register_file
    rules = settings.rules.model_copy(
        update={
            "paths": tuple(folder / each for each in settings.rules.paths),
            "register_file": folder / register if register else None,
        }
    )
    mail = settings.mail
    if mail and mail.ca_file:
        mail = mail.model_copy(update={"ca_file": folder / mail.ca_file})
    connections = {name: one.resolved(folder) for name, one in settings.connections.items()}
    restore_test = settings.service.restore_test
    if restore_test and not database.startswith("sqlite:///"):
        problem = Problem(
            "service.restore_test restores copies of a SQLite file; PostgreSQL has its own tools.",
            hint="Leave it out, and test by hand or by cron: crm-steward restore --test --in NAME",
        )
        raise ConfigError([problem])
    service = settings.service.model_copy(
        update={"restore_test": folder / restore_test if restore_test else None}
    )
    return settings.model_copy(
        update={
            "database": database,
            "connections": connections,
            "rules": rules,
            "mail": mail,
            "service": service,
            "halt": settings.halt.model_copy(
                update={"file": folder / (settings.halt.file or beside / STOP_FILE)}
            ),
            "folder": folder,
        }
    )


class _Explainer:
    """Turns one of pydantic's errors into a problem with a place and a remedy, without values."""

    def __init__(self, sources: Sequence[Source], path: Path) -> None:
        self._sources = sources
        self._path = path

    def __call__(self, details: ErrorDetails) -> Problem:
        kind = details["type"]
        loc = _keys(details["loc"], unknown=kind == "extra_forbidden")
        context = details.get("ctx", {})
        if loc and loc[-1] == "[key]":
            text = "is no name for a connection: use small letters, digits and hyphens"
            return Problem(f"'{_dotted(loc[:-1])}' {text}", where=self._where(loc[:-1], key=True))
        if kind == "extra_forbidden":
            return self._unknown(loc)
        if kind == "missing":
            alone = self._alone(loc[:-1])
            if alone:
                block = _dotted(loc[:-1])
                text = f"'{_dotted(loc)}' is missing: the settings have no '{block}:' that this belongs to."
                hint = f"Write '{block}:' into {self._path.name}, or take this away."
                return Problem(text, where=alone, hint=hint)
            hint = "" if len(loc) == 1 else _other_ways(loc)
            return Problem(f"'{_dotted(loc)}' is missing.", where=self._where(loc[:-1]), hint=hint)
        if kind == UNKNOWN_KIND:
            loc = (*loc, "kind")
            hint = "Others come with their package: pip install 'crm-steward[all]'"
            return Problem(
                f"'{_dotted(loc)}': {details['msg']}.", where=self._where(loc), hint=hint
            )
        if kind in {"literal_error", "enum"}:
            text = f"should be {context['expected']}"
        else:
            text = _plain(details["msg"])
        return Problem(f"'{_dotted(loc)}' {text}", where=self._where(loc))

    def _alone(self, block: Loc) -> str:
        """Return the place of a value of a block that no source has as such; empty if one has."""
        if any(block in source.places for source in self._sources):
            return ""
        inner = (
            place
            for source in self._sources
            for loc, place in source.places.items()
            if loc[: len(block)] == block
        )
        return next(inner, "")

    def _unknown(self, loc: Loc) -> Problem:
        where = self._where(loc, key=True)
        known = self._known_keys(loc[:-1])
        close = get_close_matches(str(loc[-1]), known, n=1)
        written = str(close[0]) if close else ""
        if where.startswith(PREFIX) and close:
            written = _variable((*loc[:-1], written))
        guess = f" (did you mean '{written}'?)" if close else "."
        noun = "variable" if where.startswith(PREFIX) else "key"
        hint = f"Known here: {', '.join(known)}." if known and not close else ""
        return Problem(f"unknown {noun} '{_dotted(loc)}'{guess}", where=where, hint=hint)

    def _known_keys(self, loc: Loc) -> list[str]:
        model: Any = Settings
        if loc[:1] == ("connections",):
            kind = next(
                (
                    kind
                    for source in self._sources
                    if (kind := _item(source.values, (*loc[:2], "kind")))
                ),
                None,
            )
            spec = specs().get(str(kind))
            model, loc = (spec.settings if spec else ConnectionSettings), loc[2:]
        for key in loc:
            model = _inner_model(model, key)
        fields = getattr(model, "model_fields", {})
        return [info.alias or name for name, info in fields.items() if name != _RESERVED]

    def _where(self, loc: Loc, *, key: bool = False) -> str:
        """Return the place of the value that was used: of the strongest source that has it."""
        for length in range(len(loc), -1, -1):
            for source in self._sources:
                places = source.keys if key and loc[:length] in source.keys else source.places
                if loc[:length] in places:
                    return places[loc[:length]]
            key = False
        return str(self._path)


def _keys(loc: Loc, *, unknown: bool) -> Loc:
    """Return a place without what pydantic puts between its keys where a value may be of several kinds.

    Args:
        loc: As pydantic has it: `report, owners, literal['off','all']`.
        unknown: Whether its last part is an unknown key, which may be any text.
    """
    last = len(loc) - 1
    return tuple(
        one
        for place, one in enumerate(loc)
        if one == "[key]" or "[" not in str(one) or (unknown and place == last)
    )


def _reserved(sources: Iterable[Source]) -> list[Problem]:
    """Refuse what only the loader may set."""
    found = [source for source in sources if _RESERVED in source.values]
    return [
        Problem(f"unknown key '{_RESERVED}'", where=source.places.get((_RESERVED,), ""))
        for source in found
    ]


def _inner_model(model: Any, key: str | int) -> Any:
    """Return the model behind `key`, whether it stands alone, optional, or in a list."""
    if isinstance(key, int):
        return model
    fields = getattr(model, "model_fields", {})
    pending = [fields[key].annotation] if key in fields else []
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        pending += getattr(annotation, "__args__", ())
    return None


def _plain(message: str) -> str:
    for opening in ("Value error, ", "Assertion failed, ", "Input "):
        message = message.removeprefix(opening)
    return message


def _other_ways(loc: Loc) -> str:
    file = _dotted(loc, by="__")
    return f"Write it there, or set {_variable(loc)}, or give the secret file {file}."


def _variable(loc: Loc) -> str:
    return PREFIX + _dotted(loc, by="__").replace("-", "_").upper()


def _dotted(loc: Loc, by: str = ".") -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f"{by if text else ''}{part}"
    return text


def _item(values: Any, loc: Loc) -> Any:
    for key in loc:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _at(settings: Any, loc: Loc) -> Any:
    value = settings
    for key in loc:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(key, int):
            value = value[key]
        else:
            value = getattr(value, key, None)
    return value


def _has_password(url: Any) -> bool:
    user, at, _ = str(url).partition("://")[2].partition("@")
    return bool(at) and ":" in user


def _lacks_kind(error: ValidationError) -> bool:
    return any(details["type"] == UNKNOWN_KIND for details in error.errors(include_input=False))


def _reading_order(problem: Problem) -> tuple[str, list[int]]:
    name, *numbers = problem.where.split(":")
    return name, [int(number) for number in numbers if number.isdecimal()]
