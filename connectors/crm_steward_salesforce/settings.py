"""What a Salesforce connection needs to be told, and which of the ways in that opens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from crm_steward.sdk import CanonicalField, CrmSettings, Duration, FieldName, ProofPart

HOSTS = ("salesforce.com", "force.com")
"""Where Salesforce serves orgs and logins; other clouds' hosts go into `allow_hosts`."""
LAST_LOGIN = 64.0
"""The last API version with SOAP `login()`, which ends with Summer '27."""

_FIELD = r"^[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79})?$"
ApiName = Annotated[str, Field(pattern=_FIELD)]
"""A field's API name (`Stage__c`), or one of a record it refers to (`Account.Website`)."""


def _my_domain(domain: str) -> str:
    """Accept `mycompany.my`, or the whole host it stands for."""
    return (
        domain.strip().lower().removeprefix("https://").rstrip("/").removesuffix(".salesforce.com")
    )


Domain = Annotated[
    str,
    AfterValidator(_my_domain),
    Field(pattern=r"^(?:https://)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+){0,5}/?$"),
]


class Way(StrEnum):
    """A way into an org."""

    CLIENT = "client credentials"
    JWT = "JWT bearer"
    REFRESH = "refresh token"
    TOKEN = "a token of your own"  # noqa: S105 -- words, not a token
    PASSWORD = "user name and password"  # noqa: S105 -- words, not a password


_NEEDS: Mapping[Way, tuple[str, ...]] = {
    Way.TOKEN: ("token", "instance_url"),
    Way.REFRESH: ("refresh_token", "client_id", "client_secret"),
    Way.JWT: ("private_key", "client_id", "username"),
    Way.PASSWORD: ("password", "username"),
    Way.CLIENT: ("client_secret", "client_id", "domain"),
}
"""Way → what it needs; the first name is the one that tells it from the others."""
_RECOMMENDED = (Way.CLIENT, Way.JWT, Way.REFRESH, Way.TOKEN, Way.PASSWORD)
_MAY: Mapping[Way, frozenset[str]] = {
    Way.TOKEN: frozenset(),
    Way.REFRESH: frozenset({"domain"}),
    Way.JWT: frozenset({"domain"}),
    Way.PASSWORD: frozenset({"domain", "security_token"}),
    Way.CLIENT: frozenset(),
}


