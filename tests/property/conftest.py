"""Properties run on shared machines: what counts is the answer, not how long one example took."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("shared", deadline=None, print_blob=True)
settings.load_profile("shared")
