"""What is special about reading Zoho: two ways of paging, fifty fields, whole seconds, the bin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.connectors.zoho.conftest import QUICK, Org, Serve

from crm_steward.connect.calls import Calls
from crm_steward.sandbox import Request, Response, parse_faults
from crm_steward.sdk import ConfigError, Contact, Cursor, Page, RecordRef
from crm_steward_zoho.reading import Position
from crm_steward_zoho.sandbox import schema


def contacts_of(pages: Iterable[Page]) -> list[Contact]:
    """Return the contacts of all pages."""
    return [contact for page in pages for contact in page.contacts]


def ids_of(pages: Iterable[Page]) -> list[str]:
    """Return the ids of the contacts of all pages."""
    return [contact.ref.id for contact in contacts_of(pages)]


def stamp(org: Org) -> None:
    """Let a bulk import touch every contact in the same second."""
    for row in org.crm.active():
        org.crm.keep({**row, "modified": org.crm.seconds()})


def test_a_read_goes_on_by_key_where_tokens_end(served: Serve) -> None:
    """page_token reaches 400 of 900 records: COQL brings the others, each record once."""
    with served(contacts=900, token_reach=400) as org:
        brought = ids_of(org.open().read(None))
        assert sorted(brought) == org.ids
        assert len(brought) == len(set(brought))
        assert org.calls("POST /crm/v8/coql") == 2


def test_an_expired_token_does_not_begin_the_read_again(served: Serve) -> None:
    """A day passes after the first page: the cursor goes on behind its last record, by key."""
    with served(contacts=700) as org:
        reader = org.open().read(None)
        first = next(iter(reader))
        org.crm.offset = timedelta(hours=25)
        rest = list(org.open(vault=None).read(first.cursor))
        assert len(rest[0].contacts) == 0
        brought = [*ids_of([first]), *ids_of(rest)]
        assert sorted(brought) == org.ids
        assert len(brought) == len(set(brought))


def test_another_set_of_fields_does_not_begin_the_read_again(served: Serve) -> None:
    """A token is bound to its parameters; a setting changed between two pages costs nothing."""
    with served(contacts=700) as org:
        first = next(iter(org.open().read(None)))
        rest = list(org.open(extra={"score": "Score"}).read(first.cursor))
        assert sorted([*ids_of([first]), *ids_of(rest)]) == org.ids
        assert "score" in contacts_of(rest)[0].extra


def test_more_than_fifty_fields_are_joined(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """90 custom fields: each record has them all, from calls of at most fifty."""
    more = {
        f"Custom_{n}": schema.Field(f"Custom_{n}", f"Custom {n}", custom=True) for n in range(90)
    }
    monkeypatch.setattr("crm_steward_zoho.sandbox.account.CONTACT", {**schema.CONTACT, **more})
    with served(contacts=250) as org:
        for number, record_id in enumerate(org.ids):
            org.hand(
                "edit", id=record_id, values={"Custom_3": f"a{number}", "Custom_89": f"z{number}"}
            )
        extra = {f"c{n}": f"Custom_{n}" for n in range(90)}
        read = {one.ref.id: one for one in contacts_of(org.open(extra=extra).read(None))}
        for number, record_id in enumerate(org.ids):
            assert read[record_id].extra["c3"] == f"a{number}"
            assert read[record_id].extra["c89"] == f"z{number}"
            assert read[record_id].last_name
        assert all(entry["status"] < 400 for entry in org.server.log)


def test_a_record_edited_between_two_calls_has_the_older_revision(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Joined of two states, it carries the earlier time: a conditional write would be refused."""
    more = {
        f"Custom_{n}": schema.Field(f"Custom_{n}", f"Custom {n}", custom=True) for n in range(60)
    }
    monkeypatch.setattr("crm_steward_zoho.sandbox.account.CONTACT", {**schema.CONTACT, **more})
    with served() as org:
        connector = org.open(extra={f"c{n}": f"Custom_{n}" for n in range(60)})
        ref = org.refs(1)[0]
        before = org.held(ref.id, "Modified_Time")
        edit = {"values": {"Phone": "1"}, "id": ref.id}
        org.server.faults.add(parse_faults({"path": "ids=", "nth": 1, "human_edit": edit}))
        assert connector.get([ref])[ref].revision == before


