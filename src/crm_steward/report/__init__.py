"""The weekly report: what the store knows, as a mail that a CRM manager wants to read.

`collect` reads the store into a Digest, `render` puts it into words, `queue_weekly` writes one mail
per week and recipient into the outbox, `queue_alerts` what cannot wait, `deliver` sends what stands
there.
"""

from __future__ import annotations

from crm_steward.report.alerts import queue_alerts
from crm_steward.report.collect import collect, current_week
from crm_steward.report.deliver import Deliveries, deliver
from crm_steward.report.digest import Digest
from crm_steward.report.document import as_document
from crm_steward.report.officer import render_officer
from crm_steward.report.owners import OwnerDigest, render_owner
from crm_steward.report.queue import (
    may_have_left,
    notice_copy,
    queue,
    queue_digests,
    queue_owners,
    queue_weekly,
    wanting,
)
from crm_steward.report.render import Mail, render
from crm_steward.report.session import greet
from crm_steward.report.table import as_table
from crm_steward.report.turns import in_turn
from crm_steward.report.weeks import Week
from crm_steward.report.workbook import workbook

__all__ = [
    "Deliveries",
    "Digest",
    "Mail",
    "OwnerDigest",
    "Week",
    "as_document",
    "as_table",
    "collect",
    "current_week",
    "deliver",
    "greet",
    "in_turn",
    "may_have_left",
    "notice_copy",
    "queue",
    "queue_alerts",
    "queue_digests",
    "queue_owners",
    "queue_weekly",
    "render",
    "render_officer",
    "render_owner",
    "wanting",
    "workbook",
]
