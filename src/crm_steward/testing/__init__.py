"""For those who test connectors and rules: an in-memory CRM and the connector contract."""

from __future__ import annotations

from crm_steward.testing.fake import FakeCrm
from crm_steward.testing.faults import Fault

__all__ = ["FakeCrm", "Fault"]
