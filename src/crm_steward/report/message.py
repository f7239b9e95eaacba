"""A mail as it goes over the wire."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from crm_steward.report.render import Mail
from crm_steward.report.words import plain
from crm_steward.settings.values import wire_address

_XLSX = ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet")


def compose(
    mail: Mail, *, sender: str, recipient: str, message_id: str, language: str, now: datetime
) -> str:
    """Return `mail` as it goes over the wire: ASCII, short lines, text first.

    Args:
        mail: What it says.
        sender: `Name <address>` or an address.
        recipient: The address, as `wire_address` gives it.
        message_id: With its angle brackets.
        language: `en` or `fr`.
        now: When.
    """
    message = EmailMessage(policy=SMTP)
    _, address = parseaddr(sender)
    message["From"] = _mailbox(sender)
    message["To"] = Address(addr_spec=recipient)
    message["Subject"] = plain(mail.subject)
    message["Date"] = format_datetime(now.astimezone(UTC))
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's out-of-office answers it
    message["X-Auto-Response-Suppress"] = "All"
    message["List-Unsubscribe"] = f"<mailto:{wire_address(address)}?subject=unsubscribe>"
    message["Content-Language"] = language
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    page = message.get_body(("html",))
    if page is not None:
        for one in mail.pictures:
            named = f"<{one.name}>"
            page.add_related(
                one.png, "image", "png", cid=named, filename="trend.png", disposition="inline"
            )
    for name, content in mail.attached.items():
        message.add_attachment(content, *_XLSX, filename=name)
    return message.as_bytes().decode("ascii")


def message_id(installation: str, period: str, recipient: str, sender: str) -> str:
    """Return the Message-ID of one period's mail to one recipient: always the same.

    Args:
        installation: The random id of this database.
        period: The ISO week.
        recipient: The address, as `wire_address` gives it.
        sender: The sender, whose domain it carries.
    """
    content = f"{installation} {period} {recipient}"
    digest = hashlib.sha256(content.encode()).hexdigest()[:32]
    return f"<{period}.{digest}@{domain_of(parseaddr(sender)[1])}>"


def domain_of(address: str) -> str:
    """Return what stands after the @: all of an address that may be logged."""
    return wire_address(address).rpartition("@")[2]


def _mailbox(sender: str) -> Address:
    name, address = parseaddr(plain(sender))
    return Address(display_name=name, addr_spec=wire_address(address))
