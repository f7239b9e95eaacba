"""Pipedrive's library, with a transport of ours: one session, the token in a header, timeouts.

`pipedrive-python-lib` builds the addresses. Its own transport puts the token into the address,
has no timeout, opens a connection per call, and returns a web page as if it were an answer; so
`_request` and `_parse` are replaced. Every call goes through the core's `Calls`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from pipedrive.client import Client  # noqa: TID253 - imported when a connection is opened, not before

from crm_steward.sdk import (
    ConfigError,
    Context,
    Quota,
    StewardError,
    Token,
    TokenSource,
    checked_url,
    fixed_token,
    is_loopback,
    open_session,
    transport_error,
)
from crm_steward_pipedrive import BURST, DAILY, SPEC, PipedriveSettings, errors

T = TypeVar("T")
TITLE = "Pipedrive"
Document = Mapping[str, Any]
_COUNT = re.compile(r"[0-9]{1,12}")
_OAUTH = "https://oauth.pipedrive.com"
_DEFAULT = "https://api.pipedrive.com"
_PLAUSIBLE = timedelta(days=1)
"""A clock that is further off than this is not believed."""
_READS = frozenset({"get"})
_TOKEN = re.compile(r"[!-~]{1,10000}")
_LIFE, _LONGEST_LIFE = 3_599, 86_400
"""Seconds an access token lives, where the answer names no such time, and at most."""


class PipedriveClient(Client):  # type: ignore[misc] # the library is untyped
    """The library's client for one address and one token, over our transport.

    Args:
        wire: Sends.
        base: Address with version, ending in a slash.
        headers: Sent with every call; holds the token.
    """

    def __init__(self, wire: Wire, base: str, headers: Mapping[str, str]) -> None:
        super().__init__()
        self.BASE_URL = base
        self._wire = wire
        self._headers = headers

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Document:
        """Send once and return the answer's document.

        Raises:
            StewardError: As `errors` maps the answer.
        """
        given = {**self._headers, **(headers or {})}
        response = self._wire.send(method, url, headers=given, params=params, **options)
        content = options.get("json")
        return self._parse(
            response,
            writes=method not in _READS,
            sent=_names(content) if isinstance(content, dict) else (),
        )

    def _parse(
        self, response: requests.Response, *, writes: bool = False, sent: tuple[str, ...] = ()
    ) -> Document:
        name = self._wire.connection
        if not response.ok or response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            raise errors.from_answer(
                name,
                response.status_code,
                response.content,
                response.headers,
                writes=writes,
                sent=sent,
            )
        if response.status_code == HTTPStatus.NO_CONTENT or not response.content:
            return {}
        document = _document(response.content)
        if document is None:
            raise errors.unreadable(name)
        if document.get("success") is not True:
            raise errors.no_success(name)
        return document


class _OAuthClient(PipedriveClient):
    """The library's client for the token endpoint, whose answers have a shape of their own."""

    def _parse(self, response: requests.Response, **_: Any) -> Document:
        name = self._wire.connection
        if response.status_code != HTTPStatus.OK:
            raise errors.from_token_answer(
                name, response.status_code, response.content, response.headers
            )
        document = _document(response.content)
        access = document.get("access_token") if document else None
        if document is None or not (isinstance(access, str) and _TOKEN.fullmatch(access)):
            raise errors.unreadable(name)
        return document


class Api:
    """Both versions of Pipedrive's API at one address.

    Args:
        wire: Sends.
        address: `https://acme.pipedrive.com`, without a slash at its end.
        headers: Sent with every call; holds the token.
    """

    def __init__(self, wire: Wire, address: str, headers: Mapping[str, str]) -> None:
        self.v1 = PipedriveClient(wire, f"{address}/v1/", headers)
        self.v2 = PipedriveClient(wire, f"{address}/api/v2/", headers)


