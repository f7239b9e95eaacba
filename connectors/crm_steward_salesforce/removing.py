"""Opting out, and the recycle bin: both by the two hundred."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from crm_steward.sdk import ArchiveRecord, Outcome, Status, StewardError, SuppressChannel, ended
from crm_steward_salesforce import batches
from crm_steward_salesforce.consents import SWITCHES
from crm_steward_salesforce.errors import GONE
from crm_steward_salesforce.guarded import read_back
from crm_steward_salesforce.records import Found, Records
from crm_steward_salesforce.schema import Schema
from crm_steward_salesforce.values import ID, short
from crm_steward_salesforce.wire import Wire


@dataclass(slots=True)
class Restriction:
    """What one contact is to be kept from, and who asked for it."""

    id: str
    changes: list[SuppressChannel] = field(default_factory=list)

    @property
    def switches(self) -> list[str]:
        """The checkboxes to tick."""
        return sorted({SWITCHES[change.channel] for change in self.changes})


class Remover:
    """Restricts and archives contacts of one org.

    Args:
        wire: The org.
        schema: What our user can see.
        records: Reads contacts by id.
    """

    def __init__(self, wire: Wire, schema: Schema, records: Records) -> None:
        self._wire = wire
        self._schema = schema
        self._records = records

    # -- opting out ---------------------------------------------------------------------------

    def suppress(self, changes: Sequence[SuppressChannel]) -> Iterator[Outcome]:
        """Tick what keeps people from being contacted; what is ticked already is left alone.

        Raises:
            StewardError: What has no outcome was not sent.
        """
        found = self._records.found([change.ref.id for change in changes])
        wanted: dict[str, Restriction] = {}
        for change in changes:
            outcome = self._known(change, found.get(change.ref.id))
            if outcome is None:
                held = wanted.setdefault(change.ref.id, Restriction(change.ref.id))
                held.changes.append(change)
            else:
                yield outcome
        ticked: list[Restriction] = []
        failure: StewardError | None = None
        try:
            for done in batches.send(self._wire, "PATCH", [_ticks(r) for r in wanted.values()]):
                if done.id:
                    ticked.append(done.of)
                else:
                    status = Status.UNKNOWN if done.doubtful else Status.REJECTED
                    yield from (ended(c, status, done.reason) for c in done.of.changes)
        except StewardError as error:
            failure = error
        yield from self._shown(ticked)
        if failure:
            raise failure

    def suppressed(self, change: SuppressChannel, found: Found) -> Outcome:
        """Say whether a restriction took effect whose answer was lost."""
        if found.record.get(SWITCHES.get(change.channel, "")) is True:
            return ended(change, Status.VERIFIED, revision=found.contact.revision)
        if found.contact.ref != change.ref:
            return ended(change, Status.CONFLICT, f"merged into {found.contact.ref.id}")
        return ended(change, Status.ABSENT, "the contact is not opted out")

    def _known(self, change: SuppressChannel, found: Found | None) -> Outcome | None:
        """Return the outcome of a change that needs no call, or None."""
        name = SWITCHES.get(change.channel)
        if name is None:
            reason = f"Salesforce's contacts have no switch for {change.channel}"
            return ended(change, Status.REJECTED, reason)
        described = self._schema.find(name)
        if described is None or not described.updateable:
            return ended(change, Status.REJECTED, f"our user may not change {name}")
        if found is None:
            return ended(change, Status.REJECTED, "the contact is gone")
        if found.contact.ref != change.ref:
            reason = f"the contact was merged into {found.contact.ref.id}"
            return ended(change, Status.CONFLICT, reason)
        if found.record.get(name) is True:
            return ended(change, Status.VERIFIED, revision=found.contact.revision)
        return None

    def _shown(self, ticked: Sequence[Restriction]) -> Iterator[Outcome]:
        if not ticked:
            return
        found, silence = read_back(self._records, [item.id for item in ticked])
        for item in ticked:
            for change in item.changes:
                held = found.get(item.id)
                if held is not None and held.record.get(SWITCHES[change.channel]) is True:
                    yield ended(change, Status.VERIFIED, revision=held.contact.revision)
                else:
                    reason = silence or f"the contact does not show {SWITCHES[change.channel]}"
                    yield ended(change, Status.UNKNOWN, reason)

    # -- the recycle bin ----------------------------------------------------------------------

    def archive(self, changes: Sequence[ArchiveRecord]) -> Iterator[Outcome]:
        """Move contacts to the recycle bin; what is gone already is where it should be.

        Raises:
            StewardError: What has no outcome was not sent.
        """
        if "deletable" not in self._schema.contact.rights:
            reason = "our user may not delete contacts"
            yield from (ended(change, Status.REJECTED, reason) for change in changes)
            return
        there = self._there(changes)
        rows: dict[str, batches.Row[ArchiveRecord]] = {}
        for change in changes:
            if not ID.fullmatch(change.ref.id):
                yield ended(change, Status.REJECTED, "this is no Salesforce id")
            elif short(change.ref.id) in there:
                rows[short(change.ref.id)] = batches.Row(change, {"id": change.ref.id})
            else:
                yield ended(change, Status.VERIFIED)
        for done in batches.send(self._wire, "DELETE", list(rows.values())):
            if done.doubtful:
                yield ended(done.of, Status.UNKNOWN, done.reason)
            elif done.id or done.code in GONE:
                yield ended(done.of, Status.VERIFIED)
            else:
                yield ended(done.of, Status.REJECTED, done.reason)

    def archived(self, changes: Sequence[ArchiveRecord]) -> Iterator[Outcome]:
        """Say whether contacts went whose answer was lost."""
        there = self._there(changes)
        for change in changes:
            if short(change.ref.id) in there:
                yield ended(change, Status.ABSENT, "the contact is still there")
            else:
                yield ended(change, Status.VERIFIED)

    def _there(self, changes: Sequence[ArchiveRecord]) -> set[str]:
        states = self._records.states(list(dict.fromkeys(c.ref.id for c in changes)))
        return {short(state.id) for state in states if not state.deleted}


def _ticks(item: Restriction) -> batches.Row[Restriction]:
    ticks = dict.fromkeys(item.switches, True)
    return batches.Row(item, {"attributes": {"type": "Contact"}, "id": item.id, **ticks})
