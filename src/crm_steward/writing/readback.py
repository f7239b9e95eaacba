"""Read back: whether a survivor holds what the plan said, once its merge took effect.

A merge cannot be taken back, and what it made of the values is the CRM's doing: differences are
named for a person, and never mended unseen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from crm_steward.connect.protocol import Connector, Outcome, Status
from crm_steward.model import (
    Change,
    Channel,
    Chosen,
    ConsentStatus,
    Contact,
    MergeRecords,
    RecordRef,
    binding_consent,
    change_key,
)
from crm_steward.writing.addresses import CHANNELS, same_address
from crm_steward.writing.compare import same

UNSEEN = "merged; the survivor cannot be read"
_DIFFERS = "merged, but the survivor holds otherwise than planned: "


def read_back(
    connector: Connector, changes: Sequence[Change], answers: Mapping[str, Outcome]
) -> dict[str, Outcome]:
    """Return the answers, those of merges that took effect with what their survivors hold now.

    Args:
        connector: The open connection.
        changes: What was sent, or asked about.
        answers: Key of a change → what the connector said.

    Raises:
        StewardError: The survivors could not be read.
    """
    done = {
        change_key(change): change
        for change in changes
        if isinstance(change, MergeRecords) and change.golden
    }
    done = {key: one for key, one in done.items() if _took_effect(answers.get(key))}
    if not done:
        return dict(answers)
    places = {key: _survivor(one, answers[key]) for key, one in done.items()}
    fresh = connector.get(list(dict.fromkeys(places.values())))
    seen = {
        key: _seen(answers[key], change, fresh.get(places[key])) for key, change in done.items()
    }
    return {**answers, **seen}


def unread(changes: Sequence[Change], answers: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Return the answers, those of merges that took effect unknown: settling reads them again."""
    merges = {change_key(one) for one in changes if isinstance(one, MergeRecords) and one.golden}
    return {
        key: replace(answer, status=Status.UNKNOWN, reason=UNSEEN)
        if key in merges and _took_effect(answer)
        else answer
        for key, answer in answers.items()
    }


def differing(change: MergeRecords, survivor: Contact) -> list[str]:
    """Return the fields in which a survivor is not what the golden record says."""
    return [
        name
        for name, golden in change.golden.items()
        if (
            _looser(name, golden.value, survivor)
            if golden.chosen is Chosen.STRICTEST
            else not _holds(survivor, name, golden.value)
        )
    ]


def _took_effect(answer: Outcome | None) -> bool:
    return answer is not None and answer.status is Status.VERIFIED


def _survivor(change: MergeRecords, answer: Outcome) -> RecordRef:
    """Return where the survivor lives now: some CRMs give it a new id."""
    return RecordRef(change.ref.connection, answer.remote_id or change.ref.id)


def _seen(answer: Outcome, change: MergeRecords, survivor: Contact | None) -> Outcome:
    if survivor is None:
        return replace(answer, reason=UNSEEN)
    names = differing(change, survivor)
    return replace(answer, reason=_DIFFERS + ", ".join(names)) if names else answer


def _holds(survivor: Contact, name: str, value: object) -> bool:
    held = survivor.value(name)
    if name in CHANNELS and held and value:
        return same_address(survivor, name, str(held), str(value))
    return same(held, value if isinstance(value, str | int | float | bool) else None)


def _looser(name: str, label: object, survivor: Contact) -> bool:
    """Whether the survivor may be reached where the strictest of the members could not."""
    wanted = ConsentStatus[str(label).upper()]
    now = binding_consent(survivor.consents, Channel(name.removeprefix("consent_")))
    if wanted >= ConsentStatus.WITHDRAWN:
        return now is None or now.status < ConsentStatus.WITHDRAWN
    return not wanted.mailable and now is not None and now.status.mailable