def test_25000_contacts_of_one_second(served: Serve) -> None:
    """All share one Modified_Time: each is read once, in few calls more than there must be."""
    with served(contacts=25_000) as org:
        stamp(org)
        mark = org.held(org.ids[0], "Modified_Time")
        start = Position(phase="done", mark=mark).cursor()
        before = len(org.server.log)
        brought = ids_of(org.open().read(start))
        assert sorted(brought) == org.ids
        assert len(brought) == len(set(brought))
        assert len(org.server.log) - before <= 25_000 / 100 * 1.2


def test_the_mark_is_zohos_time_not_ours(served: Serve) -> None:
    """Zoho's clock is an hour behind ours: a change of now is brought all the same."""
    with served(born=datetime.now(UTC) - timedelta(hours=3)) as org:
        org.crm.offset = timedelta(hours=-1)
        first = list(org.open(overlap="0 seconds").read(None))[-1]
        edited = org.ids[-1]
        org.hand("edit", id=edited, values={"Title": "Beekeeper"})
        assert edited in ids_of(org.open(overlap="0 seconds").read(first.cursor))


def test_nothing_there_and_then_something(served: Serve) -> None:
    """An empty organisation reads as empty, and the first contact comes with the next read."""
    with served(contacts=0) as org:
        pages = list(org.open().read(None))
        assert pages[-1].complete
        assert contacts_of(pages) == []
        made = org.hand("create", values={"Last_Name": "First"})["id"]
        assert ids_of(org.open().read(pages[-1].cursor)) == [made]


def test_deleted_erased_and_merged_are_gone_and_restored_is_back(org: Org) -> None:
    """Of a merge by hand Zoho does not tell the survivor; a restored record comes back."""
    connector = org.open()
    cursor = list(connector.read(None))[-1].cursor
    deleted, erased, master, child = org.ids[:4]
    org.hand("delete", id=deleted)
    org.hand("erase", id=erased)
    org.hand("merge", master=master, children=[child])
    pages = list(connector.read(cursor))
    gone = {item.ref.id: item.survivor for page in pages for item in page.gone}
    assert gone == {deleted: None, erased: None, child: None}
    org.hand("restore", id=deleted)
    pages = list(connector.read(pages[-1].cursor))
    assert deleted in ids_of(pages)
    again = list(connector.read(pages[-1].cursor))
    assert deleted not in {item.ref.id for page in again for item in page.gone}


def test_thousands_of_deletions_are_paged(served: Serve) -> None:
    """450 deleted since the last read: all are named, in pages of 200."""
    with served(contacts=500) as org:
        cursor = list(org.open().read(None))[-1].cursor
        doomed = org.ids[:450]
        for record_id in doomed:
            org.hand("delete", id=record_id)
        gone = [item.ref.id for page in org.open().read(cursor) for item in page.gone]
        assert sorted(gone) == doomed
        assert org.calls(r"GET /crm/v8/Contacts/deleted\?.*page=3") == 1


def test_an_unreadable_cursor_reads_everything(org: Org) -> None:
    """A cursor of another version or a damaged one loses nothing."""
    junk = ("", "junk", "[]", "null", '{"phase":"nowhere"}', '{"phase":"done","mark":3}')
    for cursor in junk:
        assert sorted(ids_of(org.open().read(Cursor(cursor)))) == org.ids


