"""HubSpot's library, used well: cached API objects, a timeout on each call, no hidden retries.

Answers are parsed by us from the raw body: the library's models cost twenty times as much and
drop fields they do not know. Every call goes through the core's `Calls`, with the access token of
the moment: the library's own copy of a token would stay in objects that are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any

from hubspot import HubSpot  # noqa: TID253 - imported when a connection is opened, not before
from urllib3.exceptions import HTTPError

from crm_steward.sdk import AuthError, Context, Quota, StewardError, Token, guard_pools
from crm_steward_hubspot import SPEC, HubSpotSettings, errors, paths
from crm_steward_hubspot.auth import Form, token_source
from crm_steward_hubspot.documents import Document, ends_soundly

_COUNT = re.compile(r"[0-9]{1,9}")
_CHUNK = 2**16
_SECOND = timedelta(milliseconds=999)
"""What HubSpot's clock may show beyond the whole second that the header `Date` names."""
_LARGEST = 100
"""Megabytes an answer may have; a page of a hundred contacts has a third of one."""
_CLOSED = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})
"""How an address answers that is no longer, or not yet, there."""
DEFAULT_URL = "https://api.hubapi.com"
Failure = Callable[[str, int, Any, Any], StewardError]


class Wire:
    """One account of HubSpot, call by call.

    Args:
        settings: The connection's settings.
        context: What the core gives.
    """

    def __init__(self, settings: HubSpotSettings, context: Context) -> None:
        url = (settings.base_url or DEFAULT_URL).rstrip("/")
        self._connection = context.connection
        self._allowed = settings.allow_hosts
        self._calls = context.calls
        self._timeout = (
            min(5.0, settings.timeout.total_seconds()),
            settings.timeout.total_seconds(),
        )
        # retry=False also keeps urllib3 from following redirects and from sleeping on Retry-After.
        self._client = HubSpot(host=url, base_url=url, retry=False)
        self._tokens = token_source(settings, context, self._buy)
        self._open: dict[Sequence[str], str] = {}
        self._clock = context.clock
        self._crm_time: datetime | None = None
        self.left: dict[str, int] = {}
        """Quota → calls left, as the last answer said."""

    @property
    def now(self) -> datetime:
        """The last moment that HubSpot's clock may have shown when it answered; else ours."""
        return self._crm_time or self._clock()

    # The library builds a new connection pool at each access to one of these; they are kept.

    @cached_property
    def contacts(self) -> Any:
        """Contacts one by one: `/crm/v3/objects/contacts`."""
        return self._guarded(self._client.crm.contacts.basic_api)

    @cached_property
    def contact_batches(self) -> Any:
        """Contacts by the hundred: `/crm/v3/objects/contacts/batch`."""
        return self._guarded(self._client.crm.contacts.batch_api)

    @cached_property
    def contact_search(self) -> Any:
        """`/crm/v3/objects/contacts/search`."""
        return self._guarded(self._client.crm.contacts.search_api)

    @cached_property
    def tasks(self) -> Any:
        """Tasks one by one: `/crm/v3/objects/tasks`."""
        return self._guarded(self._client.crm.objects.tasks.basic_api)

    @cached_property
    def task_batches(self) -> Any:
        """Tasks by the hundred: `/crm/v3/objects/tasks/batch`."""
        return self._guarded(self._client.crm.objects.tasks.batch_api)

    @cached_property
    def subscription_types(self) -> Any:
        """`/communication-preferences/v3/definitions`."""
        return self._guarded(self._client.communication_preferences.definition_api)

    @cached_property
    def subscriptions(self) -> Any:
        """One address and one kind of e-mail: `/communication-preferences/v3`."""
        return self._guarded(self._client.communication_preferences.status_api)

    @cached_property
    def owners(self) -> Any:
        """`/crm/v3/owners`."""
        return self._guarded(self._client.crm.owners.owners_api)

    @cached_property
    def properties(self) -> Any:
        """`/crm/v3/properties`."""
        return self._guarded(self._client.crm.properties.core_api)

    def _guarded(self, api: Any) -> Any:
        """Let the library's own pool of connections reach no stranger and no private network."""
        guard_pools(
            api.api_client.rest_client.pool_manager, hosts=SPEC.hosts, allow_hosts=self._allowed
        )
        return api

    def call(
        self,
        operation: Callable[..., Any],
        *args: Any,
        quota: str = "burst",
        repeatable: bool = True,
        rows: bool = False,
        **parameters: Any,
    ) -> Document:
        """Call one operation of the library and return the answer's document.

        Args:
            operation: A method of one of the API objects above.
            args: Its positional arguments; bodies are plain dictionaries.
            quota: Which of HubSpot's quotas it counts against.
            repeatable: Whether it may be made again when its answer is lost.
            rows: Whether an answer without a list of results is none.
            parameters: Its named arguments; None is left out.

        Raises:
            StewardError: As `errors` maps HubSpot's answer.
        """
        given = {name: value for name, value in parameters.items() if value is not None}

        def attempt(token: Token) -> Document:
            authorised = {**given, "_request_auth": _bearer(token)}
            return self._calls(
                quota,
                lambda: self._once(operation, args, authorised, errors.from_answer, rows=rows),
                repeatable=repeatable,
            )

        return self._tokens.using(attempt)

    def request(
        self,
        method: str,
        path: str,
        *,
        parts: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Document | None = None,
        repeatable: bool = True,
        rows: bool = False,
    ) -> Document:
        """Call an address that the library has no method for.

        Args:
            method: `GET`, `POST`, …
            path: One of `paths`, with placeholders.
            parts: Placeholder → value.
            query: Parameters behind the path.
            body: What is sent as JSON.
            repeatable: As for `call`.
            rows: As for `call`.

        Raises:
            StewardError: As `errors` maps HubSpot's answer.
        """
        return self.call(
            self.contacts.api_client.call_api,
            path,
            method,
            path_params=dict(parts or {}),
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json"},
            body=body,
            auth_settings=["oauth2"],
            repeatable=repeatable,
            rows=rows,
        )

    def request_open(self, method: str, versions: Sequence[str], **given: Any) -> Document:
        """Call the first of several versions of an address that the account is open to.

        A version that HubSpot forbids or no longer has did nothing, so that the next one is tried.

        Raises:
            StewardError: As `errors` maps HubSpot's answer; where none is open, the last one's.
        """
        known = self._open.get(versions)
        ordered = [known, *(path for path in versions if path != known)] if known else versions
        for path in ordered[:-1]:
            try:
                answer = self.request(method, path, **given)
            except errors.HubSpotForbiddenError:
                continue
            except errors.HubSpotRejectedError as error:
                if error.status not in _CLOSED:
                    raise
                continue
            self._open[versions] = path
            return answer
        answer = self.request(method, ordered[-1], **given)
        self._open[versions] = ordered[-1]
        return answer

    @property
    def unreadable(self) -> StewardError:
        """The error for an answer that does not hold what it should."""
        return errors.unreadable(self._connection)

    def account(self) -> Document:
        """Return the account's details."""
        return self.request("GET", paths.ACCOUNT)

    def scopes(self, settings: HubSpotSettings) -> frozenset[str]:
        """Return what the token may do; empty when HubSpot does not say.

        An installed app asks about its access token, a private app about its static one. Other
        tokens are not known there.
        """
        token = self._tokens.current().access
        try:
            if settings.token:
                answer = self.request("POST", paths.TOKEN_INFO, body={"tokenKey": token})
            else:
                answer = self._posted(
                    paths.INTROSPECT,
                    {
                        "client_id": settings.client_id,
                        "client_secret": _revealed(settings),
                        "token": token,
                    },
                    errors.from_answer,
                )
        except (errors.HubSpotRejectedError, AuthError):
            return frozenset()
        listed = answer.get("scopes")
        return frozenset(map(str, listed)) if isinstance(listed, list) else frozenset()

    def close(self) -> None:
        """Close the sockets that were opened."""
        for name in list(vars(self)):
            client = getattr(vars(self)[name], "api_client", None)
            if client is not None:
                client.rest_client.pool_manager.clear()
                client.close()

    def _buy(self, form: Form) -> Document:
        """Send a form to the token endpoint, which takes no access token."""
        answer = self._posted(paths.TOKEN, form, errors.from_token_answer)
        if "access_token" not in answer and answer.get("error"):
            body = json.dumps({"status": answer.get("status")})
            raise errors.from_token_answer(self._connection, HTTPStatus.BAD_REQUEST, body, None)
        return answer

    def _posted(self, path: str, form: Form, failure: Failure) -> Document:
        given = {
            "header_params": {
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            "post_params": list(form.items()),
        }
        operation = self.contacts.api_client.call_api
        return self._calls(
            "token", lambda: self._once(operation, (path, "POST"), given, failure, rows=False)
        )

    def _once(
        self,
        operation: Callable[..., Any],
        args: tuple[Any, ...],
        given: dict[str, Any],
        failed: Failure,
        *,
        rows: bool,
    ) -> Document:
        """Make the request; raise ours outside of `except`, so that theirs is not kept with it.

        HubSpot's exceptions carry the answer's body, and with it personal data.
        """
        answer: Document = {}
        failure: StewardError | None = None
        options = {"_preload_content": False, "_request_timeout": self._timeout}
        try:
            response = operation(*args, **given, **options)
            self._learn(response.headers)
            answer, failure = self._read(response, rows=rows)
        except HTTPError as error:
            failure = errors.from_transport(self._connection, error)
        except (ValueError, RecursionError):  # not JSON, not even UTF-8, or too deep
            failure = errors.unreadable(self._connection)
        except Exception as error:
            failure = self._failure(error, failed)
            if failure is None:
                raise
        if failure:
            raise failure
        return answer

    def _read(self, response: Any, *, rows: bool) -> tuple[Document, StewardError | None]:
        """Return the answer's document, and what is wrong with it although it is a success.

        Raises:
            ValueError: It is not a JSON object.
        """
        if response.status == HTTPStatus.NO_CONTENT:
            response.release_conn()
            return {}, errors.unreadable(self._connection) if rows else None
        parts: list[bytes] = []
        size = 0
        for part in response.stream(_CHUNK):
            size += len(part)
            if size > _LARGEST * 2**20:
                response.close()
                return {}, errors.too_large(self._connection, _LARGEST)
            parts.append(part)
        document = json.loads(b"".join(parts))
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - bad data, not a bad call
        if document.get("status") == "error":
            return {}, errors.contradictory(self._connection, document)
        if rows and not (isinstance(document.get("results"), list) and ends_soundly(document)):
            return {}, errors.unreadable(self._connection)
        return document, None

    def _failure(self, error: Any, failed: Failure) -> StewardError | None:
        """Map an exception of the library, or return None when it is not one.

        Each of its namespaces has an ApiException of its own, without a common base. On a TLS
        failure it stumbles over its own ApiException, which has status 0 and no body.
        """
        if isinstance(error, AttributeError):
            error = error.__context__
        status = getattr(error, "status", None)
        if status == 0:
            return errors.from_tls(self._connection, str(error.reason))
        if not isinstance(status, int):
            return None
        self._learn(error.headers)
        return failed(self._connection, status, error.body, error.headers)

    def _learn(self, headers: Any) -> None:
        """Follow the limits the answer states, and its clock; search answers state no limits."""
        self._calls.note_date(headers)
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            self._crm_time = parsedate_to_datetime(headers["Date"]).astimezone(UTC) + _SECOND
        limit, left = _number(headers, "Max"), _number(headers, "Remaining")
        milliseconds = _number(headers, "Interval-Milliseconds") or 10_000
        if limit:
            per = timedelta(milliseconds=milliseconds)
            self._calls.learn(Quota(name="burst", calls=limit, per=per), left)
        daily, left_today = _number(headers, "Daily"), _number(headers, "Daily-Remaining")
        if daily:
            per = timedelta(days=1)
            self._calls.learn(Quota(name="daily", calls=daily, per=per), left_today)
        for name, remaining in (("burst", left), ("daily", left_today)):
            if remaining is not None:
                self.left[name] = remaining


def _bearer(token: Token) -> dict[str, str]:
    return {
        "type": "oauth2",
        "in": "header",
        "key": "Authorization",
        "value": f"Bearer {token.access}",
    }


def _revealed(settings: HubSpotSettings) -> str:
    return settings.client_secret.get_secret_value() if settings.client_secret else ""


def _number(headers: Any, name: str) -> int | None:
    text = headers.get(f"X-HubSpot-RateLimit-{name}") if headers else None
    return int(text) if text and _COUNT.fullmatch(text) else None
