"""Prints the JSON schema of the settings file: `python -m crm_steward.settings`."""

from __future__ import annotations

import json
import sys

from crm_steward.settings.loading import settings_schema

sys.stdout.write(json.dumps(settings_schema(), indent=2, ensure_ascii=False) + "\n")
