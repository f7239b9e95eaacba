"""What was said about each address, on whatever record: SQL over the DuckDB table `contacts`.

A consent hangs on an address. People are linked across records and connections by the addresses
they share, compared by key; for each address, channel and purpose the most restrictive status of
all records counts. `model.binding_consent` says the same of one record. A refusal that names no
address is the person's: it concerns the addresses of all records that are known to be theirs (the
table `people`). Nothing but refusals passes from address to address.
"""

from __future__ import annotations

from collections.abc import Iterable

from crm_steward.model import Channel, ConsentStatus
from crm_steward.model.consent import GENERAL
from crm_steward.normalize import ROLE_NAMES
from crm_steward.rules.sql import Statement

REFUSED = (ConsentStatus.COMPLAINT, ConsentStatus.WITHDRAWN, ConsentStatus.OBJECTED)
"""The person said no."""

_LABELS = "[" + ", ".join(f"'{status.label}'" for status in sorted(ConsentStatus)) + "]"
_ADDRESSED = {Channel.EMAIL: "email_keys", Channel.SMS: "phone_keys", Channel.PHONE: "phone_keys"}
"""Channel → the column with the key of each of a record's own addresses, in their order."""
_CONSENT = ", ".join(
    f'"{name}":"{kind}"'
    for name, kind in {
        "channel": "VARCHAR",
        "status": "VARCHAR",
        "purpose": "VARCHAR",
        "address": "VARCHAR",
        "basis": "VARCHAR",
        "given_at": "TIMESTAMP",
        "how": "VARCHAR",
        "text_version": "VARCHAR",
        "source": "VARCHAR",
        "withdrawn_at": "TIMESTAMP",
    }.items()
)
_SAID = (
    '{"channel":"VARCHAR","status":"VARCHAR","purpose":"VARCHAR","address":"VARCHAR",'
    '"withdrawn_at":"TIMESTAMP"}'
)
_GROUNDS = {
    "purchase": "purchase|contract|sale|customer|achat|contrat|vente|client|kauf|vertrag|kunde",
    "inquiry": "inquir|enquir|request|application|demande|anfrage|candidature|bewerbung",
}
"""How CRMs name the two grounds of implied consent."""
_DOUBLE = r"double[\s_-]*opt|\bdoi\b|confirmed[\s_-]*opt|opt[\s_-]*in[\s_-]*confirm"
_PROOF = ("purpose", "given_at", "how", "text_version", "source")
"""Parts of a proof; the address, where it is not written, is the record's own."""
SHOWN = 20
"""Records named in one finding; the others are counted."""


def listed(statuses: Iterable[ConsentStatus]) -> str:
    """Return the statuses as items of an SQL list."""
    return ", ".join(f"'{status.label}'" for status in statuses)


def rank(label: str) -> str:
    """Return SQL for how restrictive a status is; `label` is SQL for its name."""
    return f"(list_position({_LABELS}, {label}) - 1)"


def label(rank_of: str) -> str:
    """Return SQL for the name of the status of that rank."""
    return f"{_LABELS}[{rank_of} + 1]"


def own(channel: str, purpose: str | None, statement: Statement) -> str:
    """Return SQL for what a contact's own record says: a list of consents, of the row at hand.

    Args:
        channel: Only of this channel.
        purpose: Only what speaks of this purpose, or of the channel as a whole; None for all.
        statement: Takes the values.
    """
    asked = f"said.channel = {statement.bind(channel)}"
    if purpose is not None:
        asked += f" AND {_speaks_of(purpose, 'said.purpose', statement)}"
    return f"list_filter(from_json(consents, '[{{{_CONSENT}}}]'), lambda said: {asked})"


def _speaks_of(purpose: str, held: str, statement: Statement) -> str:
    return f"({held} = {statement.bind(purpose)} OR {held} = '{GENERAL}')"


def grounded(said: str, basis: str) -> str:
    """Return SQL for those of a list of consents that rest on a purchase, or on an inquiry."""
    names = f"regexp_matches(coalesce(said.basis, ''), '{_GROUNDS[basis]}', 'i')"
    return f"list_filter({said}, lambda said: {names})"


