"""Mails that nobody tries again: refused for good, or their answer was lost twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from crm_steward.report.collect import current_week
from crm_steward.report.queue import addresses, sender_of
from crm_steward.settings import Recipient, Settings
from crm_steward.store.database import Database
from crm_steward.store.outbox import Letter, Outbox


def given_up(
    database: Database, settings: Settings, recipients: Sequence[Recipient] | None, now: datetime
) -> list[Letter]:
    """Return the mails of this week that nobody tries again.

    Args:
        database: The store.
        settings: The mail server, the language, the report's day.
        recipients: Whose reports; None for those of everybody, and all digests.
        now: The time.

    Raises:
        ConfigError: There is no mail server, or a recipient or the sender is not an address.
    """
    week, outbox = str(current_week(settings, now)), Outbox(database)
    if recipients is None:
        return outbox.given_up([week, f"{week}-privacy", f"{week}-owner"])
    asked = addresses(sender_of(settings), recipients, settings.language)
    return [letter for letter in outbox.given_up([week]) if letter.recipient in asked]
