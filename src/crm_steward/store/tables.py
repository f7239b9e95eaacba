"""The schema, one for SQLite and PostgreSQL: migrations create it. What is written is in `written`."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from crm_steward.store.columns import Json, UtcTime
from crm_steward.store.metadata import metadata
from crm_steward.store.reported import rule_edits, task_states, usages
from crm_steward.store.written import (
    approvals,
    consent_evidence,
    halts,
    journal,
    plans,
    tombstones,
)

__all__ = [
    "approvals",
    "connections",
    "consent_evidence",
    "contacts",
    "decisions",
    "examinations",
    "figures",
    "finding_refs",
    "findings",
    "halts",
    "jobs",
    "journal",
    "learned",
    "leases",
    "meta",
    "metadata",
    "outbox",
    "people",
    "plans",
    "quarantine",
    "regrouped",
    "reminders",
    "rule_edits",
    "rulebooks",
    "runs",
    "snoozes",
    "task_states",
    "tokens",
    "tombstones",
    "usages",
]


def _of_a_finding() -> Column[str]:
    finding = ForeignKey("findings.fingerprint", ondelete="CASCADE")
    return Column("fingerprint", Text, finding, primary_key=True)


meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts about this database: `installation` (a random id), `mirror_version` (counts changes),
`plan_shown` (a plan's hash), `proven:<rule>` (a rule's digest)."""

connections = Table(
    "connections",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("cursor", Text),
    Column("pass_started_at", UtcTime),  # the full read in progress, None outside one
    Column("last_full_at", UtcTime),
    Column("last_success_at", UtcTime),
    Column("last_attempt_at", UtcTime),
    Column("last_error", Text),
    Column("live", Integer, nullable=False, default=0),  # live contacts after the last full read
    Column("paused_reason", Text),
    Column("frozen_reason", Text),  # the source shrank: nothing is written until it is explained
    Column("account", Json),  # what `check` last learnt: name, time zone, owners
    Column("covered_until", UtcTime),  # begin of the last whole read: what changed before is known
)

