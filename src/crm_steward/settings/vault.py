"""Where the access tokens of this installation are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crm_steward.model import utc_now

if TYPE_CHECKING:
    from crm_steward.model import Clock
    from crm_steward.settings.models import Settings
    from crm_steward.store.vault import DatabaseVault, TokenKey

_SQLITE = "sqlite:///"


def key_of(settings: Settings) -> TokenKey:
    """Return where the key of this installation comes from; nothing is read or made yet."""
    from crm_steward.store.vault import KEY_FILE, TokenKey  # noqa: PLC0415 -- keeps `--help` quick

    url = settings.database
    beside = Path(url.removeprefix(_SQLITE)).parent if url.startswith(_SQLITE) else settings.folder
    given = settings.token_key.get_secret_value() if settings.token_key else ""
    return TokenKey(given, beside / KEY_FILE)


def vault_of(settings: Settings, *, clock: Clock = utc_now) -> DatabaseVault:
    """Return the vault in the settings' database; nothing is opened or made before it is used.

    Args:
        settings: They name the database and the key.
        clock: The time.
    """
    from crm_steward.store.database import Database  # noqa: PLC0415 -- keeps `--help` quick
    from crm_steward.store.vault import DatabaseVault  # noqa: PLC0415 -- same

    url = settings.database
    return DatabaseVault(lambda: Database.open(url), key_of(settings), clock=clock)
