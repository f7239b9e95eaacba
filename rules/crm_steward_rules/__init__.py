"""The rule packs shipped with crm-steward: YAML files, each with its tests beside it.

`baseline` what every base needs · `format` how values are written · `duplicates` the same person
twice · `completeness` gaps · `consent-eu`, `consent-fr`, `consent-de`, `consent-uk`, `casl` the law
of consent · `retention-fr` what has been kept long enough · `freetext` what should not stand in notes
· `segments` hot, loyal, inactive. How to write rules of your own: see README.md in the folder `rules`.
"""

from __future__ import annotations
