"""The control door of a served emulator, `/_sandbox/…`: state, log, faults, clock, by-hand deeds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from crm_steward.model import ConfigError
from crm_steward.sandbox.faults import parse_faults
from crm_steward.sandbox.wire import Request, Response

if TYPE_CHECKING:
    from crm_steward.sandbox.server import Server

CONTROL = "/_sandbox"


def control(server: Server, request: Request) -> Response:
    """Answer a request to the control door; it needs no credential and is not logged."""
    action = _ACTIONS.get((request.method, request.path.removeprefix(CONTROL).strip("/")))
    if action is None:
        known = ", ".join(f"{method} {CONTROL}/{name}" for method, name in _ACTIONS)
        return _bad(501, f"The sandbox's control door knows: {known}.")
    try:
        return action(server, request)
    except ConfigError as error:
        return _bad(400, str(error))
    except (ValueError, KeyError, TypeError) as error:
        return _bad(400, f"{type(error).__name__}: {error}")


def _bad(status: int, message: str) -> Response:
    return Response(status, {"status": "error", "message": message})


def _content(request: Request) -> Any:
    return request.json if request.body.strip() else None


def _state(server: Server, request: Request) -> Response:
    if request.one("only") == "summary":
        with server.emulator.lock:
            return Response(200, server.emulator.summary())
    return Response(200, server.emulator.state())


def _reset(server: Server, request: Request) -> Response:
    content = _content(request) or None
    server.emulator.reset(content)
    if server.state:
        server.state.rewrite(full=content is not None)
    return Response(200, server.emulator.summary())


def _log(server: Server, _: Request) -> Response:
    return Response(200, list(server.log))


def _clear_log(server: Server, _: Request) -> Response:
    server.log.clear()
    return Response(204)


def _faults(server: Server, _: Request) -> Response:
    return Response(200, server.faults.to_json())


def _add_faults(server: Server, request: Request) -> Response:
    server.faults.add(parse_faults(request.json))
    return _faults(server, request)


def _replace_faults(server: Server, request: Request) -> Response:
    faults = parse_faults(request.json)
    server.faults.clear()
    server.faults.add(faults)
    return _faults(server, request)


def _clear_faults(server: Server, _: Request) -> Response:
    server.faults.clear()
    return Response(204)


def _clock(server: Server, _: Request) -> Response:
    emulator = server.emulator
    return Response(
        200,
        {"now": emulator.now().isoformat(), "offset_seconds": emulator.offset.total_seconds()},
    )


def _set_clock(server: Server, request: Request) -> Response:
    content = request.json
    if set(content) == {"offset_seconds"}:
        server.emulator.offset = timedelta(seconds=float(content["offset_seconds"]))
    elif set(content) == {"advance_seconds"}:
        server.emulator.offset += timedelta(seconds=float(content["advance_seconds"]))
    else:
        raise ValueError("send {offset_seconds: N} or {advance_seconds: N}")
    return _clock(server, request)


def _by_hand(server: Server, request: Request) -> Response:
    with server.emulator.lock:
        result = server.emulator.by_hand(request.json)
        if server.state:
            server.state.save()
    return Response(200, result)


_ACTIONS: dict[tuple[str, str], Callable[[Server, Request], Response]] = {
    ("GET", "state"): _state,
    ("PUT", "state"): _reset,
    ("POST", "state"): _reset,
    ("GET", "log"): _log,
    ("DELETE", "log"): _clear_log,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_faults,
    ("PUT", "faults"): _replace_faults,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _set_clock,
    ("POST", "by-hand"): _by_hand,
}
