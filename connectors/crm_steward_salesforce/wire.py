"""Salesforce's library, used well: one object per token, nothing of it renewed or sent twice.

The library is used in its direct-token mode only. In its login modes it repeats a refused call
without the headers it was given, and a guarded write would go out unguarded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlsplit

import requests

from crm_steward.sdk import (
    Context,
    Quota,
    RetryableError,
    StewardError,
    Token,
    open_session,
    transport_error,
)
from crm_steward_salesforce import errors, soap
from crm_steward_salesforce.library import Salesforce, SalesforceError
from crm_steward_salesforce.login import TITLE, Login
from crm_steward_salesforce.settings import HOSTS, SalesforceSettings

T = TypeVar("T")
Record = Mapping[str, Any]
LONGEST_URL = 16_000
"""Characters an address may have; Salesforce takes 16,384 bytes."""
ROWS = 2_000
"""Rows of one page of a query."""
MOST = 200
"""Records of one collection."""

_USAGE = re.compile(r"api-usage=([0-9]{1,9})/([0-9]{1,9})")
_LONGEST_WAIT = 86_400.0


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a query's result.

    Args:
        records: As Salesforce sends them; whether they are objects is not looked at yet.
        done: Whether the result ends here.
    """

    records: Sequence[Any]
    done: bool


