"""What is special about HubSpot: caps, lag, quotas, batches refused whole, scopes, redirects, TLS."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme
from tests.connectors.hubspot.conftest import ONCE, QUICK, calls_to, contacts_of, served, since

from crm_steward.connect.calls import Calls
from crm_steward.connect.discovery import open_connection, paced_calls
from crm_steward.sandbox import parse_faults
from crm_steward.sdk import (
    AuthError,
    ConfigError,
    CreateTask,
    Cursor,
    Poison,
    RecordRef,
    RetryableError,
    Status,
    UpdateFields,
)
from crm_steward_hubspot import HubSpotSettings
from crm_steward_hubspot.sandbox import SCOPES, HubSpotSandbox, search
from crm_steward_hubspot.sandbox.schema import CONTACT, Property
from crm_steward_hubspot.sandbox.values import iso, milliseconds


def _stamp(crm: HubSpotSandbox, when: datetime) -> None:
    """Give every contact one and the same modification time, as a bulk import does."""
    at = milliseconds(when)
    with crm.lock:
        for record_id in list(crm.active):
            row = crm.tables["contacts"][str(record_id)]
            crm.keep(
                {
                    **row,
                    "properties": {**row["properties"], "lastmodifieddate": iso(at)},
                    "updatedAt": at,
                }
            )


# -- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["numeric", "text"])
def test_more_contacts_of_one_instant_than_search_shows(
    order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,500 contacts share one timestamp, search shows 1,000: all are read, in minimal calls."""
    monkeypatch.setattr(search, "_REACH", 1_000)
    with served(contacts=2_500, search_id_order=order) as (server, crm, connect):
        now = datetime.now(UTC)
        _stamp(crm, now)
        read = contacts_of(list(connect().read(since(now - timedelta(hours=1)))))
        assert len(read) == len({contact.ref for contact in read}) == len(crm.active)
        minimal = -(-len(crm.active) // 200)
        assert calls_to(server, "/search") <= minimal * 1.2


def test_a_contact_edited_while_we_page_pushes_no_other_one_out() -> None:
    """Edits move records out of the window behind us; without offsets nobody is skipped."""
    with served(contacts=900) as (_server, crm, connect):
        then = datetime.now(UTC) - timedelta(hours=2)
        _stamp(crm, then)
        untouched = {str(record_id) for record_id in crm.active}
        seen: set[str] = set()
        connector = connect(overlap="0 seconds", search_lag="0 seconds")
        for page in connector.read(since(then - timedelta(minutes=1))):
            seen |= {contact.ref.id for contact in page.contacts}
            for record_id in sorted(seen)[:150]:
                crm.by_hand({"do": "edit", "id": record_id, "values": {"city": "Lyon"}})
                untouched.discard(record_id)
        assert untouched <= seen


def test_what_the_index_shows_late_is_read_with_the_next_pull() -> None:
    """With 90 seconds of lag an edit is missed once, and caught because reads overlap."""
    with served(index_lag=timedelta(seconds=90)) as (server, crm, _connect):
        now = [datetime.now(UTC)]
        settings = HubSpotSettings.model_validate({"token": crm.token, "base_url": server.url})
        connector = open_connection(
            "hub", settings, clock=lambda: now[0], calls=Calls("hub", policy=QUICK)
        )
        cursor = list(connector.read(None))[-1].cursor
        edited = str(crm.active[3])
        crm.by_hand({"do": "edit", "id": edited, "values": {"city": "Lyon"}})
        first = list(connector.read(cursor))
        assert edited not in {contact.ref.id for contact in contacts_of(first)}
        crm.offset = timedelta(seconds=100)
        now[0] += timedelta(seconds=100)
        second = list(connector.read(first[-1].cursor))
        assert edited in {contact.ref.id for contact in contacts_of(second)}


def test_a_search_that_hides_records_falls_back_to_the_full_listing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Search announces 60 contacts and brings fewer: everything is listed instead."""
    with served(contacts=60) as (server, crm, connect):
        now = datetime.now(UTC)
        _stamp(crm, now)
        honest = crm.answer

        def hiding(request: Any) -> Any:
            answer = honest(request)
            if request.path.endswith("/search") and isinstance(answer.body, dict):
                shown = answer.body["results"][:-5]
                return replace(answer, body={**answer.body, "results": shown})
            return answer

        monkeypatch.setattr(crm, "answer", hiding)
        read = contacts_of(list(connect().read(since(now - timedelta(hours=1)))))
        assert {contact.ref.id for contact in read} == {str(i) for i in crm.active}
        assert calls_to(server, "contacts[?].*limit=100") >= 1


def test_an_empty_page_with_a_next_page_does_not_end_the_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """HubSpot sometimes answers an empty page that names a following one: it is followed."""
    with served(contacts=60) as (_server, crm, connect):
        now = datetime.now(UTC)
        _stamp(crm, now)
        honest, emptied = crm.answer, []

        def stuttering(request: Any) -> Any:
            answer = honest(request)
            if request.path.endswith("/search") and not emptied:
                emptied.append(request)
                body = {**answer.body, "results": [], "paging": {"next": {"after": "0"}}}
                return replace(answer, body=body)
            return answer

        monkeypatch.setattr(crm, "answer", stuttering)
        read = contacts_of(list(connect().read(since(now - timedelta(hours=1)))))
        assert len({contact.ref for contact in read}) == len(crm.active)


def test_an_old_deletion_is_found_although_no_date_moved() -> None:
    """Archiving does not touch the modified date: the recycle bin is read each time."""
    with served() as (_server, crm, connect):
        connector = connect()
        cursor = list(connector.read(None))[-1].cursor
        gone = str(crm.active[0])
        crm.by_hand({"do": "archive", "id": gone})
        pages = list(connector.read(cursor))
        assert [item.ref.id for page in pages for item in page.gone] == [gone]


def test_an_unreadable_cursor_reads_everything() -> None:
    """A cursor of another version or a damaged one loses nothing."""
    with served() as (_server, crm, connect):
        for cursor in ("", "junk", "[]", '{"phase":"nowhere","start":1}', '{"phase":"done"}'):
            read = contacts_of(list(connect().read(Cursor(cursor))))
            assert len(read) == len(crm.active)


def test_many_mapped_fields_fit_into_no_address_and_no_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """200 custom fields: ids are listed and searched, the fields come by batch; all are read."""
    names = [f"a_custom_field_with_a_rather_long_name_{n}" for n in range(200)]
    monkeypatch.setattr(
        HubSpotSandbox, "definitions", {**CONTACT, **{name: Property(name, name) for name in names}}
    )
    extra = {f"field_{n}": name for n, name in enumerate(names)}
    with served(contacts=250) as (server, crm, connect):
        connector = connect(extra=extra)
        pages = list(connector.read(None))
        assert len(contacts_of(pages)) == len(crm.active)
        assert contacts_of(pages)[0].emails
        now = datetime.now(UTC)
        _stamp(crm, now)
        changed = contacts_of(list(connector.read(pages[-1].cursor)))
        assert len({contact.ref for contact in changed}) == len(crm.active)
        assert all(entry["status"] < 400 for entry in server.log)


def test_a_broken_record_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """One record without properties: it is named as poison, the others are read."""
    with served() as (_server, crm, connect):
        broken = str(crm.active[5])
        honest = crm.render

        def render(row: Any, names: Any) -> Any:
            shown = honest(row, names)
            return {**shown, "properties": None} if shown["id"] == broken else shown

        monkeypatch.setattr(crm, "render", render)
        pages = list(connect().read(None))
        poison = [item for page in pages for item in page.poison]
        assert poison == [Poison(broken, "the record has no properties")]
        assert len(contacts_of(pages)) == len(crm.active) - 1


# -- writing ----------------------------------------------------------------------------------


def _updates(crm: HubSpotSandbox, count: int, **values: Any) -> list[UpdateFields]:
    return [
        UpdateFields(
            ref=RecordRef("hub", str(record_id)), values=values, expected=dict.fromkeys(values)
        )
        for record_id in list(crm.active)[:count]
    ]


def test_one_invalid_value_in_a_hundred_costs_few_calls() -> None:
    """HubSpot refuses the whole batch: 99 are written, the bad one is named, in 15 calls or fewer."""
    with served(contacts=120) as (server, crm, connect):
        changes = _updates(crm, 100, city="Lyon")
        changes[37] = replace(changes[37], values={"email": "not an address"})
        outcomes = list(connect().apply(changes))
        refused = [n for n, outcome in enumerate(outcomes) if outcome.status is Status.REJECTED]
        assert refused == [37]
        assert "email: INVALID_EMAIL" in outcomes[37].reason
        assert "not an address" not in outcomes[37].reason
        assert sum(outcome.status is Status.VERIFIED for outcome in outcomes) == 99
        assert calls_to(server, "batch/update") <= 15


def test_five_bad_rows_that_cannot_be_told_apart_by_property() -> None:
    """All rows write the same property and five are invalid: each is found by halving."""
    with served(contacts=120) as (server, crm, connect):
        rows = list(crm.active)[:100]
        bad = {3, 4, 50, 77, 99}
        changes = [
            UpdateFields(
                ref=RecordRef("hub", str(record_id)),
                values={"email": "nonsense" if n in bad else f"new{n}@example.com"},
                expected={"email": None},
            )
            for n, record_id in enumerate(rows)
        ]
        outcomes = list(connect().apply(changes))
        refused = {n for n, outcome in enumerate(outcomes) if outcome.status is Status.REJECTED}
        assert refused == bad
        assert sum(outcome.status is Status.VERIFIED for outcome in outcomes) == 95
        assert calls_to(server, "batch/update") <= 60


def test_a_read_only_or_missing_property_refuses_its_rows_without_halving() -> None:
    """The property cannot be written by anybody: two calls, not fourteen."""
    with served(contacts=120) as (server, crm, connect):
        changes = _updates(crm, 100, city="Lyon")
        for n in (10, 20):
            changes[n] = replace(changes[n], values={"extra.x": "1"}, expected={"extra.x": None})
        outcomes = list(connect(extra={"x": "no_such_property"}).apply(changes))
        refused = [n for n, outcome in enumerate(outcomes) if outcome.status is Status.REJECTED]
        assert refused == [10, 20]
        assert "no_such_property: PROPERTY_DOESNT_EXIST" in outcomes[10].reason
        assert calls_to(server, "batch/update") == 2


def test_an_address_that_another_contact_has() -> None:
    """409: the change is refused with the existing id, which is what a merge would need."""
    with served() as (_server, crm, connect):
        held = {i: crm.tables["contacts"][str(i)]["properties"].get("email") for i in crm.active}
        first = next(record_id for record_id, email in held.items() if email)
        second = next(record_id for record_id in held if record_id != first)
        taken = str(held[first])
        change = UpdateFields(
            ref=RecordRef("hub", str(second)), values={"email": taken}, expected={"email": None}
        )
        (outcome,) = connect().apply([change])
        assert outcome.status is Status.REJECTED
        assert f"existing id {first}" in outcome.reason
        assert taken not in outcome.reason


def test_an_address_is_verified_although_hubspot_lowers_it() -> None:
    """The answer shows `ann@…` where `Ann@…` was written: that is the same address."""
    with served() as (_server, crm, connect):
        change = UpdateFields(
            ref=RecordRef("hub", str(crm.active[0])),
            values={"email": "Ann.New@Example.com"},
            expected={"email": None},
        )
        connector = connect()
        (outcome,) = connector.apply([change])
        assert outcome.status is Status.VERIFIED
        (settled,) = connector.settle([change])
        assert settled.status is Status.VERIFIED


def test_a_task_is_what_a_person_wants_to_see() -> None:
    """Due at nine in the account's own time zone, safe HTML, for its owner, marked discreetly."""
    with served() as (_server, crm, connect):
        task = CreateTask(
            ref=RecordRef("hub", str(crm.active[0])),
            title="Check the phone",
            body="Reads <b>like</b> a fax & more.\nSecond line.",
            due=date(2026, 7, 1),
            marker="1a2b3c4d5e6f7081",
            owner="64493101",
        )
        (outcome,) = connect().apply([task])
        held = crm.tables["tasks"][outcome.remote_id]["properties"]
        assert held["hs_task_subject"] == "Check the phone"
        assert held["hs_task_body"] == (
            "Reads &lt;b&gt;like&lt;/b&gt; a fax &amp; more.<br>Second line.<br><br>"
            "[crm-steward 1a2b3c4d5e6f7081]"
        )
        assert held["hs_timestamp"].startswith("2026-07-01T07:00:00"), "nine o'clock in Paris"
        assert held["hubspot_owner_id"] == "64493101"


def test_a_write_that_was_never_sent_is_an_error_and_no_doubt() -> None:
    """Refused before it took effect, too often: nothing happened, so no outcome claims UNKNOWN."""
    with served() as (server, crm, connect):
        server.faults.add(parse_faults({"path": "update", "status": 429, "retry_after": 0.001}))
        changes = _updates(crm, 2, city="Lyon")
        with pytest.raises(RetryableError) as caught:
            list(connect().apply(changes))
        assert not caught.value.sent


# -- check, quotas, errors --------------------------------------------------------------------


def test_check_tells_what_is_missing_and_how_to_mend_it() -> None:
    """Missing scopes, to read and to write, a misspelt custom field: a line each with its remedy."""
    scopes = ["crm.objects.contacts.read", "crm.schemas.contacts.read", "oauth"]
    with served(scopes=scopes) as (_server, _crm, connect):
        account = connect(extra={"job": "jobtitel"}).check()
        owners, write, unsubscribe, field = account.missing
        assert "crm.objects.owners.read" in owners
        assert "Grant it" in owners
        assert "crm.objects.contacts.write, which is for correcting fields" in write
        assert "communication_preferences.read_write" in unsubscribe
        assert "'jobtitel' (did you mean 'jobtitle'?)" in field
        assert "connections.hub.extra.job" in field


@pytest.mark.parametrize("by", ["token", "OAuth", "a token nobody knows"])
def test_check_asks_what_the_token_may_do(by: str) -> None:
    """A private app and an installed one are asked; of other tokens only reading shows it."""
    scopes = [scope for scope in SCOPES if "communication" not in scope]
    closed = {"/oauth/v2": 404} if by == "a token nobody knows" else {}
    with served(scopes=scopes, oauth=by == "OAuth", closed=closed) as (_server, _crm, connect):
        missing = connect().check().missing
        assert len(missing) == (0 if by == "a token nobody knows" else 1)
        assert all("communication_preferences.read_write" in line for line in missing)


def test_reading_and_writing_one_kind_of_mail_are_enough_to_unsubscribe() -> None:
    """`read` and `write` together are worth `read_write`."""
    scopes = [scope for scope in SCOPES if scope != "communication_preferences.read_write"]
    with served(scopes=[*scopes, "communication_preferences.write"]) as (_s, _crm, connect):
        assert connect().check().missing == ()


def test_a_standard_property_that_the_account_lacks_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Editions differ: it is read as empty, and `check` says so; reading goes on."""
    with served(contacts=3) as (_server, crm, connect):
        lacking = {n: p for n, p in CONTACT.items() if n != "recent_deal_close_date"}
        monkeypatch.setattr(HubSpotSandbox, "definitions", lacking)
        (line,) = connect().check().missing
        assert "'recent_deal_close_date'" in line
        assert "read as empty" in line
        assert len(contacts_of(list(connect().read(None)))) == len(crm.active)


def test_check_names_owners_who_left() -> None:
    """Contacts keep an archived owner: the name must be known."""
    with served() as (_server, _crm, connect):
        account = connect().check()
        assert account.time_zone == "Europe/Paris"
        assert {owner.active for owner in account.owners.values()} == {True, False}
        assert account.fields["email"].writable
        assert not account.fields["lastmodifieddate"].writable
        assert account.quota["burst"] > 0
        assert account.quota["daily"] > 0


def test_a_wrong_token_is_one_line_with_its_remedy() -> None:
    """401: the connection's name, what is wrong, what to do; not the token."""
    with served() as (_server, _crm, connect):
        with pytest.raises(AuthError) as caught:
            connect(token="pat-eu1-canary").check()
        assert str(caught.value).startswith("hub: HubSpot refuses the token")
        assert "canary" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


def test_the_account_s_own_limits_are_followed() -> None:
    """The answer names 40 calls per 10 seconds instead of 100; ours become 24."""
    with served(burst=40) as (_server, _crm, connect):
        settings = HubSpotSettings.model_validate({"token": "t"})
        calls = paced_calls("hub", settings)
        connect(calls=calls).check()
        assert calls._paces["burst"].quota.calls == 40
        assert calls.stats["burst"].calls == 6


def test_a_burst_of_429_costs_one_retry_each() -> None:
    """Three refusals in a row: three waits, then the read is complete."""
    with served() as (server, crm, connect):
        server.faults.add(
            parse_faults({"path": "limit=100", "status": 429, "retry_after": 0.02, "times": 3})
        )
        calls = Calls("hub", policy=QUICK)
        read = contacts_of(list(connect(calls=calls).read(None)))
        assert len(read) == len(crm.active)
        assert calls.stats["burst"].refused == 3
        assert calls.stats["burst"].retries == 3


def test_a_server_that_never_answers_ends_at_the_timeout() -> None:
    """The library has no timeout of its own; ours ends the call."""
    with served() as (server, _crm, connect):
        server.faults.add(parse_faults({"path": "/account-info", "slow": 1.5}))
        once = Calls("hub", policy=ONCE)
        with pytest.raises(RetryableError, match="broke off before answering"):
            connect(calls=once, timeout="1 second").check()


def test_a_web_page_instead_of_json_is_said_so() -> None:
    """A proxy's page with status 200 is no answer of HubSpot."""
    with _answering(200, {"Content-Type": "text/html"}, b"<html>Welcome</html>") as url:
        once = Calls("hub", policy=ONCE)
        settings = HubSpotSettings.model_validate({"token": "t", "base_url": url})
        with pytest.raises(RetryableError, match="not HubSpot's JSON"):
            open_connection("hub", settings, calls=once).check()


def test_an_error_page_in_another_encoding() -> None:
    """The library decodes error bodies as UTF-8 and stumbles; we do not."""
    with _answering(502, {"Content-Type": "text/html"}, "Pas trouvé".encode("latin-1")) as url:
        once = Calls("hub", policy=ONCE)
        settings = HubSpotSettings.model_validate({"token": "t", "base_url": url})
        with pytest.raises(RetryableError):
            open_connection("hub", settings, calls=once).check()


def test_a_redirect_takes_the_token_nowhere() -> None:
    """Not to another host, not to another path: the redirect is named and not followed."""
    with (
        _answering(200, {}, b"{}") as stranger,
        _answering(302, {"Location": f"{stranger}/steal"}, b"") as url,
    ):
        settings = HubSpotSettings.model_validate({"token": "t", "base_url": url})
        with pytest.raises(ConfigError, match="redirect"):
            open_connection("hub", settings, calls=Calls("hub")).check()
        assert _Handler.seen == [("/account-info/v3/details", "Bearer t")]


def test_an_untrusted_certificate_is_named() -> None:
    """TLS that cannot be verified is a person's business, and nothing was sent."""
    authority = trustme.CA()
    with _answering(200, {}, b"{}", tls=authority) as url:
        settings = HubSpotSettings.model_validate({"token": "t", "base_url": url})
        with pytest.raises(ConfigError, match="certificate is not trusted"):
            open_connection("hub", settings, calls=Calls("hub")).check()
        assert _Handler.seen == []


class _Handler(BaseHTTPRequestHandler):
    answer: tuple[int, dict[str, str], bytes] = (200, {}, b"")
    seen: list[tuple[str, str | None]] = []  # noqa: RUF012 - reset by _answering

    def do_GET(self) -> None:
        """Answer whatever is asked."""
        self.seen.append((self.path, self.headers.get("Authorization")))
        status, headers, body = self.server.answer  # type: ignore[attr-defined] # set below
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def _answering(
    status: int, headers: dict[str, str], body: bytes, *, tls: trustme.CA | None = None
) -> Iterator[str]:
    """Serve one and the same answer to everything."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.answer = (status, headers, body)  # type: ignore[attr-defined] # read by the handler
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # refused handshakes
    _Handler.seen = []
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.issue_cert("127.0.0.1").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
