"""`python -m crm_steward`."""

from __future__ import annotations

from crm_steward.cli import main

main()