def confirmed(how: str) -> str:
    """Return SQL for whether a consent was given by double opt-in; `how` is SQL for its way."""
    return f"regexp_matches(coalesce({how}, ''), '{_DOUBLE}', 'i')"


def lacking(granted: str) -> str:
    """Return SQL for the parts of the proof that the first of a list of consents lacks: a list.

    What speaks of the channel as a whole comes first, as it binds.
    """
    general = f"list_filter({granted}, lambda said: said.purpose = '{GENERAL}')"
    empty = ", ".join(f"CASE WHEN said.{part} IS NULL THEN '{part}' END" for part in _PROOF)
    parts = f"list_filter([{empty}], lambda part: part IS NOT NULL)"
    return f"list_transform(list_concat({general}, {granted})[1:1], lambda said: {parts})[1]"


def addressed(channel: str) -> str:
    """Return SQL for the key of each of a contact's addresses on `channel`: a list, of its row.

    The key is empty where the address cannot be compared.
    """
    return f"from_json({_ADDRESSED[Channel(channel)]}, '[\"VARCHAR\"]')"


def statements(
    statement: Statement, channel: str | None = None, purpose: str | None = None, rows: str = "true"
) -> str:
    """Return SQL for all that was said: one row per record, channel, purpose and address.

    Columns: connection, id, channel, purpose, key, rank (how restrictive), refused_at.

    Args:
        statement: Takes the values.
        channel: Only of this channel; None for all.
        purpose: Only what speaks of this purpose, or of the channel as a whole; None for all.
        rows: SQL for the contacts whose consents are read: reading them is what takes time.
    """
    asked = _asked(statement, channel, purpose)
    return (
        "SELECT connection, id, said.channel AS channel, said.purpose AS purpose, "
        f"unnest(keys) AS key, {rank('said.status')} AS rank, said.withdrawn_at AS refused_at FROM ("
        f"SELECT connection, id, unnest(from_json(consents, '[{_SAID}]')) AS said, "
        "unnest(from_json(consent_keys, '[[\"VARCHAR\"]]')) AS keys "
        f"FROM contacts WHERE consents <> '[]' AND {rows}) WHERE {asked}"
    )


def _asked(statement: Statement, channel: str | None, purpose: str | None) -> str:
    asked = ["true"]
    if channel is not None:
        asked.append(f"said.channel = {statement.bind(channel)}")
    if purpose is not None:
        asked.append(_speaks_of(purpose, "said.purpose", statement))
    return " AND ".join(asked)


def refused_by_people(
    statement: Statement, channel: str | None = None, purpose: str | None = None
) -> str:
    """Return SQL for the refusals that name no address, for every address of the person.

    Columns and arguments as for `statements`. A mailbox of a function (info@) is nobody's own.
    """
    roles = statement.bind(sorted(ROLE_NAMES))
    held = " ".join(f"WHEN '{channel.value}' THEN held.{of}" for channel, of in _ADDRESSED.items())
    no = (
        "SELECT person, connection, id, said.channel AS channel, said.purpose AS purpose, "
        f"{rank('said.status')} AS rank, said.withdrawn_at AS refused_at FROM (SELECT person, "
        f"connection, id, unnest(from_json(consents, '[{_SAID}]')) AS said FROM contacts "
        f"JOIN people USING (connection, id) WHERE {_REFUSES}) WHERE said.address IS NULL "
        f"AND said.status IN ({listed(REFUSED)}) AND {_asked(statement, channel, purpose)}"
    )
    # Few refuse: of all that people hold, only the addresses of those are read.
    return (
        "SELECT connection, id, channel, purpose, key, rank, refused_at FROM (SELECT no.connection, no.id, channel, purpose, rank, "
        f"refused_at, unnest(from_json(CASE channel {held} END, '[\"VARCHAR\"]')) AS key "
        f"FROM ({no}) AS no JOIN people AS theirs USING (person) JOIN contacts AS held "
        "ON held.connection = theirs.connection AND held.id = theirs.id) "
        f"WHERE key <> '' AND NOT list_contains({roles}, split_part(key, '@', 1))"
    )


