"""What a connector is, how it is found, and how its calls are paced, retried and timed."""

from __future__ import annotations
