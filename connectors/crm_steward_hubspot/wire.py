"""HubSpot's library, used well: cached API objects, a timeout on each call, no hidden retries.

Answers are parsed by us from the raw body: the library's models cost twenty times as much and
drop fields they do not know. Every call goes through the core's `Calls`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any

from hubspot import HubSpot  # noqa: TID253 - imported when a connection is opened, not before
from urllib3.exceptions import HTTPError

from crm_steward.sdk import Context, Quota, StewardError
from crm_steward_hubspot import HubSpotSettings, errors

_COUNT = re.compile(r"[0-9]{1,9}")
DEFAULT_URL = "https://api.hubapi.com"
Document = Mapping[str, Any]


class Wire:
    """One account of HubSpot, call by call.

    Args:
        settings: The connection's settings.
        context: What the core gives.
    """

    def __init__(self, settings: HubSpotSettings, context: Context) -> None:
        url = (settings.base_url or DEFAULT_URL).rstrip("/")
        self._connection = context.connection
        self._calls = context.calls
        self._timeout = (
            min(5.0, settings.timeout.total_seconds()),
            settings.timeout.total_seconds(),
        )
        # retry=False also keeps urllib3 from following redirects and from sleeping on Retry-After.
        self._client = HubSpot(
            access_token=settings.token.get_secret_value(), host=url, base_url=url, retry=False
        )
        self.left: dict[str, int] = {}
        """Quota → calls left, as the last answer said."""

    # The library builds a new connection pool at each access to one of these; they are kept.

    @cached_property
    def contacts(self) -> Any:
        """Contacts one by one: `/crm/v3/objects/contacts`."""
        return self._client.crm.contacts.basic_api

    @cached_property
    def contact_batches(self) -> Any:
        """Contacts by the hundred: `/crm/v3/objects/contacts/batch`."""
        return self._client.crm.contacts.batch_api

    @cached_property
    def contact_search(self) -> Any:
        """`/crm/v3/objects/contacts/search`."""
        return self._client.crm.contacts.search_api

    @cached_property
    def tasks(self) -> Any:
        """Tasks one by one: `/crm/v3/objects/tasks`."""
        return self._client.crm.objects.tasks.basic_api

    @cached_property
    def task_batches(self) -> Any:
        """Tasks by the hundred: `/crm/v3/objects/tasks/batch`."""
        return self._client.crm.objects.tasks.batch_api

    @cached_property
    def associations(self) -> Any:
        """What is attached to what: `/crm/v4/objects/…/associations`."""
        return self._client.crm.associations.v4.basic_api

    @cached_property
    def owners(self) -> Any:
        """`/crm/v3/owners`."""
        return self._client.crm.owners.owners_api

    @cached_property
    def properties(self) -> Any:
        """`/crm/v3/properties`."""
        return self._client.crm.properties.core_api

    def call(
        self,
        operation: Callable[..., Any],
        *args: Any,
        quota: str = "burst",
        repeatable: bool = True,
        **parameters: Any,
    ) -> Document:
        """Call one operation of the library and return the answer's document.

        Args:
            operation: A method of one of the API objects above.
            args: Its positional arguments; bodies are plain dictionaries.
            quota: Which of HubSpot's quotas it counts against.
            repeatable: Whether it may be made again when its answer is lost.
            parameters: Its named arguments; None is left out.

        Raises:
            StewardError: As `errors` maps HubSpot's answer.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        given |= {"_preload_content": False, "_request_timeout": self._timeout}
        return self._calls(quota, lambda: self._once(operation, args, given), repeatable=repeatable)

    def account(self) -> Document:
        """Return the account's details, for which the library has no method of its own."""
        return self.call(
            self.contacts.api_client.call_api,
            "/account-info/v3/details",
            "GET",
            header_params={"Accept": "application/json"},
            auth_settings=["oauth2"],
        )

    def close(self) -> None:
        """Close the sockets that were opened."""
        for name in list(vars(self)):
            client = getattr(vars(self)[name], "api_client", None)
            if client is not None:
                client.rest_client.pool_manager.clear()
                client.close()

    def _once(
        self, operation: Callable[..., Any], args: tuple[Any, ...], given: dict[str, Any]
    ) -> Document:
        """Make the request; raise ours outside of `except`, so that theirs is not kept with it.

        HubSpot's exceptions carry the answer's body, and with it personal data.
        """
        answer: Document = {}
        failure: StewardError | None = None
        try:
            response = operation(*args, **given)
            self._learn(response.headers)
            answer = _document(response.data)
        except HTTPError as error:
            failure = errors.from_transport(self._connection, error)
        except ValueError:  # not JSON, or not even UTF-8
            failure = errors.unreadable(self._connection)
        except Exception as error:
            failure = self._failure(error)
            if failure is None:
                raise
        if failure:
            raise failure
        return answer

    def _failure(self, error: Any) -> StewardError | None:
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
        return errors.from_answer(self._connection, status, error.body, error.headers)

    def _learn(self, headers: Any) -> None:
        """Follow the limits the answer states; search answers state none."""
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


def results_of(answer: Document) -> list[Any]:
    """Return the rows of a list, search or batch answer."""
    results = answer.get("results")
    return results if isinstance(results, list) else []


def next_of(answer: Document) -> str:
    """Return the mark of the next page; empty at the end, where there is no `paging`."""
    paging = answer.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    after = following.get("after") if isinstance(following, dict) else None
    return str(after) if after else ""


def id_of(record: Any) -> str:
    """Return a record's id, or the empty text when it has none."""
    found = record.get("id") if isinstance(record, dict) else None
    return found if isinstance(found, str) else ""


def _document(data: bytes) -> Document:
    """Read the answer's body.

    Raises:
        ValueError: It is not a JSON object.
    """
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - bad data, not a bad call
    return document


def _number(headers: Any, name: str) -> int | None:
    text = headers.get(f"X-HubSpot-RateLimit-{name}") if headers else None
    return int(text) if text and _COUNT.fullmatch(text) else None
