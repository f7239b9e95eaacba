"""What a token may do, in Zoho's words, and which of them hold which."""

from __future__ import annotations

from collections.abc import Sequence

SCOPES = (
    "ZohoCRM.modules.contacts.ALL",
    "ZohoCRM.modules.tasks.ALL",
    "ZohoCRM.settings.fields.READ",
    "ZohoCRM.users.READ",
    "ZohoCRM.org.READ",
    "ZohoCRM.coql.READ",
    "ZohoCRM.settings.recycle_bin.UPDATE",
)
"""All that the connector can use."""


def covers(granted: Sequence[str], needed: str) -> bool:
    """Whether a scope, or one that holds it (`ALL`, the whole of `modules`), was granted."""
    area, _, operation = needed.rpartition(".")
    whole = area.rpartition(".")[0]
    wide = {f"{place}.{kind}" for place in (area, whole) for kind in (operation, "ALL")}
    if operation in {"CREATE", "UPDATE"}:
        wide |= {f"{area}.WRITE", f"{whole}.WRITE"}
    return any(scope.casefold() in {name.casefold() for name in wide} for scope in granted)
