"""The weekly report: what the store knows, as a mail that a CRM manager wants to read.

`collect` reads the store into a Digest, `render` puts it into words, `queue_weekly` writes one mail
per week and recipient into the outbox, `deliver` sends what stands there.
"""

from __future__ import annotations
