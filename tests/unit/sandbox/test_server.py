"""The served emulator: faults on real sockets, the control door, state that survives a kill."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from crm_steward.model import InputError
from crm_steward.sandbox import (
    Emulator,
    Refusal,
    Request,
    Response,
    Route,
    Routes,
    Server,
    serve,
)

ROUTES = Routes()


@ROUTES.add("GET", "/notes", query=("limit",))
def list_notes(crm: Notebook, request: Request) -> Response:
    """Return all notes."""
    return Response(200, {"notes": crm.tables["notes"], "limit": request.one("limit")})


@ROUTES.add("POST", "/notes/{note}", body=("text",))
def write_note(crm: Notebook, request: Request, note: str) -> Response:
    """Write one note."""
    if request.meddling and request.meddling.no_op:
        return Response(200, {})
    crm.tables["notes"][note] = request.json["text"]
    return Response(200, {"note": note, "text": request.json["text"]})


class Notebook(Emulator):
    """The smallest CRM there is."""

    kind = "notebook"
    table_names = ("notes",)
    routes = ROUTES

    def populate(self) -> dict[str, dict[str, Any]]:
        return {"notes": {str(n): f"note {n}" for n in range(self.contacts)}}

    def reindex(self) -> None:
        self.total = len(self.tables["notes"])

    def admit(self, request: Request, route: Route) -> Mapping[str, str]:  # noqa: ARG002 -- the base's shape
        if request.headers.get("authorization") == "expired":
            raise Refusal(Response(401))
        return {"X-Calls-Left": "9"}

    def error(self, status: int, message: str = "") -> Response:
        return Response(status, {"notebook": message or status})

    def addressed(self, request: Request, response: Response | None) -> list[str]:  # noqa: ARG002 -- the base's shape
        return [request.path.rpartition("/")[2]]

    def by_hand(self, deed: Mapping[str, Any]) -> Any:
        if deed.get("do") != "edit":
            raise ValueError("people here can only edit")
        self.tables["notes"][deed["id"]] = deed["values"]["text"]
        return {}

    def expire_credential(self, request: Request) -> None:  # noqa: ARG002 -- the base's shape
        self.tables["notes"]["expired"] = "yes"

    def connection(self, url: str) -> dict[str, Any]:
        return {"base_url": url}

    def summary(self) -> dict[str, Any]:
        return {"count": len(self.tables["notes"])}


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve a notebook of three notes."""
    with serve(Notebook(contacts=3, seed=1)) as running:
        yield running


def _script(server: Server, **fault: Any) -> None:
    requests.put(f"{server.url}/_sandbox/faults", json=fault, timeout=5).raise_for_status()


def _write(server: Server, note: str = "1", text: str = "new") -> requests.Response:
    return requests.post(f"{server.url}/notes/{note}", json={"text": text}, timeout=5)


def test_it_answers_what_it_knows_and_refuses_the_rest_loudly(server: Server) -> None:
    """An unknown path, parameter or body key is 501, naming it; known ones pass."""
    assert requests.get(f"{server.url}/notes/?limit=3", timeout=5).json()["limit"] == "3"
    for method, path, body in (
        ("GET", "/nothing", None),
        ("GET", "/notes?colour=red", None),
        ("POST", "/notes/1", {"text": "x", "colour": "red"}),
        ("DELETE", "/notes/1", None),
    ):
        refused = requests.request(method, server.url + path, json=body, timeout=5)
        assert refused.status_code == 501
        assert method in refused.json()["message"]
        assert ("colour" in path + str(body)) == ("colour" in refused.json()["message"])


def test_headers_of_admission_come_with_every_answer(server: Server) -> None:
    """What admission adds is on answers and on refusals after it."""
    assert requests.get(f"{server.url}/notes", timeout=5).headers["X-Calls-Left"] == "9"
    assert requests.get(f"{server.url}/notes?x=1", timeout=5).headers["X-Calls-Left"] == "9"


def test_a_reset_before_has_no_effect_and_one_after_has(server: Server) -> None:
    """The two kinds of lost answer look alike to the client and differ in what happened."""
    for when, expected in (("before", "note 1"), ("after", "new")):
        _script(server, method="POST", reset=when)
        with pytest.raises(requests.ConnectionError):
            _write(server)
        assert server.emulator.tables["notes"]["1"] == expected


