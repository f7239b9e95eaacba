"""A real SMTP server in this process that takes, refuses or breaks off, as a test says.

Needs aiosmtpd, which crm-steward itself does not: `pip install 'crm-steward[demo]'`.
"""

from __future__ import annotations

import email
import email.policy
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Reply = str | None
"""What to answer; None takes it; `cut` breaks the connection off."""


@dataclass
class Postbox:
    """What the server saw, and how it answers.

    Args:
        mail, rcpt, data: Called per command with the recipient so far; return what to answer.
        arrived: Every content that came to its end, as raw bytes, taken or not.
    """

    mail: Callable[[], Reply] = lambda: None
    rcpt: Callable[[str], Reply] = lambda _: None
    data: Callable[[], Reply] = lambda: None
    arrived: list[bytes] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    protected: list[bool] = field(default_factory=list)
    connected: int = 0

    @property
    def messages(self) -> list[EmailMessage]:
        """Every content that came to its end, read."""
        return [email.message_from_bytes(raw, policy=email.policy.SMTP) for raw in self.arrived]

    async def handle_EHLO(  # noqa: N802 -- aiosmtpd's name
        self, server: SMTP, session: Session, _envelope: Envelope, hostname: str, replies: list[str]
    ) -> list[str]:
        """Count sessions."""
        session.host_name = hostname
        self.connected += 1
        self.protected.append(session.ssl is not None or _encrypted(server))
        return replies

    async def handle_MAIL(  # noqa: N802 -- same
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse the sender."""
        answer = self.mail()
        if answer == "cut":
            return _cut(server)
        if answer:
            return answer
        self.senders.append(address)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 ok"

    async def handle_RCPT(  # noqa: N802 -- same
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse the recipient."""
        answer = self.rcpt(address)
        if answer == "cut":
            return _cut(server)
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 -- same
        """Take or refuse the content once all of it came."""
        self.arrived.append(bytes(cast("bytes", envelope.original_content)))
        answer = self.data()
        return _cut(server) if answer == "cut" else answer or "250 2.0.0 taken"


def _encrypted(server: SMTP) -> bool:
    return (
        server.transport is not None and server.transport.get_extra_info("ssl_object") is not None
    )


def _cut(server: SMTP) -> str:
    transport: Any = server.transport
    transport.abort()
    return "421 gone"


def _login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and given == LoginPassword(b"steward", b"s3cret")
    return AuthResult(success=right, handled=False)  # not handled: the server answers


class _Controller(Controller):
    """Listens on whatever port is free, and knows which one it was."""

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call] # aiosmtpd's own


@contextmanager
def serving(
    postbox: Postbox,
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    login: bool = False,
) -> Iterator[int]:
    """Serve `postbox` on a free port of this machine, and give the port."""
    controller = _Controller(
        postbox,
        hostname="127.0.0.1",
        port=0,
        ssl_context=tls,
        tls_context=starttls,
        require_starttls=starttls is not None,
        auth_required=login and starttls is not None,  # it does not see TLS from the start
        auth_require_tls=login and starttls is not None,
        authenticator=_login if login else None,
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
