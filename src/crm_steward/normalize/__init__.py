"""Comparable values: e-mail, phone, name, company, country, postcode, website, language.

Pure functions of plain text. Every one of them is total (whatever the CRM holds, nothing raises and
the time is bounded: absurd lengths are cut) and idempotent (a key of a key is that key, a proposed
text has nothing left to propose). None means "nothing to say": no value, or no safe proposal.

Keys are for comparing and are never written to a CRM; only `clean_…`, `single_spaced`, `cased_name`,
`language_code` and `phone_e164` give text fit to be written, and only as their documentation says.
"""

from __future__ import annotations

from crm_steward.normalize.companies import company_key
from crm_steward.normalize.countries import clean_country, country_code
from crm_steward.normalize.emails import (
    EMAIL_PROBLEMS,
    ROLE_NAMES,
    clean_email,
    email_domain,
    email_key,
    email_problem,
    email_typo,
    is_role_address,
)
from crm_steward.normalize.languages import language_code
from crm_steward.normalize.names import cased_name, name_key, person_key
from crm_steward.normalize.phones import PHONE_PROBLEMS, display_phone, phone_e164, phone_problem
from crm_steward.normalize.places import place_key, postcode_key
from crm_steward.normalize.postcodes import POSTCODE_PROBLEMS, clean_postcode, postcode_problem
from crm_steward.normalize.spaces import single_spaced
from crm_steward.normalize.websites import WEBSITE_PROBLEMS, clean_website, website_problem

__all__ = [
    "EMAIL_PROBLEMS",
    "PHONE_PROBLEMS",
    "POSTCODE_PROBLEMS",
    "ROLE_NAMES",
    "WEBSITE_PROBLEMS",
    "cased_name",
    "clean_country",
    "clean_email",
    "clean_postcode",
    "clean_website",
    "company_key",
    "country_code",
    "display_phone",
    "email_domain",
    "email_key",
    "email_problem",
    "email_typo",
    "is_role_address",
    "language_code",
    "name_key",
    "person_key",
    "phone_e164",
    "phone_problem",
    "place_key",
    "postcode_key",
    "postcode_problem",
    "single_spaced",
    "website_problem",
]