contacts = Table(
    "contacts",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("revision", Text, nullable=False, default=""),
    Column("content", Text, nullable=False),  # hash of everything below, to skip unchanged rows
    # What the CRM holds.
    Column("first_name", Text),
    Column("last_name", Text),
    Column("full_name", Text),
    Column("email", Text),
    Column("phone", Text),
    Column("mobile", Text),
    Column("company", Text),
    Column("job_title", Text),
    Column("street", Text),
    Column("postcode", Text),
    Column("city", Text),
    Column("region", Text),
    Column("country", Text),
    Column("language", Text),
    Column("website", Text),
    Column("owner", Text),
    Column("stage", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("source", Text),
    Column("created_at", UtcTime),
    Column("updated_at", UtcTime),
    Column("last_person_act", UtcTime),
    Column("last_activity", UtcTime),
    # Only where the settings map them.
    Column("collected_at", UtcTime),
    Column("informed_at", UtcTime),
    Column("contract_end", UtcTime),
    Column("last_login", UtcTime),
    Column("last_mailed_at", UtcTime),
    Column("birth_date", UtcTime),
    Column("rights_request_at", UtcTime),
    Column("source_type", Text),
    Column("legal_hold", Boolean),
    Column("purchases", Float),
    Column("notes", Text),
    Column("has_notes", Boolean, nullable=False, default=False),
    Column("url", Text),
    Column("emails", Json, nullable=False),  # [{address, status}]
    Column("phones", Json, nullable=False),  # [{number, kind, status}]
    Column("consents", Json, nullable=False),  # [{channel, status, ...}]
    Column("extra", Json, nullable=False),
    # The binding consent per channel: most restrictive wins. None: nothing is known.
    Column("consent_email", Text),
    Column("consent_sms", Text),
    Column("consent_phone", Text),
    Column("consent_post", Text),
    Column("consent_email_basis", Text),
    Column("consent_email_given_at", UtcTime),
    Column("consent_email_how", Text),
    Column("consent_phone_basis", Text),
    Column("consent_phone_given_at", UtcTime),
    Column("consent_phone_how", Text),
    # Who may be reached by which address, without regard to how it is written: JSON lists of keys.
    Column("email_keys", Text),  # of each of its e-mail addresses, in their order
    Column("phone_keys", Text),  # of each of its numbers, in their order
    Column("consent_keys", Text),  # per consent, the keys it speaks of
    Column("consent_email_missing_proof", Text),  # comma-separated; "" means complete
    Column("consent_phone_missing_proof", Text),
    # Comparable values, made at pull so that a scan costs nothing per row.
    Column("country_code", Text),  # ISO 3166-1 alpha-2
    Column("email_key", Text),
    Column("email_domain", Text),
    Column("email_status", Text),  # of the primary one
    Column("email_clean", Text),  # what the e-mail should read, None when it already does
    Column("email_problem", Text),  # why it cannot be an address, None when it can
    Column("phone_key", Text),  # E.164
    Column("mobile_key", Text),
    Column("phone_problem", Text),
    Column("mobile_problem", Text),
    Column("first_name_cased", Text),  # what the name should read, None when it already does
    Column("last_name_cased", Text),
    Column("first_name_key", Text),
    Column("last_name_key", Text),
    Column("name_key", Text),  # sorted tokens of first and last name
    Column("company_key", Text),
    Column("street_key", Text),
    Column("postcode_key", Text),
    Column("city_key", Text),
    Column("email_typo", Text),  # the domain that was probably meant
    Column("company_clean", Text),  # here and below: what it should read, None when it does
    Column("street_clean", Text),
    Column("city_clean", Text),
    Column("postcode_clean", Text),
    Column("postcode_problem", Text),
    Column("country_clean", Text),
    Column("website_clean", Text),
    Column("website_problem", Text),
    Column("language_code", Text),  # ISO 639-1
    # Our own bookkeeping.
    Column("seen_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("absences", Integer, nullable=False, default=0),  # full reads in a row without it
    Column("gone_at", UtcTime),
    Column("survivor", Text),  # id it was merged into, in the same connection
    Column("erased_at", UtcTime),  # when somebody with one of its addresses was erased here
    Index(None, "email_key"),
    Index(None, "gone_at"),
    Index(None, "changed_at"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("last_seen_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False, default=1),
)
"""Records that could not be read, and changes refused too often (id = `change <key>`)."""

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    # pull, scan, scan-changed, plan, apply, settle, undo, report
    Column("verb", Text, nullable=False),
    Column("connection", Text),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("status", Text, nullable=False),  # running, done, failed
    Column("counts", Json, nullable=False),
    Column("error", Text),
    Index(None, "verb", "started_at"),
)

findings = Table(
    "findings",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("state", Text, nullable=False),  # open, resolved
    Column("about", Text, nullable=False, default=""),
    Column("score", Float),
    Column("evidence", Json, nullable=False),
    Column("first_seen_at", UtcTime, nullable=False),  # of the present opening
    Column("last_seen_at", UtcTime, nullable=False),
    Column("resolved_at", UtcTime),
    Column("openings", Integer, nullable=False, default=1),  # > 1: it was reopened
    Index(None, "rule", "state"),
)

finding_refs = Table(
    "finding_refs",
    metadata,
    _of_a_finding(),
    Column("connection", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Index(None, "connection", "id"),
)

regrouped = Table(
    "regrouped",
    metadata,
    _of_a_finding(),
    Column("members", Text, nullable=False),  # the fingerprint that they would have of their own
    UniqueConstraint("members"),
)
"""Findings about groups whose members are no longer those they were first found with."""

snoozes = Table(
    "snoozes",
    metadata,
    # No foreign key: a snooze holds whatever becomes of its finding, and until its date.
    Column("fingerprint", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("reason", Text, nullable=False),  # a person's own words: shown, never logged
    Column("by", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    # Two records, the lower one on the left; no foreign key: one may be gone for a while.
    Column("left_connection", Text, primary_key=True),
    Column("left_id", Text, primary_key=True),
    Column("right_connection", Text, primary_key=True),
    Column("right_id", Text, primary_key=True),
    Column("verdict", Text, nullable=False),  # same, different
    Column("lasting", Boolean, nullable=False),  # else until what is compared changes
    Column("digest", Text, nullable=False),  # of what was compared of both when it was taken
    Column("reason", Text, nullable=False),  # a person's own words: shown, never logged
    Column("by", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

people = Table(
    "people",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Index(None, "person"),
)
"""The records of each person, across connections. Who has one record is not in it."""

examinations = Table(
    "examinations",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("connection", Text, primary_key=True),
    Column("digest", Text, nullable=False),  # the rule's, as it looked at all contacts
    Column("looked_at", UtcTime, nullable=False),  # at what had changed, or at all
    Column("whole_at", UtcTime, nullable=False),  # at all contacts of the connection
)
"""Which rule last looked at which connection: what stands unchanged is not written at each scan."""

rulebooks = Table(
    "rulebooks",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("files", Json, nullable=False),  # file name → text
    Column("ran_at", UtcTime, nullable=False),
)
"""The rules that the last scans ran with: what `rules impact` compares an edit with."""

learned = Table(
    "learned",
    metadata,
    Column("version", Text, primary_key=True),
    Column("content", Json, nullable=False),  # Weights.to_json()
    Column("learned_at", UtcTime, nullable=False),
    Column("contacts", Integer, nullable=False),  # from how many
)
"""What evidence weighs, as it was learned from these contacts: the newest is what rules use."""

figures = Table(
    "figures",
    metadata,
    Column("week", Text, primary_key=True),  # ISO week, 2026-W47
    Column("name", Text, primary_key=True),
    Column("value", Float, nullable=False),
)
"""What the report's trends are drawn from: one value per week and figure."""

outbox = Table(
    "outbox",
    metadata,
    Column("id", Text, primary_key=True),  # the Message-ID, stable across attempts
    Column("period", Text, nullable=False),  # ISO week, 2026-W47
    Column("recipient", Text, nullable=False),
    Column("status", Text, nullable=False),  # queued, sending, unsure, resending, sent, failed
    Column("subject", Text, nullable=False),
    Column("message", Text, nullable=False),  # the mail, as sent
    Column("attempts", Integer, nullable=False, default=0),
    Column("queued_at", UtcTime, nullable=False),
    Column("next_attempt_at", UtcTime, nullable=False),
    Column("sent_at", UtcTime),
    Column("error", Text, nullable=False, default=""),
    UniqueConstraint("period", "recipient"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("name", Text, primary_key=True),  # pull:hubspot-eu, scan, report
    Column("last_success_at", UtcTime),
    Column("last_attempt_at", UtcTime),
    Column("failures", Integer, nullable=False, default=0),  # in a row
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)
"""Who may write to the CRMs. The epoch grows at each taking; a write names its epoch."""

reminders = Table(
    "reminders",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("duty", Text, nullable=False),  # access-review, restore-test
    Column("result", Text, nullable=False),  # done, or why it is still to be done
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),  # a person's own words: shown, never logged
    Column("at", UtcTime, nullable=False),
)
"""What comes round again: each time that it was done, or tried."""

tokens = Table(
    "tokens",
    metadata,
    Column("name", Text, primary_key=True),  # connection/<hash of the configured credential>
    Column("sealed", Text, nullable=False),  # encrypted; the key is not in the database
    Column("saved_at", UtcTime, nullable=False),
)
"""Access tokens, and refresh tokens that the vendor rotates."""
