"""crm-steward: a background service that keeps contacts clean in hosted CRMs."""

from __future__ import annotations

__version__ = "0.1.0"