class Wire:
    """One Pipedrive company, call by call.

    Args:
        settings: The connection's settings.
        context: What the core gives.
    """

    def __init__(self, settings: PipedriveSettings, context: Context) -> None:
        self.connection = context.connection
        self._settings = settings
        self._calls = context.calls
        self._clock = context.clock
        self._session = open_session(
            settings.timeout, hosts=SPEC.hosts, allow_hosts=settings.allow_hosts
        )
        self._tokens = self._source(context)
        self._ahead = timedelta(0)
        self.left: dict[str, int] = {}
        """Quota → what is left of it, as the last answer said."""

    def call(
        self,
        ask: Callable[[Api], Any],
        *,
        cost: int,
        repeatable: bool = True,
        sound: Callable[[Document], bool] | None = None,
    ) -> Document:
        """Make one call and return the answer's document.

        Args:
            ask: Makes it, through the library's methods on either version's client.
            cost: What Pipedrive takes for it, in tokens of the day.
            repeatable: Whether it may be made again when its answer is lost.
            sound: Whether the answer is of the form it should be: a list or record that lacks what
                it is about is neither an empty list nor a record that is gone.

        Raises:
            StewardError: As `errors` maps Pipedrive's answer.
        """

        def made(token: Token) -> Document:
            answer: Document = ask(self._api(token))
            if sound is not None and not sound(answer):
                raise errors.unreadable(self.connection)
            return answer

        def once(token: Token) -> Document:
            return self._calls(BURST.name, lambda: made(token), repeatable=repeatable, cost=cost)

        return self._tokens.using(once)

    def send(self, method: str, url: str, **options: Any) -> requests.Response:
        """Send one request; ours is raised outside of `except`, so that theirs is not kept.

        Raises:
            StewardError: There was no answer.
        """
        failure: StewardError | None = None
        try:
            response = self._session.request(method, url, **options)
        except requests.RequestException as error:
            failure = transport_error(self.connection, TITLE, error)
        if failure:
            raise failure
        self._learn(response.headers)
        return response

    def mark_behind(self, answer: Document, mark: str) -> str:
        """Return the mark of the page behind the one at `mark`; empty at the end.

        Raises:
            RetryableError: It is the same one: it would go round in circles.
        """
        following = mark_of(answer)
        if following and following == mark:
            raise errors.unreadable(self.connection)
        return following

    def at(self, moment: datetime) -> datetime:
        """Return what Pipedrive's clock showed at a moment of ours, as far as answers tell."""
        return moment + self._ahead

    def close(self) -> None:
        """Close the sockets."""
        self._session.close()

    # -- the way in ---------------------------------------------------------------------------

    def _source(self, context: Context) -> TokenSource:
        settings = self._settings
        if settings.api_token is not None:
            return fixed_token(settings.api_token.get_secret_value())
        configured = settings.refresh_token.get_secret_value() if settings.refresh_token else ""
        seed = f"pipedrive/{settings.client_id}/{configured}"
        return context.tokens(seed, lambda kept: self._issue(kept or configured))

    def _api(self, token: Token) -> Api:
        if self._settings.api_token is not None:
            return Api(self, self._address(""), {"x-api-token": token.access})
        return Api(self, self._address(token.url), {"Authorization": f"Bearer {token.access}"})

    def _address(self, named: str) -> str:
        """Return where calls go: to `base_url`, else where the token says, else to the company.

        Raises:
            ConfigError: The token names a host that is not Pipedrive's.
        """
        settings = self._settings
        if settings.base_url:
            return settings.base_url.rstrip("/")
        if named:
            return self._checked(named)
        return f"https://{settings.company}.pipedrive.com" if settings.company else _DEFAULT

    def _checked(self, named: str) -> str:
        allowed, host = (*SPEC.hosts, *self._settings.allow_hosts), ""
        try:
            address = checked_url(named, allowed, where=self.connection)
            host = urlsplit(address).hostname or ""
        except (ConfigError, ValueError):
            address = ""
        if not address.startswith("https://") or is_loopback(host):
            raise errors.strange_host(self.connection, host or "another host")
        return address

    def _issue(self, refresh: str) -> Token:
        """Ask for an access token; the refresh token that comes with it replaces ours.

        Raises:
            AuthError: Pipedrive refuses the refresh token or the app.
        """
        settings = self._settings
        client = _OAuthClient(self, "", {})
        client.client_id = settings.client_id
        client.client_secret = (
            settings.client_secret.get_secret_value() if settings.client_secret else ""
        )
        client.OAUTH_BASE_URL = f"{(settings.base_url or _OAUTH).rstrip('/')}/oauth/"
        answer = self._calls("token", lambda: client.refresh_token(refresh), cost=0)
        url = answer.get("api_domain")
        if not settings.base_url and isinstance(url, str):
            url = self._checked(url)
        seconds = answer.get("expires_in")
        known = isinstance(seconds, int) and 0 < seconds <= _LONGEST_LIFE
        lives = timedelta(seconds=seconds if isinstance(seconds, int) and known else _LIFE)
        renewed = answer.get("refresh_token")
        return Token(
            access=answer["access_token"],
            expires_at=self._clock() + lives,
            refresh=renewed if isinstance(renewed, str) else "",
            url=url if isinstance(url, str) else "",
        )

    # -- what answers tell beside their data --------------------------------------------------

    def _learn(self, headers: Mapping[str, str]) -> None:
        """Follow the limits that the answer states, and its clock."""
        self._calls.note_date(headers)
        for quota, prefix in ((BURST, "x-ratelimit"), (DAILY, "x-daily-ratelimit-token")):
            limit, left = (_number(headers, f"{prefix}-{part}") for part in ("limit", "remaining"))
            # The burst is the token's own, so a little left is mostly our own doing; nothing left
            # means a moment's rest. The day is the whole company's.
            others = left if quota is DAILY or left == 0 else None
            if limit:
                self._calls.learn(Quota(name=quota.name, calls=limit, per=quota.per), others)
            if left is not None:
                self.left[quota.name] = left
        try:
            at = parsedate_to_datetime(headers.get("Date", ""))
        except ValueError:
            return
        ahead = (at if at.tzinfo else at.replace(tzinfo=UTC)) - self._clock()
        if abs(ahead) < _PLAUSIBLE:
            self._ahead = ahead


