"""The rule packs shipped with crm-steward: YAML files, each with its tests beside it.

`baseline` completeness and staleness · `format` names, e-mail, phones · `consent-eu` proof of
consent under the GDPR and ePrivacy · `duplicates` the same person twice. How to write rules
of your own: see README.md in the folder `rules`.
"""

from __future__ import annotations