_REFUSES = " OR ".join(f"contains(consents, '\"{status.label}\"')" for status in REFUSED)
"""SQL for the contacts that refuse something: the others need not be read to know who does."""
_SPEAKING = (
    "SELECT connection, id, unnest(flatten(from_json(consent_keys, '[[\"VARCHAR\"]]'))) AS key "
    "FROM contacts WHERE consent_keys <> '[]'"
)


def binding(purpose: str | None) -> str:
    """Return SQL, of a group of `purpose` and `rank`, for the rank that decides.

    Without a purpose that is what was said of the channel as a whole; where only single kinds of
    messages were spoken of, the least restrictive of them.

    Args:
        purpose: The purpose asked about; None for the channel.
    """
    if purpose is not None:
        return "max(rank)"
    return f"coalesce(max(rank) FILTER (purpose = '{GENERAL}'), min(rank))"


def refusals(channel: str, purpose: str | None, statement: Statement) -> str:
    """Return SQL for the contacts with an address of which somebody said no, on any record.

    An e-mail address counts where it may be written to from the record: the first, which is the
    one that CRMs use, and those that the record says something about. That a second address was
    refused says nothing about the first: it may be a mailbox that many share.

    Columns: connection, id, no_rank (the strictest status), no_at (the first refusal that has a
    date), no_places (which of the record's addresses, from 1), no_records (other records that say
    no, as `connection:id`, at most 20), no_others (how many there are of the address that most of
    them share).
    """
    spoken_of = "(connection, id, key) IN (SELECT (connection, id, key) FROM said)"
    counts = f"(place = 1 OR {spoken_of})" if channel == Channel.EMAIL.value else "true"
    held = _ADDRESSED[Channel(channel)]
    no = ", ".join(str(int(status)) for status in REFUSED)
    among = "(connection, id) IN (SELECT (connection, id) FROM speaking)"
    return (
        f"WITH of_people AS MATERIALIZED ({refused_by_people(statement, channel, purpose)}), "
        f"refused AS ({statements(statement, channel, purpose, f'({_REFUSES})')} "
        "UNION ALL SELECT * FROM of_people), "
        f"keys AS MATERIALIZED (SELECT DISTINCT key FROM refused WHERE rank IN ({no})), "
        f"speaking AS (SELECT DISTINCT connection, id FROM ({_SPEAKING}) SEMI JOIN keys USING (key)), "
        f"said AS MATERIALIZED (SELECT * FROM ({statements(statement, channel, purpose, among)}) "
        "SEMI JOIN keys USING (key) UNION ALL SELECT * FROM of_people), "
        "strictest AS (SELECT key, purpose, max(rank) AS rank FROM said GROUP BY ALL), "
        f"verdict AS (SELECT key, {binding(purpose)} AS rank, "
        f"bool_or(purpose = '{GENERAL}') AS general "
        f"FROM strictest GROUP BY key HAVING {binding(purpose)} IN ({no})), "
        "said_no AS (SELECT key, min(refused_at) AS refused_at, any_value(verdict.rank) AS rank, "
        "list(DISTINCT connection || ':' || id) AS records "
        f"FROM said JOIN verdict USING (key) WHERE said.rank IN ({no}) "
        f"AND ({'true' if purpose is not None else 'NOT general'} OR purpose = '{GENERAL}') "
        "GROUP BY key), "
        "sorted AS (SELECT key, refused_at, rank, len(records) AS others, "
        f"list_sort(records)[1:{SHOWN + 1}] AS shown, records FROM said_no), "
        "reached AS (SELECT connection, id, unnest(keys) AS key, generate_subscripts(keys, 1) AS place "
        f"FROM (SELECT connection, id, {addressed(channel)} AS keys FROM contacts "
        f"WHERE {held} <> '[]')) "
        "SELECT *, greatest(most, len(no_records)) AS no_others FROM ("
        "SELECT connection, id, max(rank) AS no_rank, min(refused_at) AS no_at, "
        "list_sort(list_distinct(list(place))) AS no_places, list_sort(list_distinct(list_filter(flatten(list(shown)), "
        f"lambda one: one <> connection || ':' || id)))[1:{SHOWN}] AS no_records, "
        "max(others - list_contains(records, connection || ':' || id)::INTEGER) AS most "
        f"FROM reached JOIN sorted USING (key) WHERE {counts} GROUP BY connection, id)"
    )
