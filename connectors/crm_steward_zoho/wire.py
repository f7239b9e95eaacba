"""One organisation of Zoho CRM over `requests`, call by call; version 8 of the API.

Zoho's own library weighs 25 MB, keeps its secrets in a plain file, has no timeout and asks for
users and fields before each call; what is needed of the API fits here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import requests

from crm_steward.sdk import (
    Context,
    Quota,
    StewardError,
    Token,
    open_session,
    transport_error,
)
from crm_steward_zoho import SPEC, ZohoSettings
from crm_steward_zoho.credentials import Credentials
from crm_steward_zoho.errors import Refusal, seconds_of, unreadable

Document = Mapping[str, Any]
_API = "/crm/v8"
_CREDITS = re.compile(r"-?[0-9]{1,9}")
_ID = re.compile(r"[0-9]{1,20}")
_ROWS_PER_CREDIT = 10
_QUERY_COSTS = ((200, 1), (1_000, 2), (2_000, 3))
QUERY_ROWS = 2_000
"""Rows a query may bring."""
READ_CONTACTS = "ZohoCRM.modules.contacts.READ"
QUERY = "ZohoCRM.coql.READ"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, and the body, empty where there was none."""

    status: int
    body: Document

    def rows(self, key: str = "data") -> list[Any]:
        """Return the rows under a key."""
        found = self.body.get(key)
        return found if isinstance(found, list) else []

    @property
    def info(self) -> Mapping[str, Any]:
        """What a list says about itself."""
        found = self.body.get("info")
        return found if isinstance(found, dict) else {}

    @property
    def more(self) -> bool:
        """Whether there are more rows; where a page of rows does not say so, there may be."""
        return (
            bool(self.rows() or self.rows("users")) and self.info.get("more_records") is not False
        )


