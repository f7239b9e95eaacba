"""The local database: mirror, cursors, findings, plans, journal, outbox, and their migrations."""

from __future__ import annotations
