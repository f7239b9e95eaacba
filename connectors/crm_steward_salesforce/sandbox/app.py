"""The ways into the emulated org: one External Client App, one user, one open session."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_SESSION = re.compile(rb"<(?:\w+:)?sessionId>([^<]+)<")


class App:
    """What a client must show to be let in. It opens nothing but an emulator.

    Args:
        sandbox: Whether assertions are for `test.salesforce.com`.
    """

    client_id = "3MVG9sandbox.steward"
    client_secret = "SANDBOXSECRET0123456789"  # noqa: S105 -- opens nothing but an emulator
    refresh_token = "5Aep861sandboxRefresh.0"  # noqa: S105 -- the same
    session = "00D5g000000000B!sandbox.token"
    username = "steward@vendor.example"
    password = "sandbox-password"  # noqa: S105 -- the same
    security_token = "sandboxSecurityToken"  # noqa: S105 -- the same

    def __init__(self, *, sandbox: bool = False) -> None:
        self.sandbox = sandbox

    @property
    def audience(self) -> str:
        """Whom an assertion must be for."""
        return f"https://{'test' if self.sandbox else 'login'}.salesforce.com"

    @property
    def private_key(self) -> str:
        """The key whose certificate the app holds, as PEM; made when first asked for."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 -- costs a moment

        return (
            key()
            .private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            .decode()
        )

    @staticmethod
    def session_in(body: bytes) -> str:
        """Return the access token a SOAP call carries."""
        found = _SESSION.search(body)
        return found[1].decode("utf-8", "replace").strip() if found else ""


@lru_cache(maxsize=1)
def key() -> RSAPrivateKey:
    """Return the app's key, one for all emulators of a process."""
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 -- costs a moment

    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
