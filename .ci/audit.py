"""Looks for known vulnerabilities in what lock files pin: `python .ci/audit.py requirements.lock …`.

A vulnerability that is found ends with 1, unless `audit-ignored.toml` says why it does not concern
us. Where no advisory service can be reached, nothing is known: that is said so that nobody takes it
for a clean result, and ends with 0, because a machine that only has a mirror of packages must be
able to build. `pip-audit` asks the services; a name that a service does not know was not audited.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

SERVICES = ("pypi", "osv")
"""In the words of pip-audit; the second is asked where the first does not answer for all."""
PATIENCE_SECONDS = 300
HERE = Path(__file__).parent


@dataclass
class Audited:
    """What one service knows about the packages of a lock file.

    Args:
        known: Packages that it was asked about and answered for.
        unknown: Packages that it does not know.
        found: Package and version → ids of advisories, each with its aliases.
        failure: Why it gave no answer at all; empty when it did.
    """

    known: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    found: dict[str, list[frozenset[str]]] = field(default_factory=dict)
    failure: str = ""


def audit(tool: str, lock: Path, service: str) -> Audited:
    """Ask one service about all packages of a lock file.

    Args:
        tool: The program `pip-audit`.
        lock: Pinned and hashed, so that nothing is resolved or installed.
        service: One of `SERVICES`.
    """
    command = [tool, "--disable-pip", "--require-hashes", "--requirement", str(lock)]
    command += ["--vulnerability-service", service, "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
        )
        listed = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        return Audited(failure=type(error).__name__)
    audited = Audited()
    for one in listed:
        if "skip_reason" in one:
            audited.unknown.add(one["name"])
            continue
        audited.known.add(one["name"])
        for advisory in one["vulns"]:
            ids = frozenset({advisory["id"], *advisory.get("aliases", ())})
            audited.found.setdefault(f"{one['name']} {one['version']}", []).append(ids)
    return audited


def ignored(path: Path, today: date) -> set[str]:
    """Return the advisories that somebody looked at and that have not run out.

    Raises:
        SystemExit: An entry lacks its reason or its date.
    """
    entries = tomllib.loads(path.read_text("utf-8"))
    for name, entry in entries.items():
        if not entry.get("reason") or not isinstance(entry.get("until"), date):
            sys.exit(f"{path}: {name} should say `reason` and `until` (a date)")
    return {name for name, entry in entries.items() if entry["until"] >= today}


def main(arguments: list[str] | None = None) -> int:
    """Audit the lock files named; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("locks", nargs="+", type=Path)
    options.add_argument("--tool", default=str(Path(sys.executable).with_name("pip-audit")))
    options.add_argument("--ignored", type=Path, default=HERE / "audit-ignored.toml")
    given = options.parse_args(arguments)
    passed = ignored(given.ignored, datetime.now(UTC).date())
    code = 0
    for lock in given.locks:
        answers: list[Audited] = []
        for service in SERVICES:
            answers.append(audit(given.tool, lock, service))
            if not answers[-1].failure and not answers[-1].unknown:
                break
        code |= _told(lock, answers, passed)
    return code


def _told(lock: Path, answers: list[Audited], passed: set[str]) -> int:
    known = set[str]().union(*(answer.known for answer in answers))
    left = set[str]().union(*(answer.unknown for answer in answers)) - known
    if not known:
        why = ", ".join(answer.failure or "it knows none of the packages" for answer in answers)
        line = "!" * 80
        print(f"{line}\n{lock}: NOT AUDITED: service unreachable ({why}).", file=sys.stderr)
        print(f"Nothing is known about its packages; audit it elsewhere.\n{line}", file=sys.stderr)
        return 0
    counted = [
        f"{package}: {', '.join(sorted(ids))}"
        for answer in answers
        for package, advisories in answer.found.items()
        for ids in advisories
        if not ids & passed
    ]
    for line in dict.fromkeys(counted):
        print(f"{lock}: VULNERABLE: {line}", file=sys.stderr)
    if left:
        print(
            f"{lock}: NOT AUDITED, the service does not know: {', '.join(sorted(left))}",
            file=sys.stderr,
        )
    print(f"{lock}: {len(known)} packages audited, {len(counted)} advisories that count.")
    return int(bool(counted))


if __name__ == "__main__":
    sys.exit(main())
