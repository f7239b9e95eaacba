"""A session with the mail server: opened, protected and logged in as the settings say, never less."""

from __future__ import annotations

import re
import smtplib
import ssl
from contextlib import suppress

from crm_steward.model import MailError
from crm_steward.settings import Mail, SmtpSecurity
from crm_steward.store.outbox import ANSWERS_WITHIN


class UnavailableError(MailError):
    """The mail server cannot be used.

    Args:
        message: What is wrong, without personal data.
        hint: What to do about it.
        lasting: Whether it stays so until a person mends it.
    """

    def __init__(self, message: str = "", *, hint: str = "", lasting: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.lasting = lasting


def greet(mail: Mail) -> str:
    """Open a session as delivery would and close it; nothing is sent.

    Returns:
        How it is protected and whether it logged in: `starttls, TLSv1.3, logged in`.

    Raises:
        MailError: The mail server cannot be used; says which, why and what to do.
    """
    try:
        smtp = open_session(mail)
    except UnavailableError as error:
        message = f"{mail.host}:{mail.port}: {error.message}."
        raise MailError(message, hint=error.hint) from error
    try:
        protected = isinstance(smtp.sock, ssl.SSLSocket) and smtp.sock.version()
        parts = [mail.security.value, protected] if protected else ["not encrypted"]
        return ", ".join([*parts, "logged in" if mail.username else "without login"])
    finally:
        close_session(smtp)


def open_session(mail: Mail) -> smtplib.SMTP:
    """Open a session.

    Raises:
        UnavailableError: It cannot be opened; says why.
    """
    try:
        return _connect(mail)
    except smtplib.SMTPAuthenticationError as error:
        raise UnavailableError(
            f"the mail server refuses the login {reply(error.smtp_code, error.smtp_error)}",
            hint="Check `mail: username` and the password.",
            lasting=True,
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        asked = "STARTTLS" if mail.security is SmtpSecurity.STARTTLS else "logging in"
        raise UnavailableError(
            f"the mail server does not offer {asked}",
            hint="Check `mail: security` and `mail: port`.",
            lasting=True,
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise UnavailableError(
            f"the mail server's certificate is refused: {error.verify_message}",
            hint="Check `mail: host`, or name the server's own authority in `mail: ca_file`.",
            lasting=True,
        ) from error
    except smtplib.SMTPResponseException as error:
        said = reply(error.smtp_code, error.smtp_error)
        raise UnavailableError(
            f"the mail server does not open a session {said}",
            hint="Ask its administrator whether this machine may connect.",
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        raise UnavailableError(
            f"the mail server cannot be reached: {cause(error)}",
            hint="Check `mail: host`, `mail: port` and `mail: security`.",
        ) from error


def close_session(smtp: smtplib.SMTP) -> None:
    """End a session; what it had to answer it has answered, so how it parts is nothing."""
    with suppress(OSError, smtplib.SMTPException):
        if smtp.sock is not None:
            smtp.sock.settimeout(smtp.timeout)  # that of an end of content is longer
        smtp.quit()
    smtp.close()


def _connect(mail: Mail) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=str(mail.ca_file) if mail.ca_file else None)
    seconds = min(mail.timeout, ANSWERS_WITHIN).total_seconds()
    if mail.security is SmtpSecurity.TLS:
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            mail.host, mail.port, timeout=seconds, context=context
        )
    else:
        smtp = smtplib.SMTP(mail.host, mail.port, timeout=seconds)
    try:
        if mail.security is SmtpSecurity.STARTTLS:
            smtp.starttls(context=context)
        if mail.username is not None:
            secret = mail.password.get_secret_value() if mail.password else ""
            smtp.login(mail.username, secret)
        smtp.ehlo_or_helo_if_needed()
    except BaseException:
        smtp.close()
        raise
    return smtp


def reply(code: int, said: bytes | str) -> str:
    """Return the reply's codes; its text often repeats the address."""
    text = said.decode("ascii", "replace") if isinstance(said, bytes) else said
    enhanced = re.match(r"[245]\.\d{1,3}\.\d{1,3}", text)
    return f"({code} {enhanced[0]})" if enhanced else f"({code})"


def cause(error: Exception) -> str:
    """Return why a connection failed, in words."""
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "no answer in time"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "it closed the connection"
    said = error.strerror if isinstance(error, OSError) else None
    return (said or type(error).__name__).lower()
