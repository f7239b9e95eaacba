"""Finds the installed connectors and opens connections with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from crm_steward.connect.calls import Calls
from crm_steward.connect.hosts import checked_url
from crm_steward.connect.protocol import Connector
from crm_steward.connect.spec import ConnectionSettings, ConnectorSpec, Context
from crm_steward.connect.tokens import MemoryVault, Vault
from crm_steward.model import Clock, ConfigError, Problem, utc_now

GROUP = "crm_steward.connectors"
"""The entry point under which a package offers a `ConnectorSpec`."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The connectors that are installed.

    Args:
        specs: Kind → spec, sorted by kind.
        broken: One problem per plug-in that cannot be used; it does not hide the others.
    """

    specs: Mapping[str, ConnectorSpec]
    broken: tuple[Problem, ...] = ()


@cache
def installed() -> Installed:
    """Return the installed connectors; asked once per process."""
    return load_specs(entry_points(group=GROUP))


def specs() -> Mapping[str, ConnectorSpec]:
    """Return kind → spec of every connector that can be used."""
    return installed().specs


def load_specs(points: Iterable[EntryPoint]) -> Installed:
    """Import the specs behind `points`; a plug-in that fails is named and left out."""
    found: dict[str, ConnectorSpec] = {}
    broken: list[Problem] = []
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        spec = _load(point)
        if isinstance(spec, Problem):
            broken.append(spec)
        elif spec.kind in found:
            broken.append(
                Problem(f"{_named(point)} offers '{spec.kind}', which another one offers")
            )
        else:
            found[spec.kind] = spec
    return Installed(MappingProxyType(found), tuple(broken))


def spec_of(kind: str, among: Installed | None = None) -> ConnectorSpec:
    """Return the spec of `kind`.

    Raises:
        ConfigError: There is none; says which kinds there are, and which plug-ins are broken.
    """
    among = among or installed()
    if kind in among.specs:
        return among.specs[kind]
    close = get_close_matches(kind, among.specs, n=1)
    guess = f" (did you mean '{close[0]}'?)" if close else ""
    hint = f"Installed: {', '.join(among.specs) or 'none'}."
    raise ConfigError([Problem(f"no connector '{kind}'{guess}", hint=hint), *among.broken])


def paced_calls(
    name: str,
    settings: ConnectionSettings,
    *,
    stop: threading.Event | None = None,
    clock: Clock = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Calls:
    """Return what paces the connection's calls; share it between all who use the connection.

    Args:
        name: The configured name.
        settings: Its settings.
        stop: Ends waits at once when set.
        clock: The time of day.
        monotonic: Seconds that never go back.
    """
    return Calls(
        name,
        spec_of(settings.kind).quotas,
        burst_share=settings.burst_share,
        daily_share=settings.daily_share,
        stop=stop,
        clock=clock,
        monotonic=monotonic,
    )


def open_connection(
    name: str,
    settings: ConnectionSettings,
    *,
    clock: Clock = utc_now,
    stop: threading.Event | None = None,
    calls: Calls | None = None,
    vault: Vault | None = None,
) -> Connector:
    """Open the connection `name`; nothing is sent yet.

    Args:
        name: The configured name.
        settings: Its settings.
        clock: The time.
        stop: Ends waits at once when set.
        calls: What paces it, when it is shared with others (`paced_calls`).
        vault: Where its access tokens are kept; in memory only when left out.

    Raises:
        ConfigError: Its kind or the vendor's SDK is not installed, or `base_url` is a stranger's.
    """
    spec = spec_of(settings.kind)
    if settings.base_url:
        checked_url(settings.base_url, (*spec.hosts, *settings.allow_hosts), where=name)
    stop = stop or threading.Event()
    calls = calls or paced_calls(name, settings, stop=stop, clock=clock)
    context = Context(
        connection=name, calls=calls, clock=clock, stop=stop, vault=vault or MemoryVault()
    )
    return spec.open(settings, context)


def _load(point: EntryPoint) -> ConnectorSpec | Problem:
    try:
        spec = point.load()
    except Exception as error:  # noqa: BLE001 - a stranger's module may raise anything
        return Problem(f"{_named(point)} cannot be loaded: {type(error).__name__}: {error}")
    if not isinstance(spec, ConnectorSpec):
        return Problem(f"{_named(point)} is a {type(spec).__name__}, not a ConnectorSpec")
    if spec.kind != point.name:
        return Problem(f"{_named(point)} is of kind '{spec.kind}'; both must have the same name")
    return spec


def _named(point: EntryPoint) -> str:
    package = f" of {point.dist.name}" if point.dist else ""
    return f"connector '{point.name}'{package} ({point.value})"
