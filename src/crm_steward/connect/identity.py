"""Which account a credential opens, and whether it is the one a connection was read from.

A token that was swapped for another portal's, or a changed `base_url`, opens another account under
the same name. Read from there, every record would seem gone; written to it, the wrong people.
"""

from __future__ import annotations

from crm_steward.connect.protocol import Connector, Identified
from crm_steward.model import OtherAccountError


def account_of(connector: Connector) -> str:
    """Return the CRM's id of the account behind a connection; empty when the CRM does not tell.

    One call where the connector can, else all that `check` asks.
    """
    return connector.account_id() if isinstance(connector, Identified) else connector.check().id


def refuse_other(connection: str, known: str, found: str) -> None:
    """Refuse an account that is not the one the connection was read from.

    Args:
        connection: Its name.
        known: The id of the account it was read from; empty when it was never read.
        found: The id of the account that its credential opens now; empty when the CRM does not
            tell, which is refused too: it could be any.

    Raises:
        OtherAccountError: It is another one, or cannot be told.
    """
    if not known or known == found:
        return
    if not found:
        raise OtherAccountError(
            f"{connection}: the CRM does not tell which account this is; account '{known}' was read "
            "before. Nothing is read or written.",
            hint="Grant the credential what it needs to read the account's details "
            "(`crm-steward check` names it).",
        )
    raise OtherAccountError(
        f"{connection}: this is account '{found}', but account '{known}' was read before. Nothing "
        "is read or written.",
        hint="Correct the credential, address or path in the settings. If the connection is to go on "
        f"with this account: crm-steward pull --connection {connection} --new-account",
    )
