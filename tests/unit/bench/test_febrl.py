"""FEBRL's people are compared as a CRM would hold them (bench/febrl.py), on sets made up here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.unit.bench.conftest import BENCH
