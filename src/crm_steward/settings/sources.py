"""Where settings come from: the YAML file, secret files, the environment; each value's place kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from crm_steward.model import ConfigError, Problem

Loc = tuple[str | int, ...]
"""Where a value stands: `("connections", "hubspot-eu", "token")`."""

PREFIX = "CRM_STEWARD_"
CONFIG_VARIABLE = "CRM_STEWARD_CONFIG"
SECRETS_VARIABLE = "CRM_STEWARD_SECRETS"
_OURS = frozenset({CONFIG_VARIABLE, SECRETS_VARIABLE})
_SYSTEMD_VARIABLE = "CREDENTIALS_DIRECTORY"
_RUN_SECRETS = Path("/run/secrets")
_NESTED = "__"
_WHOLE = frozenset({"database", "database_key", "token_key"})
"""Secrets that stand in no block."""

_QUOTED = re.compile(r"(['\"]).{2,}\1")
"""What a message quotes of the file, other than one character: it could be a secret."""
_MAX_BYTES = 1_000_000
_MAX_SECRET_BYTES = 65_536
_MAX_NODES = 20_000
_MAX_DEPTH = 12


@dataclass(slots=True)
class Source:
    """What one source says.

    Args:
        values: The settings, nested.
        places: Where each value stands: `file:line:col`, a variable's name, a secret file.
        keys: Where its key stands, if that differs.
        problems: What could not be read.
    """

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Loc, str] = field(default_factory=dict)
    keys: dict[Loc, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def put(self, loc: Loc, value: str, place: str) -> None:
        """Set the value at `loc`, making the blocks above it."""
        block = self.values
        for step, key in enumerate(loc[:-1]):
            inner = block.setdefault(str(key), {})
            if not isinstance(inner, dict):
                said = self.places.get(loc[: step + 1], "another one")
                self.problems.append(Problem(f"sets a part of what {said} sets whole", where=place))
                return
            block = inner
        if isinstance(block.get(str(loc[-1])), dict):
            self.problems.append(Problem("sets whole what another one sets a part of", where=place))
            return
        block[str(loc[-1])] = value
        self.places[loc] = place


def read_yaml(path: Path) -> Source:
    """Read the settings file.

    Raises:
        ConfigError: It is missing, unreadable or not YAML.
    """
    return parse_yaml(path, _text(path))


def parse_yaml(path: Path, text: str) -> Source:
    """Read the settings in `text`; `path` is where they are said to stand.

    Raises:
        ConfigError: It is not YAML.
    """
    _bounded(path, text)
    reader = YAML(typ="safe", pure=True)
    try:
        root = reader.compose(text)
        if root is None:
            raise _unreadable(path, "the file is empty")
        return _Reader(reader, path).read(root)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(
            [
                Problem(
                    f"this is not YAML: {_QUOTED.sub('…', error.problem or error.context or '')}.",
                    where=where,
                    hint="Look at the indentation, the quotes and the colons of this line and the "
                    "one above.",
                )
            ]
        ) from None
    except YAMLError as error:
        raise _unreadable(path, f"this is not YAML ({type(error).__name__})") from None
    except RecursionError:
        raise _unreadable(path, "the file is nested too deeply") from None


def _bounded(path: Path, text: str) -> None:
    """Refuse what holds too much, before the slow reader that knows places takes minutes over it.

    Raises:
        ConfigError: It does.
    """
    depth = 0
    # What this one cannot read is left to the other, which says why.
    with suppress(yaml.YAMLError):
        for number, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if number > 2 * _MAX_NODES or depth > 2 * _MAX_DEPTH:
                raise _unreadable(path, "the file holds too much or is nested too deeply")


def _unreadable(path: Path, what: str) -> ConfigError:
    hint = "A commented one is written by: crm-steward init"
    return ConfigError([Problem(f"{what}.", where=str(path), hint=hint)])


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            [
                Problem(
                    "there is no settings file here.",
                    where=str(path),
                    hint="Write one with 'crm-steward init', or name it with --config or "
                    f"{CONFIG_VARIABLE}.",
                )
            ]
        ) from None
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise _unreadable(path, f"the settings file cannot be read: {said}") from None
    if len(content) > _MAX_BYTES:
        raise _unreadable(path, f"the settings file is larger than {_MAX_BYTES:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem("this is not UTF-8.", where=f"{path}:{line}", hint="Save it as UTF-8.")
        raise ConfigError([problem]) from None


class _Reader:
    """Turns YAML nodes into values and remembers where each stands."""

    def __init__(self, yaml: YAML, path: Path) -> None:
        self._yaml = yaml
        self._path = path
        self._nodes = 0
        self._source = Source()

    def read(self, root: Node) -> Source:
        values = self._value(root, ())
        if isinstance(values, dict):
            self._source.values = values
        else:
            problem = Problem("the file should hold keys and values", where=self._place(root))
            self._source.problems.append(problem)
        return self._source

    def _value(self, node: Node, loc: Loc) -> Any:
        self._nodes += 1
        if self._nodes > _MAX_NODES or len(loc) > _MAX_DEPTH:
            raise _unreadable(self._path, "the file holds too much or is nested too deeply")
        self._source.places[loc] = self._place(node)
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*loc, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else "?"
            here, inner = self._place(key_node), (*loc, key)
            if key in values:
                first = self._source.keys[inner].removeprefix(f"{self._path}:").split(":")[0]
                text = f"'{key}' stands here twice; it is first set on line {first}."
                self._source.problems.append(Problem(text, where=here, hint="Keep one of the two."))
                continue
            self._source.keys[inner] = here
            values[key] = self._value(value_node, inner)
        return values

    def _scalar(self, node: Node) -> Any:
        try:
            return self._yaml.constructor.construct_object(node)
        except (YAMLError, ValueError):
            text = "this value cannot be read; put it in quotes"
            self._source.problems.append(Problem(text, where=self._place(node)))
            return node.value

    def _place(self, node: Node) -> str:
        mark = node.start_mark
        return f"{self._path}:{mark.line + 1}:{mark.column + 1}"


def read_environment(environ: Mapping[str, str] = os.environ) -> Source:
    """Read every `CRM_STEWARD_…` variable; `__` goes one level down, `_` stands for `-` in names.

    An empty variable counts as not set: that is how one takes back what an image or a unit sets.
    """
    source = Source()
    for name, value in sorted(environ.items()):
        if value and name.startswith(PREFIX) and name not in _OURS:
            parts = name.removeprefix(PREFIX).lower().split(_NESTED)
            if parts[0] == "connections" and len(parts) > 1:
                parts[1] = parts[1].replace("_", "-")
            source.put(tuple(parts), value, name)
    return source


def read_secret_files(beside: Path, environ: Mapping[str, str] = os.environ) -> Source:
    """Read the files of the secrets folder, named like `connections__hubspot-eu__token`.

    The folder is the first there is of `CRM_STEWARD_SECRETS`, systemd's `$CREDENTIALS_DIRECTORY`,
    `secrets` beside the settings file, and `/run/secrets`. Files without `__` in their name belong
    to somebody else, except `database`, `database_key` and `token_key`.
    """
    source = Source()
    folder = secrets_folder(beside, environ, source)
    for path in _secret_files(folder, source) if folder else ():
        loc = tuple(path.name.lower().removeprefix(PREFIX.lower()).split(_NESTED))
        try:
            content = path.read_bytes()[: _MAX_SECRET_BYTES + 1]
            text = content.decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            said = getattr(error, "strerror", None)
            why = said.lower() if said else "it is not UTF-8 text"
            problem = Problem(f"this secret cannot be read: {why}.", where=str(path))
            source.problems.append(problem)
            continue
        if not text.strip() or len(content) > _MAX_SECRET_BYTES:
            what = "is empty" if not text.strip() else "is too large to be a secret"
            source.problems.append(Problem(f"this secret {what}.", where=str(path)))
            continue
        source.put(loc, text, str(path))
    return source


def readable_secrets(beside: Path, environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return the secret files that others on this machine may read.

    Those that the system hands over in `/run/secrets` or by systemd are its own affair. So are
    those of another user that only our group may read: Kubernetes gives a pod its secrets so.
    """
    folder = secrets_folder(beside, environ)
    if folder is None or folder in {_RUN_SECRETS, Path(environ.get(_SYSTEMD_VARIABLE) or ".")}:
        return ()
    if not folder.stat().st_mode & 0o055:  # nobody else gets in
        return ()
    found = _secret_files(folder, Source())
    return tuple(path for path in found if _others_may_read(path))