def test_an_empty_page_where_more_were_announced_is_checked(served: Serve) -> None:
    """Zoho announces more and then brings nothing: the rest is looked for by key."""
    with served(contacts=500) as org:
        honest = org.crm.answer

        def stuttering(request: Request) -> Response:
            if "page_token" in request.query:
                return Response(204)
            return honest(request)

        org.crm.answer = stuttering  # type: ignore[method-assign] # a fault of our own
        assert sorted(ids_of(org.open().read(None))) == org.ids


def test_a_page_that_does_not_say_whether_it_is_the_last(served: Serve) -> None:
    """Without `info` the read does not take the page for the last one."""
    with served(contacts=500) as org:
        honest = org.crm.answer

        def silent(request: Request) -> Response:
            answer = honest(request)
            if isinstance(answer.body, dict) and "data" in answer.body:
                return replace(answer, body={"data": answer.body["data"]})
            return answer

        org.crm.answer = silent  # type: ignore[method-assign] # a fault of our own
        assert sorted(ids_of(org.open().read(None))) == org.ids


@pytest.mark.parametrize(
    "values",
    [{"Owner": "a name"}, {"Account_Name": ["x"]}, {"Email_Opt_Out": "yes"}, {"Email": {"a": 1}},
     {"Modified_Time": 5}, {"Data_Processing_Basis_Details": "Obtained"}],
)  # fmt: skip
def test_a_record_of_another_form_is_set_aside(org: Org, values: dict[str, Any]) -> None:
    """It is named with the field, without its value, and the others are read."""
    odd = org.ids[3]
    honest = org.crm.value
    name, value = next(iter(values.items()))

    def spoilt(row: Any, asked: str) -> Any:
        return value if row["id"] == odd and asked == name else honest(row, asked)

    org.crm.value = spoilt  # type: ignore[method-assign] # what Zoho would never send
    pages = list(org.open().read(None))
    poison = [item for page in pages for item in page.poison]
    assert [(item.id, item.reason) for item in poison] == [(odd, f"{name} has an unknown form")]
    assert len(contacts_of(pages)) == len(org.ids) - 1


def test_a_read_costs_the_credits_it_says(served: Serve) -> None:
    """What we count against the day is what Zoho counts."""
    with served(contacts=450) as org:
        calls = Calls("zoho", org_quotas(), policy=QUICK)
        list(org.open(calls=calls).read(None))
        pace = calls._paces["credits"]
        assert pace._sum == org.crm.credits.used + 1  # the token call is free at Zoho


def org_quotas() -> Any:
    """Return the quotas of the spec."""
    from crm_steward_zoho import SPEC  # noqa: PLC0415 - only here

    return SPEC.quotas


def test_links_lead_to_the_data_centre(org: Org) -> None:
    """Contacts are linked where people of that data centre open them."""
    contact = contacts_of(org.open(data_center="eu").read(None))[0]
    assert contact.url == f"https://crm.zoho.eu/crm/org20081234567/tab/Contacts/{contact.ref.id}"


def test_get_asks_for_usable_ids_only(org: Org) -> None:
    """An id that is no number is not sent into an address."""
    strange = [
        RecordRef("zoho", "1,2&fields=x"),
        RecordRef("zoho", "٣٤"),
        RecordRef("zoho", "9" * 5_000),
    ]
    assert org.open().get([*strange, org.refs(1)[0]]).keys() == {org.refs(1)[0]}


def test_a_field_removed_while_a_connection_is_open(org: Org) -> None:
    """A field that a setting names is named as missing; one that none names is done without."""
    connector, other = org.open(extra={"nick": "Nickname"}), org.open()
    ref = org.refs(1)[0]
    assert connector.get([ref])[ref].extra == {"nick": None}
    assert set(other.get([ref])[ref].extra) == {"customer_number"}
    org.hand("drop_field", name="Nickname")
    with pytest.raises(ConfigError, match=r"extra\.nick"):
        connector.get([ref])
    assert set(other.get([ref])) == {ref}
    org.hand("privacy", on=False)
    assert set(other.get([ref])) == {ref}