def test_a_cut_is_a_reset_on_the_wire(server: Server) -> None:
    """The other side sees ECONNRESET, not an orderly end."""
    _script(server, reset="before")
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        line.sendall(b"GET /notes HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            line.recv(100)


def test_half_a_body_and_cut_off_json(server: Server) -> None:
    """One breaks the transport, the other only the JSON; both took effect."""
    _script(server, half_body=True)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _write(server, "1")
    _script(server, truncated_json=True)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        _write(server, "2").json()
    assert server.emulator.tables["notes"] == {"0": "note 0", "1": "new", "2": "new"}


def test_scripted_statuses_use_the_vendors_body(server: Server) -> None:
    """The body is the emulator's own; Retry-After is sent when asked for; nothing happens."""
    _script(server, status=429, retry_after=2, times=1)
    refused = _write(server)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")
    assert refused.json() == {"notebook": 429}
    assert server.emulator.tables["notes"]["1"] == "note 1"
    assert _write(server).ok


def test_a_web_page_instead_of_json(server: Server) -> None:
    """A proxy's page comes as HTML, with 502 or the status asked for."""
    _script(server, html=True, status=503)
    page = requests.get(f"{server.url}/notes", timeout=5)
    assert (page.status_code, page.headers["Content-Type"]) == (503, "text/html")
    assert page.text.startswith("<!DOCTYPE html>")
    _script(server, html=True, status=200)
    assert requests.get(f"{server.url}/notes", timeout=5).text == page.text


def test_an_error_that_is_called_a_success(server: Server) -> None:
    """The vendor's body of an error comes with status 200, and nothing happened."""
    _script(server, error_body=True)
    refused = _write(server)
    assert (refused.status_code, refused.json()) == (200, {"notebook": 500})
    assert server.emulator.tables["notes"]["1"] == "note 1"


def test_slow_waits_without_holding_up_others(server: Server) -> None:
    """A slow call delays its own answer only."""
    _script(server, path="/notes/1", slow=2)
    started = time.perf_counter()
    slow = threading.Thread(target=_write, args=(server, "1"))
    slow.start()
    _write(server, "2")
    assert slow.is_alive()
    slow.join()
    assert time.perf_counter() - started >= 2


def test_a_silent_no_op_says_ok_and_does_nothing(server: Server) -> None:
    """The emulator is told and answers as if all went well."""
    _script(server, no_op=True)
    assert _write(server).status_code == 200
    assert server.emulator.tables["notes"]["1"] == "note 1"


@pytest.mark.parametrize(("when", "left"), [("before", "new"), ("after", "human")])
def test_a_person_edits_around_the_call(server: Server, when: str, left: str) -> None:
    """An edit before the call is overwritten by it; one after it stays."""
    _script(server, human_edit={"values": {"text": "human"}, "when": when})
    _write(server)
    assert server.emulator.tables["notes"]["1"] == left


def test_the_credential_expires_on_script(server: Server) -> None:
    """The emulator is told to let the credential expire."""
    _script(server, expire_token=True)
    requests.get(f"{server.url}/notes", timeout=5)
    assert server.emulator.tables["notes"]["expired"] == "yes"


def test_the_log_tells_what_was_asked(server: Server) -> None:
    """Method, path, status and faults are logged; the control door is not."""
    _script(server, name="first", nth=1, status=503)
    _write(server)
    _write(server)
    log = requests.get(f"{server.url}/_sandbox/log", timeout=5).json()
    assert [(e["method"], e["path"], e["status"], e["faults"]) for e in log] == [
        ("POST", "/notes/1", 503, ["first"]),
        ("POST", "/notes/1", 200, []),
    ]
    requests.delete(f"{server.url}/_sandbox/log", timeout=5)
    assert requests.get(f"{server.url}/_sandbox/log", timeout=5).json() == []


def test_state_can_be_read_reset_and_put_back(server: Server) -> None:
    """PUT without a body makes a fresh account; with a state, exactly that one."""
    door = f"{server.url}/_sandbox/state"
    _write(server)
    kept = requests.get(door, timeout=5).json()
    assert kept["tables"]["notes"]["1"] == "new"
    requests.put(door, timeout=5)
    assert server.emulator.tables["notes"]["1"] == "note 1"
    assert requests.put(door, json=kept, timeout=5).json() == {"count": 3}
    assert server.emulator.tables["notes"]["1"] == "new"
    assert requests.get(f"{door}?only=summary", timeout=5).json() == {"count": 3}
    assert requests.put(door, json={"kind": "other"}, timeout=5).status_code == 400


def test_the_clock_can_be_moved(server: Server) -> None:
    """The emulator's clock runs ahead or behind ours by what it is told."""
    door = f"{server.url}/_sandbox/clock"
    requests.post(door, json={"offset_seconds": -3600}, timeout=5)
    requests.post(door, json={"advance_seconds": 60}, timeout=5)
    behind = datetime.now(UTC) - server.emulator.now()
    assert abs(behind - timedelta(seconds=3540)) < timedelta(seconds=5)
    assert requests.post(door, json={"hours": 1}, timeout=5).status_code == 400


def test_the_control_door_names_what_it_knows(server: Server) -> None:
    """An unknown action is 501 with the list; a bad fault 400 with the reason."""
    unknown = requests.get(f"{server.url}/_sandbox/everything", timeout=5)
    assert unknown.status_code == 501
    assert "PUT /_sandbox/state" in unknown.json()["message"]
    bad = requests.post(f"{server.url}/_sandbox/faults", json={"status": 7}, timeout=5)
    assert (bad.status_code, "status" in bad.json()["message"]) == (400, True)
    deed = requests.post(f"{server.url}/_sandbox/by-hand", json={"do": "fly"}, timeout=5)
    assert deed.status_code == 400


def test_a_crash_of_the_emulator_does_not_look_like_a_fault() -> None:
    """A bug answers 500 and is raised when serving ends, so that no test passes on it."""
    with (
        pytest.raises(RuntimeError, match="sandbox itself") as raised,
        serve(Notebook(contacts=1, seed=1)) as server,
    ):
        assert requests.post(f"{server.url}/notes/1", json={}, timeout=5).status_code == 500
    assert isinstance(raised.value.__cause__, KeyError)


def test_connections_are_kept_alive(server: Server) -> None:
    """Twenty calls of one session use one connection."""
    with requests.Session() as session:
        ports = set()
        for _ in range(20):
            answer = session.get(f"{server.url}/notes", stream=True, timeout=5)
            ports.add(answer.raw.connection.sock.getsockname()[1])
            assert answer.json()["notes"]
    assert len(ports) == 1


# -- the state file -------------------------------------------------------------------------------


def test_a_killed_emulator_comes_back_as_it_was(tmp_path: Path) -> None:
    """Whatever was answered is on disk, without an orderly end."""
    path = tmp_path / "state.jsonl"
    with serve(
        Notebook(contacts=3, seed=1, born=datetime(2026, 1, 1, tzinfo=UTC)), state=path
    ) as s:
        _write(s)
        requests.post(
            f"{s.url}/_sandbox/by-hand",
            json={"do": "edit", "id": "2", "values": {"text": "human"}},
            timeout=5,
        )
        killed = path.read_bytes()
    path.write_bytes(killed + b'{"table":"notes","id":"0","ro')  # cut short by the kill
    again = Notebook(contacts=3, seed=1, born=datetime(2026, 1, 1, tzinfo=UTC))
    with serve(again, state=path) as s:
        assert again.tables["notes"] == {"0": "note 0", "1": "new", "2": "human"}
        _write(s, "0")
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()[1:]] == ["1", "2", "0"]