class SalesforceSettings(CrmSettings):
    """What a Salesforce connection needs to be told.

    Exactly one way in: client credentials (`client_id`, `client_secret`, `domain`), JWT bearer
    (`client_id`, `username`, `private_key` or `private_key_file`), a refresh token (`client_id`,
    `client_secret`, `refresh_token`), a token of your own (`token`, `instance_url`), or, until
    Summer '27, user name and password (`username`, `password`, `security_token`).
    """

    kind: Literal["salesforce"] = "salesforce"
    domain: Domain | None = None
    """My Domain: `mycompany.my`, of a sandbox `mycompany--uat.sandbox.my`."""
    sandbox: bool = False
    """Whether the org is a sandbox: it logs in at test.salesforce.com."""
    client_id: str | None = None
    """Consumer key of the External Client App."""
    client_secret: SecretStr | None = None
    """Consumer secret of the External Client App."""
    username: str | None = None
    """The user we act as."""
    private_key: SecretStr | None = None
    """Private key (PEM, without a passphrase) whose certificate the app holds."""
    private_key_file: Path | None = None
    """The file that holds it."""
    refresh_token: SecretStr | None = None
    """A refresh token of the app; a rotated one is kept from then on."""
    token: SecretStr | None = None
    """An access token that is not renewed."""
    instance_url: str | None = None
    """The org's address, for `token`: `https://mycompany.my.salesforce.com`."""
    password: SecretStr | None = None
    """The user's password; this way in ends with Summer '27."""
    security_token: SecretStr | None = None
    """The user's security token, unless the org trusts this machine's address."""
    session_length: Duration | None = None
    """The org's session timeout: renews tokens by the clock instead of when they are refused."""
    version: Annotated[str, Field(pattern=r"^[0-9]{2}\.0$")] = "64.0"
    """The API version, pinned."""
    allow_duplicates: bool = False
    """Save in spite of duplicate rules that only warn; rules that block still refuse."""
    fields: dict[CanonicalField, ApiName] = Field(default_factory=dict)
    """Where a field of ours is kept in this org, if not in the usual place."""
    extra: dict[FieldName, ApiName] = Field(default_factory=dict)
    """Custom fields: the name that rules use (`extra.<name>`) → the API name."""
    consent: dict[ProofPart, ApiName] = Field(default_factory=dict)
    """Fields of the contact that hold the proof of consent to mail."""

    @property
    def way(self) -> Way:
        """The way in; there is exactly one."""
        given = self._given()
        return next(way for way, needs in _NEEDS.items() if needs[0] in given)

    @property
    def login_url(self) -> str:
        """Where tokens are asked for."""
        if self.base_url:
            return self.base_url.rstrip("/")
        host = self.domain or ("test" if self.sandbox else "login")
        return f"https://{host}.salesforce.com"

    @property
    def audience(self) -> str:
        """Whom an assertion is for, whatever the org's own domain."""
        return f"https://{'test' if self.sandbox else 'login'}.salesforce.com"

    @property
    def overlap_at_least(self) -> timedelta:
        """How far reads of changes reach back: transactions are seen when they end, not before."""
        return max(self.overlap, timedelta(seconds=10))

    def resolved(self, folder: Path) -> Self:
        """Let a relative key file start at `folder`, where the settings file stands."""
        if self.private_key_file is None:
            return self
        path = folder / self.private_key_file.expanduser()
        return self.model_copy(update={"private_key_file": path})

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        given = self._given()
        chosen = [way for way, needs in _NEEDS.items() if needs[0] in given]
        chosen = [way for way in chosen if way is not Way.CLIENT] or chosen
        if not chosen:
            raise ValueError(_no_way(given))
        if len(chosen) > 1:
            raise ValueError(f"several ways in are given ({', '.join(chosen)}): keep one")
        way = chosen[0]
        needs = [name for name in _NEEDS[way] if name not in given]
        if needs:
            raise ValueError(f"the way in by {way} also needs {', '.join(needs)}")
        over = sorted(given - set(_NEEDS[way]) - _MAY[way])
        if over:
            raise ValueError(f"the way in by {way} does not use {', '.join(over)}: leave it out")
        self._check_details(way)
        return self

    def _check_details(self, way: Way) -> None:
        if self.private_key is not None and self.private_key_file is not None:
            raise ValueError("private_key and private_key_file are given: keep one")
        if way is Way.PASSWORD and float(self.version) > LAST_LOGIN:
            raise ValueError(f"the way in by {way} exists up to version {LAST_LOGIN}")
        if way is Way.CLIENT and not self.base_url and self.domain in {"login", "test"}:
            raise ValueError("domain should be the org's own My Domain: mycompany.my")
        if self.base_url and urlsplit(self.base_url).path.strip("/"):
            raise ValueError(
                "base_url should be a host without a path: Salesforce's library drops it"
            )

    def _given(self) -> set[str]:
        """Return which of the settings for a way in are set; the key under one name."""
        names = {name for needs in _NEEDS.values() for name in needs} | {"security_token"}
        given = {name for name in names if _filled(getattr(self, name))}
        if self.private_key_file is not None:
            given.add("private_key")
        if self.base_url and "token" in given:
            given.add("instance_url")
        return given


def _filled(value: str | SecretStr | None) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _no_way(given: set[str]) -> str:
    """Say what is missing for the way in that is nearest to what is given, or what ways there are."""
    missing = {way: [n for n in needs if n not in given] for way, needs in _NEEDS.items()}
    nearest = min(_RECOMMENDED, key=lambda way: len(missing[way]))
    if given & set(_NEEDS[nearest]):
        return f"the way in by {nearest} also needs {', '.join(missing[nearest])}"
    ways = "; or ".join(", ".join(reversed(_NEEDS[way])) for way in _RECOMMENDED)
    return f"no way in is given: set {ways}"
