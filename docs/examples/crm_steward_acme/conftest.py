"""Lets the assertions of the contract suite say what they compared."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("crm_steward.testing")