class Wire:
    """One org, call by call.

    Args:
        settings: The connection's settings.
        context: What the core gives.
    """

    def __init__(self, settings: SalesforceSettings, context: Context) -> None:
        base = urlsplit(settings.base_url or "")
        self._session = open_session(
            settings.timeout,
            plain=base.netloc if base.scheme == "http" else "",
            hosts=HOSTS,
            allow_hosts=settings.allow_hosts,
        )
        self._session.hooks["response"].append(self._note)
        self._tokens = Login(settings, context, self._session).tokens()
        self._settings = settings
        self.connection = context.connection
        self._calls = context.calls
        self._clock = context.clock
        self._client: tuple[Token, Salesforce] | None = None
        self._crm_time: datetime | None = None
        self._asked: float | None = None
        self.left: int | None = None
        """Calls left of the rolling 24 hours, as the last answer said."""

    @property
    def now(self) -> datetime:
        """The org's time when it last answered; ours before that."""
        return self._crm_time or self._clock()

    def address(self) -> str:
        """Return the org's address for links, or empty where it is an emulator's."""
        url = self._tokens.current().url
        return url if url.startswith("https://") else ""

    # -- reading ------------------------------------------------------------------------------

    def query(self, soql: str, *, everything: bool = False) -> Rows:
        """Ask for one page of records; `everything` includes the recycle bin."""

        def ask(client: Salesforce) -> Rows:
            answer = client.query(soql, include_deleted=everything)
            records = answer.get("records") if isinstance(answer, dict) else None
            done = answer.get("done") if isinstance(answer, dict) else None
            if not isinstance(records, list) or not isinstance(done, bool):
                raise ValueError("not a query's result")  # noqa: TRY004 - bad data, not a bad call
            return Rows(records, done)

        return self.call(ask)

    def describe(self, name: str) -> Record:
        """Describe an object as our user sees it."""

        def ask(client: Salesforce) -> Record:
            item: Any = getattr(client, name)
            return _document(item.describe())

        return self.call(ask)

    def limits(self) -> Record:
        """Ask what is left of the org's limits."""
        return self.call(lambda client: _document(client.limits()))

    # -- writing ------------------------------------------------------------------------------

    def update(self, record_id: str, values: Record, unmodified_since: datetime) -> None:
        """Change one contact, if it was not modified after the second named.

        Raises:
            ModifiedError: It was.
        """
        headers = {
            "If-Unmodified-Since": format_datetime(unmodified_since.astimezone(UTC), usegmt=True),
            **self._duplicates,
        }

        def write(client: Salesforce) -> None:
            item: Any = client.Contact
            answer = item.update(record_id, dict(values), raw_response=True, headers=headers)
            if answer.status_code != HTTPStatus.NO_CONTENT:
                raise ValueError("not the answer to an update")

        self.call(write, repeatable=False)

    def collection(self, method: str, records: Sequence[Record]) -> list[Any]:
        """Write up to 200 records in one request; the rows come back in the order sent.

        Args:
            method: `POST` makes, `PATCH` changes, `DELETE` moves to the recycle bin.
            records: With `attributes` and, for what is there, `id`.
        """

        def write(client: Salesforce) -> list[Any]:
            answer = _restful(client, method, records, self._duplicates)
            if not isinstance(answer, list):
                raise ValueError("not a list of rows")  # noqa: TRY004 - bad data, not a bad call
            if len(records) == 1 and answer:
                self._check_lock(answer[0])
            return answer

        return self.call(write, repeatable=False)

    def merge(self, master: str, losers: Sequence[str], flags: Sequence[str]) -> soap.Merged:
        """Merge one or two contacts into a master, ticking checkboxes on it as it happens.

        Raises:
            SalesforceRejectedError: Salesforce refuses it; nothing took effect.
        """

        def write(client: Salesforce) -> soap.Merged:
            message = soap.merge(
                client.session_id,
                master,
                losers,
                flags,
                allow_duplicates=self._settings.allow_duplicates,
            )
            url = f"https://{client.sf_instance}/services/Soap/u/{client.sf_version}"
            response = client.session.post(url, data=message, headers=soap.HEADERS)
            return self._merged(response)

        return self.call(write, repeatable=False)

    def undelete(self, ids: Sequence[str]) -> None:
        """Take contacts out of the recycle bin, all or none of them.

        Raises:
            SalesforceRejectedError: Salesforce refuses it; nothing took effect.
        """

        def write(client: Salesforce) -> None:
            message = soap.undelete(client.session_id, ids)
            url = f"https://{client.sf_instance}/services/Soap/u/{client.sf_version}"
            response = client.session.post(url, data=message, headers=soap.HEADERS)
            self._results(response, len(ids))

        self.call(write, repeatable=False)

    def _merged(self, response: requests.Response) -> soap.Merged:
        return self._results(response, 1)[0]

    def _results(self, response: requests.Response, count: int) -> list[soap.Merged]:
        """Read a SOAP answer with so many results, all of which are to be successes."""
        answer = soap.parse(response.content)
        if answer is not None and answer.fault and answer.fault != "?":
            total = "TotalRequests" in answer.text_of_fault
            refusal = errors.Refusal(response.status_code, answer.fault, total=total)
            raise errors.from_code(self.connection, refusal)
        if response.status_code != HTTPStatus.OK:
            raise errors.from_answer(self.connection, response.status_code, None)
        results = answer.results() if answer is not None else []
        if len(results) != count:
            raise ValueError("not the answer to this call")
        for one in results:
            if not one.success:
                refusal = errors.Refusal(HTTPStatus.OK, one.code, one.fields)
                raise errors.from_code(self.connection, refusal)
        return results

    def _check_lock(self, row: Any) -> None:
        refusal = errors.refusal_of(HTTPStatus.OK, _errors_of(row))
        if refusal.code == "UNABLE_TO_LOCK_ROW":
            raise errors.from_code(self.connection, refusal)

    @property
    def _duplicates(self) -> dict[str, str]:
        if not self._settings.allow_duplicates:
            return {}
        return {"Sforce-Duplicate-Rule-Header": "allowSave=true"}

    # -- one call -----------------------------------------------------------------------------

    def call(self, operation: Callable[[Salesforce], T], *, repeatable: bool = True) -> T:
        """Make one call with a token that may be used now.

        Args:
            operation: Uses the library; raises ValueError for an answer it cannot read.
            repeatable: Whether it may be made again when its answer is lost.

        Raises:
            StewardError: As `errors` maps Salesforce's answer.
        """
        return self._tokens.using(
            lambda token: self._calls(
                "api", lambda: self._once(token, operation), repeatable=repeatable
            )
        )

    def versions(self) -> list[str]:
        """Return the API versions the org serves."""

        def ask(client: Salesforce) -> list[str]:
            url = f"https://{client.sf_instance}/services/data/"
            response = client.session.get(url)
            if response.status_code != HTTPStatus.OK:
                raise errors.from_answer(self.connection, response.status_code, None)
            items = response.json()
            listed = items if isinstance(items, list) else []
            return [str(i["version"]) for i in listed if isinstance(i, dict) and "version" in i]

        return self.call(ask)

    def close(self) -> None:
        """Close the sockets."""
        self._session.close()

    def _once(self, token: Token, operation: Callable[[Salesforce], T]) -> T:
        """Make the request; raise ours outside of `except`, so that theirs is not kept with it.

        The library's exceptions carry the address and the answer's body, and so personal data.
        """
        failure: StewardError | None = None
        self._asked = None
        try:
            return operation(self._library(token))
        except SalesforceError as error:
            failure = errors.from_answer(self.connection, error.status, error.content)
        except requests.JSONDecodeError:
            failure = errors.unreadable(self.connection)
        except requests.RequestException as error:
            failure = transport_error(self.connection, TITLE, error)
        except (ValueError, RecursionError):  # not JSON, not what it should hold, or too deep
            failure = errors.unreadable(self.connection)
        if isinstance(failure, RetryableError) and failure.retry_after is None:
            failure.retry_after = self._asked
        raise failure

    def _library(self, token: Token) -> Salesforce:
        if self._client is None or self._client[0].access != token.access:
            client = Salesforce(
                instance_url=_https(token.url),
                session_id=token.access,
                version=self._settings.version,
                session=self._session,
            )
            self._client = token, client
        return self._client[1]

    def _note(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Follow what an answer's headers say: the org's clock, its day, and a wait asked for."""
        self._calls.note_date(response.headers)
        with suppress(KeyError, ValueError, TypeError):
            self._crm_time = parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
        with suppress(KeyError, ValueError):
            asked = float(response.headers["Retry-After"])
            self._asked = asked if 0 <= asked <= _LONGEST_WAIT else None
        usage = _USAGE.search(response.headers.get("Sforce-Limit-Info", ""))
        if usage and int(usage[2]):
            limit = int(usage[2])
            self.left = max(limit - int(usage[1]), 0)
            self._calls.learn(Quota(name="daily", calls=limit, per=timedelta(days=1)), self.left)


def url_length(soql: str) -> int:
    """Return how long the address of a query becomes."""
    return len(quote_plus(soql)) + 64


def row_refusal(row: Any) -> errors.Refusal | None:
    """Return why a collection refused a row; None where it did not."""
    if isinstance(row, Mapping) and row.get("success") is True:
        return None
    return errors.refusal_of(HTTPStatus.OK, _errors_of(row))


def _errors_of(row: Any) -> Any:
    return row.get("errors") if isinstance(row, Mapping) and row.get("success") is False else None


def _restful(
    client: Salesforce, method: str, records: Sequence[Record], headers: Mapping[str, str]
) -> Any:
    options: dict[str, Any] = {"headers": dict(headers)}
    if method == "DELETE":
        ids = ",".join(str(record["id"]) for record in records)
        options["params"] = {"ids": ids, "allOrNone": "false"}
    else:
        options["json"] = {"allOrNone": False, "records": list(records)}
    try:
        answer = client.restful("composite/sobjects", method=method, **options)
    except TypeError:  # the library takes the length of whatever JSON it was sent
        return None
    return [] if answer is None else answer


def _document(answer: Any) -> Record:
    if not isinstance(answer, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - bad data, not a bad call
    return answer


def _https(url: str) -> str:
    """Return the address as the library wants it; an emulator's is sent over http all the same."""
    return f"https://{urlsplit(url).netloc}"
