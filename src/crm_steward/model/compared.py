"""What of a record is compared to tell whether two records are one person."""

from __future__ import annotations

from typing import Final

COMPARED: Final = (
    "email_key",
    "email_keys",
    "phone_key",
    "mobile_key",
    "phone_keys",
    "first_name_key",
    "last_name_key",
    "name_key",
    "company_key",
    "street_key",
    "postcode_key",
    "city_key",
    "country_code",
    "birth_date",
)
"""Columns of the mirror. Matching reads no others, and a person's word that two records are not one
person holds until one of these changes."""
