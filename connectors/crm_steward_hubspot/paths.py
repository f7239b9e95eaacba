"""The addresses of HubSpot's API that its library has no method for, all in one place.

HubSpot dates its versions since 2025 and supports each for 18 months. Version 4 ends on 30 March
2027, versions 1 to 3 in September 2027, the first OAuth version on 16 February 2027
(developers.hubspot.com/changelog: "deprecating support for HubSpot v4 APIs", "v1 OAuth API
deprecation"). Of several versions the first one that the account is open to is used.
"""

from __future__ import annotations

TOKEN = "/oauth/2026-03/token"  # noqa: S105 -- an address
"""Buys an access token for a refresh token."""

INTROSPECT = "/oauth/2026-03/token/introspect"
"""Tells what an app's access token may do."""

TOKEN_INFO = "/oauth/v2/private-apps/get/access-token-info"  # noqa: S105 -- an address
"""Tells what a private app's static token may do."""

ACCOUNT = "/account-info/v3/details"
"""The account's id, time zone and domain."""

TASKS_OF_CONTACTS = (
    "/crm/associations/2026-03/contacts/tasks/batch/read",
    "/crm/v4/associations/contacts/tasks/batch/read",
)
"""Which tasks hang on which contacts: a consistent read."""

UNSUBSCRIBE_ALL = (
    "/communication-preferences/v4/statuses/{email}/unsubscribe-all",
    "/communication-preferences/2026-03/statuses/{email}/unsubscribe-all",
)
"""Whether an address gets no e-mail at all (GET), and letting it get none (POST)."""
