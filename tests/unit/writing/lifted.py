"""Suppressions to be lifted: a rule that asks for them, contacts, and a person's word."""

from __future__ import annotations

from crm_steward.model import Channel, Consent, ConsentStatus, Contact, Email, RecordRef
from crm_steward.writing import Loosening

SILENCES = """
  - id: silence
    about: Nobody knows what they do
    check: {kind: required, fields: [job_title]}
    actions: [suppress: {channel: email}]
    mode: apply
"""


def silent_soon(
    name: str, address: str = "", status: ConsentStatus = ConsentStatus.GRANTED
) -> Contact:
    """Return a contact that SILENCES finds, with what was said of its address."""
    email = address or f"p{name}@example.com"
    said = Consent(channel=Channel.EMAIL, status=status, address=email)
    return Contact(ref=RecordRef("crm", name), emails=(Email(email),), consents=(said,))


def loosening(count: int) -> Loosening:
    """Return a person's word."""
    return Loosening(count=count, reason="the rule was wrong", by="eva")
