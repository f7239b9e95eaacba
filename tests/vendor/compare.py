"""Compares an emulator with the vendor's own machine-readable description (OpenAPI 3).

    .venv/bin/python tests/vendor/compare.py hubspot contacts.json tasks.json auth.json

Run by hand when an emulator changes or a vendor publishes anew; the descriptions are the vendor's
and are not kept here. Two things are compared:

- every call the emulator knows: does the description have it, with these parameters and body keys?
- what goes over the wire while the connector does all it can do: is every request and every answer
  valid under the description's schemas?

Prints what differs and ends with 1; a call that no given description speaks of is listed apart.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from crm_steward.connect.calls import Calls
from crm_steward.connect.discovery import open_connection, spec_of
from crm_steward.sandbox import Emulator, Request, Response, Route, serve
from crm_steward.sdk import (
    ArchiveRecord,
    Change,
    Channel,
    Contact,
    CreateTask,
    MergeRecords,
    SuppressChannel,
    UpdateFields,
)

Json = Mapping[str, Any]
_CONTACTS = 60
_SHOWN = 40


@dataclass(frozen=True)
class Operation:
    """One call as a description has it."""

    method: str
    path: str
    pattern: re.Pattern[str]
    content: Json
    document: Json

    def parameters(self, place: str) -> set[str]:
        """Return the names of its parameters in `place` (`query`, `header`)."""
        listed = [_resolved(one, self.document) for one in self.content.get("parameters", ())]
        return {one["name"] for one in listed if one["in"] == place}

    def body_keys(self) -> set[str] | None:
        """Return the top-level keys its JSON body may have; None when that is open."""
        schema = _json_schema(_resolved(self.content.get("requestBody", {}), self.document))
        return _keys(schema, self.document) if schema else set()


def operations(documents: Iterable[Json]) -> list[Operation]:
    """Return every call of the descriptions, most specific path first."""
    found = []
    for document in documents:
        base = urlsplit((document.get("servers") or [{"url": ""}])[0]["url"]).path.rstrip("/")
        for path, item in document["paths"].items():
            shared = item.get("parameters", [])
            for method in ("get", "post", "put", "patch", "delete"):
                if method in item:
                    content = {
                        **item[method],
                        "parameters": [*shared, *item[method].get("parameters", [])],
                    }
                    whole = base + path
                    found.append(
                        Operation(method.upper(), whole, _pattern(whole), content, document)
                    )
    return sorted(found, key=lambda one: one.path.count("{"))


def compare_routes(routes: Iterable[Route], known: Sequence[Operation]) -> Iterator[str]:
    """Yield what the emulator takes and the description does not."""
    for route in routes:
        same = [one for one in known if one.method == route.method and _same_path(one, route.path)]
        if not same:
            yield f"not described: {route.method} {route.path}"
            continue
        strange = route.query - set().union(*(one.parameters("query") for one in same))
        if strange:
            yield f"{route.method} {route.path}: parameters {', '.join(sorted(strange))}"
        keys = [one.body_keys() for one in same]
        if route.body and None not in keys:
            strange = route.body - set().union(*(one for one in keys if one is not None))
            if strange:
                yield f"{route.method} {route.path}: body keys {', '.join(sorted(strange))}"


def compare_wire(
    exchanges: Iterable[tuple[Request, Response]], known: Sequence[Operation]
) -> Iterator[str]:
    """Yield what is not valid in requests and answers."""
    for request, response in exchanges:
        call = f"{request.method} {request.path}"
        found = [
            one
            for one in known
            if one.method == request.method and one.pattern.fullmatch(request.path)
        ]
        if not found:
            yield f"not described on the wire: {re.sub(r'[0-9]{3,}', '…', call)}"
            continue
        one = found[0]
        call = f"{one.method} {one.path}"
        sent = {name for name, _ in parse_qsl(urlsplit(request.target).query, True)}  # noqa: FBT003 -- blanks count
        for name in sorted(sent - one.parameters("query")):
            yield f"{call}: sent the parameter {name}"
        schema = _json_schema(_resolved(one.content.get("requestBody", {}), one.document))
        if schema and request.body:
            yield from _invalid(f"{call}: request", request.json, schema, one.document)
        yield from _answer(call, response, one)


def _answer(call: str, response: Response, one: Operation) -> Iterator[str]:
    answers = one.content["responses"]
    documented = answers.get(str(response.status)) or answers.get(f"{response.status // 100}XX")
    if documented is None and response.status >= 400:
        documented = answers.get("default")
        if documented is None:
            return
    if documented is None:
        yield f"{call}: answered {response.status}; described: {', '.join(answers)}"
        return
    schema = _json_schema(_resolved(documented, one.document))
    if schema and response.body is not None and not isinstance(response.body, bytes):
        content = json.loads(response.payload)
        yield from _invalid(f"{call}: {response.status}", content, schema, one.document)


def _invalid(what: str, content: Any, schema: Json, document: Json) -> Iterator[str]:
    whole = {**_nullable(schema), "components": _nullable(document.get("components", {}))}
    for error in Draft202012Validator(whole).iter_errors(content):
        place = "/".join("*" if isinstance(step, int) else str(step) for step in error.path)
        yield f"{what}: {place or 'body'}: {error.validator} {str(error.validator_value)[:80]}"


def record(kind: str) -> tuple[Emulator, list[tuple[Request, Response]]]:
    """Let the connector of `kind` do all it can do on its emulator; return what went over the wire."""
    spec = spec_of(kind)
    module, _, name = spec.sandbox.partition(":")
    emulator: Emulator = getattr(import_module(module), name)(contacts=_CONTACTS, seed=7)
    exchanges: list[tuple[Request, Response]] = []
    answer = emulator.answer

    def recorded(request: Request) -> Response:
        response = answer(request)
        exchanges.append((request, response))
        return response

    emulator.answer = recorded  # type: ignore[method-assign] # a tap on the wire
    with serve(emulator) as server:
        settings = spec.settings.model_validate({"kind": kind, **emulator.connection(server.url)})
        connector = open_connection("compared", settings, calls=Calls("compared"))
        connector.check()
        pages = list(connector.read(None))
        list(connector.read(pages[-1].cursor))
        contacts = [contact for page in pages for contact in page.contacts]
        connector.get([contact.ref for contact in contacts[:5]])
        for change in _changes(contacts):
            list(connector.apply([change]))
            list(connector.settle([change]))
        connector.close()
    return emulator, exchanges


def _changes(contacts: Sequence[Contact]) -> Iterator[Change]:
    mailed = [one for one in contacts if one.emails]
    one, other, third = mailed[:3]
    yield UpdateFields(
        ref=one.ref, values={"last_name": "Compared"}, expected={"last_name": one.last_name}
    )
    yield UpdateFields(ref=one.ref, values={"city": None}, expected={"city": one.value("city")})
    yield CreateTask(
        ref=one.ref, title="Compare", body="Text", due=date(2027, 1, 4), marker="0123456789abcdef"
    )
    yield SuppressChannel(
        ref=one.ref, channel=Channel.EMAIL, address=one.emails[0].address, reason="compared"
    )
    yield MergeRecords(ref=one.ref, losers=(other.ref,))
    yield ArchiveRecord(ref=third.ref, reason="compared")


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{[^}]+\}", path)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


def _same_path(operation: Operation, path: str) -> bool:
    """Whether a route is this call; a fixed part may stand where the description has any."""
    return operation.pattern.fullmatch(re.sub(r"\{\w+\}", "x", path)) is not None


def _resolved(content: Json, document: Json) -> Json:
    while "$ref" in content:
        target: Any = document
        for step in content["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        content = target
    return content


def _json_schema(content: Json) -> Json | None:
    media = content.get("content") or {}
    for name, body in media.items():
        if "json" in name or name == "*/*":
            schema: Json | None = body.get("schema")
            return schema
    return None


def _keys(schema: Json, document: Json) -> set[str] | None:
    schema = _resolved(schema, document)
    parts = [*schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())]
    keys = set(schema.get("properties", ()))
    for part in parts:
        inner = _keys(part, document)
        if inner is None:
            return None
        keys |= inner
    return keys or None


def _nullable(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 in the words of JSON Schema: `nullable` becomes a type."""
    if isinstance(schema, list):
        return [_nullable(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {name: _nullable(part) for name, part in schema.items() if name != "nullable"}
    if schema.get("nullable") is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made


def _read(path: Path) -> Json:
    text = path.read_text("utf-8")
    document: Json = json.loads(text) if path.suffix == ".json" else YAML(typ="safe").load(text)
    return document


def main(arguments: Sequence[str]) -> int:
    """Compare, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("kind", help="of connector")
    parser.add_argument("description", nargs="+", type=Path, help="OpenAPI 3, JSON or YAML")
    given = parser.parse_args(arguments)
    known = operations(map(_read, given.description))
    emulator, exchanges = record(given.kind)
    found = Counter([*compare_routes(emulator.routes, known), *compare_wire(exchanges, known)])
    silent = {line: n for line, n in found.items() if line.startswith("not described")}
    wrong = {line: n for line, n in found.items() if line not in silent}
    for title, lines in (("not in these descriptions", silent), ("different", wrong)):
        print(f"{len(lines)} {title}")  # noqa: T201 -- its output
        for line, n in sorted(lines.items())[:_SHOWN]:
            print(f"  {line}" + (f"  ({n} times)" if n > 1 else ""))  # noqa: T201 -- its output
    print(f"{len(exchanges)} exchanges, {len(known)} calls described")  # noqa: T201 -- its output
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
