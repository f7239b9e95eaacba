"""The library without its logins and its metadata API, which are there when somebody asks for them."""

from __future__ import annotations

import subprocess
import sys

ASKED = """
import sys
from crm_steward_salesforce.library import Salesforce
parts = ("zeep", "lxml", "jwt", "simple_salesforce.login", "simple_salesforce.metadata")
assert not [name for name in parts if name in sys.modules], "they are not loaded"

import requests, simple_salesforce
client = Salesforce(instance_url="https://x.my.salesforce.com", session_id="s", session=requests.Session())
from_property = type(client.mdapi)
from simple_salesforce.metadata import SfdcMetadataApi
assert from_property is SfdcMetadataApi

from simple_salesforce.exceptions import SalesforceAuthenticationFailed
try:
    simple_salesforce.SalesforceLogin(username="u")
except SalesforceAuthenticationFailed as error:
    assert "security token" in str(error), error
else:
    raise AssertionError("the real one asks for more")
from simple_salesforce.login import SalesforceLogin, soap_login
print("whole")
"""
FIRST = """
import simple_salesforce.login, simple_salesforce.metadata
real = simple_salesforce.metadata
from crm_steward_salesforce.library import Salesforce
import simple_salesforce.api, sys
assert sys.modules["simple_salesforce.metadata"] is real
assert simple_salesforce.api.SfdcMetadataApi is real.SfdcMetadataApi
print("whole")
"""
MORE = """
import crm_steward_salesforce.library as library, sys
with library._without():
    from simple_salesforce.metadata import MetadataType
assert sys.modules["simple_salesforce.metadata"].MetadataType is MetadataType
print("whole")
"""


def said(code: str) -> str:
    """Return what Python says that loads everything itself."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_is_missing_for_whoever_asks() -> None:
    """Through the client, through the package, and by their own names."""
    assert said(ASKED) == "whole\n"


def test_what_others_have_loaded_stays_theirs() -> None:
    """A program that uses the library itself finds it as it was."""
    assert said(FIRST) == "whole\n"


def test_a_library_that_wants_more_of_a_part_gets_the_part() -> None:
    """Another version may take something else of it while it is loaded."""
    assert said(MORE) == "whole\n"