def test_a_reset_begins_the_file_anew(tmp_path: Path) -> None:
    """After a reset or a state put back, the file holds that and nothing older."""
    path = tmp_path / "state.jsonl"
    born = datetime(2026, 1, 1, tzinfo=UTC)
    with serve(Notebook(contacts=3, seed=1, born=born), state=path) as s:
        _write(s)
        requests.put(f"{s.url}/_sandbox/state", timeout=5)
        assert len(path.read_text().splitlines()) == 1
        kept = {"kind": "notebook", "tables": {"notes": {"9": "only"}}}
        requests.put(f"{s.url}/_sandbox/state", json=kept, timeout=5)
    again = Notebook(contacts=3, seed=1, born=born)
    with serve(again, state=path):
        assert again.tables["notes"] == {"9": "only"}


def test_a_foreign_state_is_refused(tmp_path: Path) -> None:
    """Another seed's state, and a file that is none, are named and not touched."""
    path = tmp_path / "state.jsonl"
    with serve(Notebook(contacts=3, seed=1), state=path):
        pass
    before = path.read_bytes()
    with pytest.raises(InputError, match="another population"):
        Server(Notebook(contacts=3, seed=2), state=path)
    assert path.read_bytes() == before
    path.write_text("hello\n")
    with pytest.raises(InputError, match="not a sandbox state"):
        Server(Notebook(contacts=3, seed=1), state=path)