def rows_of(answer: Document) -> list[Any]:
    """Return the rows of a list."""
    data = answer.get("data")
    return data if isinstance(data, list) else []


def is_list(answer: Document) -> bool:
    """Whether an answer is a whole list: version 1 writes an empty one as null."""
    more = answer.get("additional_data")
    empty = "data" in answer and answer["data"] is None
    if not isinstance(answer.get("data"), list) and not (empty and isinstance(more, dict)):
        return False
    mark = more.get("next_cursor") if isinstance(more, dict) else None
    return more is None or (isinstance(more, dict) and (mark is None or isinstance(mark, str)))


def is_record(answer: Document) -> bool:
    """Whether an answer holds one record."""
    number = row_of(answer).get("id")
    return isinstance(number, int) and not isinstance(number, bool)


def row_of(answer: Document) -> Document:
    """Return the one record of an answer; empty when it shows none."""
    data = answer.get("data")
    return data if isinstance(data, dict) else {}


def mark_of(answer: Document) -> str:
    """Return the mark of the next page of version 2; empty at the end."""
    more = answer.get("additional_data")
    mark = more.get("next_cursor") if isinstance(more, dict) else None
    return mark if isinstance(mark, str) else ""


def says_end(answer: Document) -> bool:
    """Whether an answer says that there is no further page, and does not just leave it out."""
    more = answer.get("additional_data")
    return isinstance(more, dict) and "next_cursor" in more and more["next_cursor"] is None


def _names(content: Mapping[str, Any]) -> tuple[str, ...]:
    custom = content.get("custom_fields")
    return (*content, *(custom if isinstance(custom, dict) else ()))


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if _COUNT.fullmatch(text) else None
