"""Lets the shipped suite's assertions explain themselves."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("crm_steward.testing")
