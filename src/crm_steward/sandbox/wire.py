"""Requests and answers as the emulators see them, and the routes that join the two."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from crm_steward.sandbox.faults import Fault


@dataclass(frozen=True)
class Request:
    """One HTTP request, read to the end.

    Args:
        method: `GET`, `POST`, …
        target: Path and query exactly as sent.
        headers: Names in lower case.
        body: Raw bytes.
        meddling: A scripted fault that changes how rows are handled, if one fires.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    meddling: Fault | None = None

    @cached_property
    def path(self) -> str:
        """The path, decoded, without a slash at its end."""
        return unquote(urlsplit(self.target).path).rstrip("/") or "/"

    @cached_property
    def query(self) -> Mapping[str, list[str]]:
        """Every query parameter with all its values."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @cached_property
    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is not JSON in UTF-8.
        """
        return json.loads(self.body)

    def one(self, name: str, default: str = "") -> str:
        """Return the last value of the query parameter `name`."""
        return self.query.get(name, [default])[-1]


@dataclass(frozen=True)
class Response:
    """One HTTP answer; `body` is JSON-ready, bytes as they are, or None for no content."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def payload(self) -> bytes:
        """The body as it goes over the wire."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """Return this answer with `headers` added; its own win."""
        return Response(self.status, self.body, {**headers, **self.headers})


class Refusal(Exception):  # noqa: N818 -- an answer, not a failure of ours
    """Ends the handling of a request with `response`."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


Handler = Callable[..., Response]
"""Takes the emulator, the request, and what stands in the path's placeholders."""


@dataclass(frozen=True)
class Route:
    """One documented call.

    Args:
        method: `GET`, `POST`, …
        path: With placeholders: `/crm/v3/objects/contacts/{id}`.
        handler: Answers it.
        query: The query parameters it is known to take.
        body: The top-level keys its JSON body is known to take.
        scopes: What the credential must be granted, in the vendor's words.
        quota: Which of the vendor's quotas it counts against.
    """

    method: str
    path: str
    handler: Handler
    query: frozenset[str]
    body: frozenset[str]
    scopes: tuple[str, ...]
    quota: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches a decoded path; placeholders become named groups."""
        parts = re.split(r"(\{\w+\})", self.path)
        return re.compile(
            "".join(f"(?P<{p[1:-1]}>[^/]+)" if p.startswith("{") else re.escape(p) for p in parts)
        )


class Routes:
    """The calls an emulator knows; whatever is not here is refused.

    Use as a decorator: `@routes.add("GET", "/crm/v3/owners", query=("limit",))`.
    """

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def add(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[str] = (),
        body: Sequence[str] = (),
        scopes: Sequence[str] = (),
        quota: str = "burst",
    ) -> Callable[[Handler], Handler]:
        """Register the decorated function as the answer to `method path`."""

        def register(handler: Handler) -> Handler:
            self._routes.append(
                Route(
                    method, path, handler, frozenset(query), frozenset(body), tuple(scopes), quota
                )
            )
            return handler

        return register

    def include(self, *others: Routes) -> Routes:
        """Take over the routes of `others`; returns itself."""
        for other in others:
            self._routes.extend(other)
        return self

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route and its placeholders' values; fixed paths win over placeholders."""
        found = [
            (route, match.groupdict())
            for route in self._routes
            if route.method == method and (match := route.pattern.fullmatch(path))
        ]
        return min(found, key=lambda item: len(item[1]), default=None)
