"""Settings: a YAML file, overridden by secret files, overridden by environment variables."""

from __future__ import annotations

from crm_steward.settings.loading import load_settings, secrets_in_file, settings_schema
from crm_steward.settings.models import (
    Halting,
    Language,
    Limits,
    Log,
    Mail,
    Recipient,
    Report,
    Rules,
    Service,
    Settings,
    SmtpSecurity,
)
from crm_steward.settings.sources import readable_secrets
from crm_steward.settings.values import connection_name_problem
from crm_steward.settings.vault import key_of, vault_of

__all__ = [
    "Halting",
    "Language",
    "Limits",
    "Log",
    "Mail",
    "Recipient",
    "Report",
    "Rules",
    "Service",
    "Settings",
    "SmtpSecurity",
    "connection_name_problem",
    "key_of",
    "load_settings",
    "readable_secrets",
    "secrets_in_file",
    "settings_schema",
    "vault_of",
]