def _others_may_read(path: Path) -> bool:
    status = path.stat()
    handed = status.st_uid != os.geteuid() and status.st_gid in {os.getegid(), *os.getgroups()}
    return bool(status.st_mode & (0o004 if handed else 0o044))


def secrets_folder(
    beside: Path, environ: Mapping[str, str] = os.environ, source: Source | None = None
) -> Path | None:
    """Return the folder that secret files are read from; None when there is none.

    Args:
        beside: The settings file's folder.
        environ: May name another one.
        source: Takes the problem when that one does not exist.
    """
    for variable in (SECRETS_VARIABLE, _SYSTEMD_VARIABLE):
        if named := environ.get(variable):
            if Path(named).is_dir():
                return Path(named)
            if source is not None:
                problem = Problem(f"the folder it names does not exist: {named}", where=variable)
                source.problems.append(problem)
            return None
    return next((each for each in (beside / "secrets", _RUN_SECRETS) if each.is_dir()), None)


def _secret_files(folder: Path, source: Source) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        source.problems.append(Problem(f"the secrets cannot be listed: {why}", where=str(folder)))
        return
    for path in paths:
        # Kubernetes keeps the real files in folders whose names start with two dots.
        ours = _NESTED in path.name or path.name.lower() in _WHOLE
        if ours and not path.name.startswith(".") and path.is_file():
            yield path
