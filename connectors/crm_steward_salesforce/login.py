"""The ways to an access token. None of them asks the library, whose own renewal drops headers.

Sources: help.salesforce.com, "OAuth Authorization Flows" (JWT bearer, client credentials, refresh
token); SOAP API Developer Guide, `login()`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from crm_steward.sdk import (
    AuthError,
    ConfigError,
    Context,
    Problem,
    StewardError,
    Token,
    TokenSource,
    checked_url,
    fixed_token,
    is_loopback,
    transport_error,
)
from crm_steward_salesforce import errors, soap
from crm_steward_salesforce.settings import HOSTS, SalesforceSettings, Way

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from pydantic import SecretStr

_TOKEN = "/services/oauth2/token"  # noqa: S105 -- a path
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_LIFE = 180
TITLE = "Salesforce"


class Login:
    """Asks for access tokens.

    Args:
        settings: The connection's settings.
        context: What the core gives.
        session: Sends each request once.
    """

    def __init__(
        self, settings: SalesforceSettings, context: Context, session: requests.Session
    ) -> None:
        self._settings = settings
        self._context = context
        self._connection = context.connection
        self._session = session

    def tokens(self) -> TokenSource:
        """Return the source of this connection's access tokens."""
        settings = self._settings
        if settings.way is Way.TOKEN:
            return fixed_token(_secret(settings.token), self._address(settings.instance_url or ""))
        # Whatever tells one credential from another; only its hash is kept.
        seed = [settings.way, settings.login_url, settings.client_id, settings.username]
        secret = settings.refresh_token or settings.client_secret or settings.password
        return self._context.tokens(json.dumps([*seed, _secret(secret)]), self._issue)

    def _issue(self, refresh: str) -> Token:
        """Ask for a token; see `Context.tokens`."""
        password = self._settings.way is Way.PASSWORD
        issue = self._by_password if password else self._oauth(refresh)
        # A refresh token that is rotated may be spent though the answer was lost.
        repeatable = self._settings.way is not Way.REFRESH
        return self._context.calls("token", issue, repeatable=repeatable)

    # -- OAuth --------------------------------------------------------------------------------

    def _oauth(self, refresh: str) -> Callable[[], Token]:
        settings = self._settings
        headers: dict[str, str] = {}
        if settings.way is Way.JWT:
            form = {"grant_type": _JWT, "assertion": self._assertion()}
        elif settings.way is Way.REFRESH:
            form = {
                "grant_type": "refresh_token",
                "client_id": settings.client_id or "",
                "client_secret": _secret(settings.client_secret),
                "refresh_token": refresh or _secret(settings.refresh_token),
            }
        else:
            form = {"grant_type": "client_credentials"}
            pair = f"{settings.client_id}:{_secret(settings.client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"

        def issue() -> Token:
            status, content = self._post(_TOKEN, form, headers)
            if status != HTTPStatus.OK:
                raise errors.refused_login(self._connection, status, _document(content))
            return self._token(_document(content))

        return issue

    def _token(self, body: Any) -> Token:
        held = body if isinstance(body, Mapping) else {}
        access, url = held.get("access_token"), held.get("instance_url")
        if not isinstance(access, str) or not access or not isinstance(url, str):
            raise errors.unreadable(self._connection)
        refresh = held.get("refresh_token")
        return self._made(access, url, refresh if isinstance(refresh, str) else "")

    def _made(self, access: str, url: str, refresh: str = "") -> Token:
        length = self._settings.session_length
        expires = None if length is None else self._context.clock() + length
        return Token(access, expires_at=expires, refresh=refresh, url=self._address(url))

    def _address(self, url: str) -> str:
        """Return where the token may be sent.

        Raises:
            ConfigError: The address is not Salesforce's.
        """
        if self._settings.base_url:
            return self._settings.base_url.rstrip("/")
        try:
            parts = urlsplit(url)
            known = checked_url(
                f"{parts.scheme}://{parts.netloc}", (*HOSTS, *self._settings.allow_hosts)
            )
            own = is_loopback(parts.hostname or "")
        except (ConfigError, ValueError):
            known, own = "", False
        if own or not known.startswith("https://"):
            problem = Problem(
                f"connection '{self._connection}': the org's address does not belong to "
                f"Salesforce ({', '.join(HOSTS)})",
                hint="Correct domain or instance_url; if it is your own proxy, name its host in "
                "allow_hosts.",
            )
            raise ConfigError([problem])
        return known

    def _assertion(self) -> str:
        """Sign who we are (RS256), good for three minutes.

        Raises:
            ConfigError: There is no usable key.
        """
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 -- needed by this way only
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 -- the same

        claims = {
            "iss": self._settings.client_id,
            "sub": self._settings.username,
            "aud": self._settings.audience,
            "exp": round(self._context.clock().timestamp()) + _ASSERTION_LIFE,
        }
        signed = ".".join(
            _encoded(json.dumps(part).encode()) for part in ({"alg": "RS256"}, claims)
        )
        signature = self._key().sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"

    def _key(self) -> RSAPrivateKey:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- the same
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 -- the same
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 -- the same

        key: object = None
        try:
            pem = self._pem()
            key = serialization.load_pem_private_key(pem, password=None)
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
        except (ValueError, TypeError, UnsupportedAlgorithm):
            reason = "is not a private key in PEM without a passphrase"
        else:
            reason = "is not an RSA key"
        if isinstance(key, rsa.RSAPrivateKey):
            return key
        name = "private_key_file" if self._settings.private_key_file else "private_key"
        hint = "Make one: openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem"
        text = f"connection '{self._connection}': {name} {reason}"
        raise ConfigError([Problem(text, hint=hint)])

    def _pem(self) -> bytes:
        if self._settings.private_key_file is not None:
            return self._settings.private_key_file.read_bytes()
        # An environment variable may hold the line ends written out.
        return _secret(self._settings.private_key).replace("\\n", "\n").encode()

    # -- SOAP login, until Summer '27 ---------------------------------------------------------

    def _by_password(self) -> Token:
        settings = self._settings
        body = soap.login(
            settings.username or "", _secret(settings.password) + _secret(settings.security_token)
        )
        path = f"/services/Soap/u/{settings.version}"
        status, content = self._post(path, body, soap.HEADERS)
        answer = soap.parse(content)
        if answer is None or (status == HTTPStatus.OK and answer.fault):
            raise errors.refused_login(self._connection, status, None)
        if answer.fault == "UNSUPPORTED_API_VERSION":
            refusal = errors.Refusal(status, answer.fault)
            raise errors.unsupported(self._connection, refusal)
        if answer.fault:
            raise AuthError(
                f"{self._connection}: Salesforce does not let us in ({status} {answer.fault})",
                hint="Check username, password and security_token, and that the user has the "
                "permission 'Use Any API Auth'. Better: use an External Client App.",
            )
        session, server = answer.text("sessionId"), answer.text("serverUrl")
        if not session or not server:
            raise errors.unreadable(self._connection)
        return self._made(session, server)

    # -- the wire -----------------------------------------------------------------------------

    def _post(
        self, path: str, body: Mapping[str, str] | bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Send once; raise ours outside of `except`, for theirs holds the request."""
        failure: StewardError | None = None
        try:
            url = self._settings.login_url + path
            response = self._session.post(url, data=body, headers=dict(headers))
        except requests.RequestException as error:
            failure = transport_error(self._connection, TITLE, error)
        if failure:
            raise failure
        return response.status_code, response.content


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""


def _document(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