class Wire:
    """One organisation of Zoho CRM.

    Args:
        settings: The connection's settings.
        context: What the core gives.
    """

    def __init__(self, settings: ZohoSettings, context: Context) -> None:
        self.connection = context.connection
        self._calls = context.calls
        self._session = open_session(
            settings.timeout, hosts=SPEC.hosts, allow_hosts=settings.allow_hosts
        )
        self._tokens = Credentials(settings, context, self._session).tokens()
        self._quota = Quota(name="credits", calls=settings.credits, per=timedelta(days=1))
        self._calls.learn(self._quota)
        self.left: dict[str, int] = {}
        """Quota → what is left of it, as the last answer said; Zoho says it once half is gone."""

    def get(
        self,
        path: str,
        *,
        scope: str = READ_CONTACTS,
        cost: int = 1,
        since: str = "",
        key: str = "data",
        **query: str | int,
    ) -> Answer:
        """Read.

        Args:
            path: Behind the version.
            scope: What the token needs for it, for the message.
            cost: In credits.
            since: Rows modified at or after this time only.
            key: Under which the answer has its rows.
            query: Parameters.

        Raises:
            StewardError: As `errors` maps Zoho's answer; where it has no rows at all, it is not
                taken for an empty list, which is a 204.
        """
        headers = {"If-Modified-Since": since} if since else {}
        return self._call(
            "GET", path, scope=scope, cost=cost, query=query, headers=headers, wanted=key
        )

    def query(self, text: str, *, limit: int, scope: str = QUERY) -> Answer:
        """Run a COQL query.

        Args:
            text: The query, without its limit.
            limit: Rows at most.
            scope: What the token needs for it, for the message.
        """
        cost = next(price for most, price in _QUERY_COSTS if limit <= most)
        return self._call(
            "POST",
            "/coql",
            scope=scope,
            cost=cost,
            body={"select_query": f"{text} limit {limit}"},
            wanted="data",
        )

    def write(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        body: Document | None = None,
        unmodified_since: str = "",
        key: str = "data",
        **query: str,
    ) -> Answer:
        """Write; what may have taken effect is not sent again.

        Args:
            method: `POST`, `PUT` or `DELETE`.
            path: Behind the version.
            scope: What the token needs for it, for the message.
            body: What is written.
            unmodified_since: Refuse it (412) if the record was modified after this time.
            key: Under which the answer has its rows, in refusals too.
            query: Parameters.
        """
        rows = len(body.get(key) or ()) if body else 1
        headers = {"If-Unmodified-Since": unmodified_since} if unmodified_since else {}
        return self._call(
            method,
            path,
            scope=scope,
            cost=-(-max(rows, 1) // _ROWS_PER_CREDIT),
            query=query,
            body=body,
            headers=headers,
            key=key,
            repeatable=False,
        )

    def close(self) -> None:
        """Close the sockets."""
        self._session.close()

    def _call(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        cost: int,
        query: Mapping[str, str | int] | None = None,
        body: Document | None = None,
        headers: Mapping[str, str] | None = None,
        key: str = "",
        wanted: str = "",
        repeatable: bool = True,
    ) -> Answer:
        def once(token: Token) -> Answer:
            request = {
                "method": method,
                "url": f"{token.url}{_API}{path}",
                "params": dict(query or {}),
                "json": body,
                "headers": {"Authorization": f"Zoho-oauthtoken {token.access}", **(headers or {})},
            }
            return self._calls(
                "calls",
                lambda: self._once(request, scope=scope, key=key, wanted=wanted),
                repeatable=repeatable,
                cost=cost,
            )

        return self._tokens.using(once)

    def _once(self, request: Mapping[str, Any], *, scope: str, key: str, wanted: str) -> Answer:
        """Make the request; raise ours outside of `except`, so that theirs is not kept with it."""
        try:
            response = self._session.request(**request)
            result = self._result(response, scope=scope, key=key, wanted=wanted)
        except requests.RequestException as error:
            result = transport_error(self.connection, "Zoho", error)
        if isinstance(result, StewardError):
            raise result
        return result

    def _result(
        self, response: requests.Response, *, scope: str, key: str, wanted: str
    ) -> Answer | StewardError:
        """Return what an answer holds, or what it means."""
        self._learn(response.headers)
        status = response.status_code
        if status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            return Answer(status, {})
        body = _document(response.content)
        success = status < HTTPStatus.MULTIPLE_CHOICES
        if success and body is None:
            return unreadable(self.connection)
        in_rows = key and status in _ROW_STATUSES and isinstance((body or {}).get(key), list)
        if body is not None and (in_rows or (success and body.get("status") != "error")):
            whole = not wanted or isinstance(body.get(wanted), list)
            return Answer(status, body) if whole else unreadable(self.connection)
        refusal = Refusal(
            connection=self.connection,
            status=status,
            body=body or {},
            scope=scope,
            retry_after=seconds_of(response.headers),
            credits=self.left.get("credits"),
        )
        return refusal.error()

    def _learn(self, headers: Any) -> None:
        """Follow what is left of the credits, which Zoho says once half are gone, and its clock."""
        self._calls.note_date(headers)
        text = headers.get("X-API-CREDITS-REMAINING") or ""
        if _CREDITS.fullmatch(text):
            self.left["credits"] = int(text)
            self._calls.learn(self._quota, int(text))


_ROW_STATUSES = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.PRECONDITION_FAILED})
"""Refusals that still say row by row what was refused."""


def id_of(record: Any) -> str:
    """Return a record's id, or the empty text when it has none."""
    found = record.get("id") if isinstance(record, dict) else None
    return found if isinstance(found, str) else ""


def is_id(text: str) -> bool:
    """Whether a text reads like an id of Zoho's: a number of up to 19 digits."""
    return _ID.fullmatch(text) is not None


def chunks(items: Sequence[str], size: int) -> list[Sequence[str]]:
    """Cut a sequence into pieces of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def _document(content: bytes) -> dict[str, Any] | None:
    """Return the body as an object; None when it is none."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
