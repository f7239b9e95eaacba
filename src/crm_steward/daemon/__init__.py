"""The background service: its schedule, health, metrics, signals, and one instance per database."""

from __future__ import annotations
