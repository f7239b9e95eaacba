"""H33, H35, H36: bombs, runaway expressions and pressed links change nothing.

Files that people are given from elsewhere are read with bounds; a regular expression of a rule
takes a time that grows with the text and no faster; and no request by which a mail scanner follows
links changes what is planned, approved or decided.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import tracemalloc
import urllib.request
from collections.abc import Callable
from contextlib import closing
from itertools import product
from pathlib import Path
from urllib.error import HTTPError

import pytest
import yaml
from tests.acceptance.test_run import Running
from tests.conftest import Cli
from tests.program import Program

from crm_steward.model import ConfigError
from crm_steward.rules import load_rules
from crm_steward.rules.register import load_register
from crm_steward.settings import load_settings

MIB = 2**20


def _laughs(levels: int) -> str:
    lines = ['a0: &a0 ["lol", "lol", "lol", "lol", "lol", "lol", "lol", "lol", "lol"]']
    for level in range(1, levels):
        inner = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} [{inner}]")
    return "\n".join(lines)


BOMBS = {
    "billion laughs": _laughs(9),
    "laughs by merge keys": "a: &a {x: 1}\nb: &b {<<: *a, y: *a}\nc: {<<: [*a, *b], z: *b}",
    "quadratic": f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 20_000)}]",
    "an alias of itself": "a: &a [*a]",
    "a mapping of itself": "&a a: *a",
    "deep lists": "[" * 100_000,
    "deep mappings": "{a: " * 50_000,
    "deep blocks": "".join(f"{' ' * level}a:\n" for level in range(2_000)),
    "wide": "a: [" + "x," * 400_000 + "x]",
    "many keys": "\n".join(f"k{number}: 1" for number in range(120_000)),
    "long scalar": f"a: {'x' * 3_000_000}",
    "long key": f"? {'x' * 3_000_000}\n: 1",
    "many documents": "a: 1\n---\n" * 50_000,
    "object by tag": "a: !!python/object/apply:os.system ['true']",
    "module by tag": "a: !!python/module:os",
    "binary by tag": "a: !!binary " + "A" * 1_000_000,
    "own tag": "a: !include /etc/passwd",
    "twice the same key": "version: 1\nversion: 1",
    "NUL": "a: \x00",
    "not text": "\ufffe\uffff" * 10,
    "number without end": f"a: {'9' * 200_000}",
    "float without end": f"a: 1e{'9' * 100_000}",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("read", ["settings", "rules", "register"])
def test_a_bomb_is_refused_within_bounds(tmp_path: Path, read: str, bomb: str) -> None:
    """As settings, as rules and as a register: an error that says what is wrong, below 50 MiB."""
    path = tmp_path / f"{read}.yaml"
    path.write_bytes(bomb.encode("utf-8", "surrogatepass"))
    path.chmod(0o600)
    readers: dict[str, Callable[[], object]] = {
        "settings": lambda: load_settings(path),
        "rules": lambda: load_rules([path], language="en"),
        "register": lambda: load_register(path, language="en"),
    }
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError) as caught:
            readers[read]()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 * MIB
    assert len(str(caught.value)) < 100_000


RUNAWAYS = (
    "(a+)+$", "(a*)*$", "(a|a)*$", "(a|aa)+$", "([a-zA-Z]+)*$", "(.*a){25}$", "^(a?){60}a{60}$",
    "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a+){40}$", "(?:a*)*b", "((a+)b?)+$", "(.+)+@",
    r"^([\w.-]+)+@", r"(\w+\s?)*$", r"(\s*a\s*)*$", r"(a\s?)+$", "(.|\n)*b", r"^(\d+)*$", "(a{0,99}){0,9}$",
)  # fmt: skip
ENDS = ("", "!", "b", r"\d", "(c|d)")


def test_no_expression_runs_away(steward: Cli, tmp_path: Path) -> None:
    """A hundred expressions that never end in a backtracking engine, on a text made for them.

    What RE2 does not take is refused when the rules are read; all else scans to its end, which the
    time that the program is given bounds.
    """
    text = "a" * 1_000
    patterns = [f"{one}{end}" for one, end in product(RUNAWAYS, ENDS)]
    assert len(patterns) == 100
    with (tmp_path / "people.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [["id", "first name", "last name"], *[[n, text, "x"] for n in "123"]]
        )
    taken: list[dict[str, object]] = []
    refused: dict[str, str] = {}
    path = tmp_path / "own.yaml"
    for number, pattern in enumerate(patterns):
        rule = {
            "id": f"p{number}", "about": "x", "severity": "low", "mode": "report",
            "check": {"kind": "condition", "holds": {"field": "first_name", "matches": pattern}},
        }  # fmt: skip
        path.write_text(yaml.safe_dump({"version": 1, "rules": [rule]}), "utf-8")
        try:
            load_rules([path], language="en")
        except ConfigError as error:
            refused[pattern] = str(error)
        else:
            taken.append(rule)
    assert len(taken) >= 60
    assert [said for said in refused.values() if "regular expression" not in said] == []
    path.write_text(yaml.safe_dump({"version": 1, "rules": taken}), "utf-8")
    settings = {
        "version": 1,
        "connections": {"people": {"kind": "file", "path": "people.csv"}},
        "rules": {"packs": [], "paths": ["own.yaml"]},
    }
    (tmp_path / "crm-steward.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    for command in ("pull", "scan"):
        done = steward(command)
        assert done.returncode == 0, done.stderr
    found = json.loads(steward("findings", "--json", "--limit", "1000").stdout)
    assert len(found) > 0


PRESSED = (
    "/", "/approve", "/approve?plan={plan}", "/approve/{plan}", "/apply?plan={plan}&yes=1", "/reject/{plan}",
    "/plans/{plan}", "/undo?run=last", "/resume", "/pause", "/healthz", "/readyz?verbose", "/metrics",
    "/readyz?approve=all", "//approve", "/%2e%2e/approve", "/unsubscribe?address=a@example.org",
)  # fmt: skip
KEPT = ("plans", "journal", "decisions", "snoozes", "halts", "findings", "contacts")


def test_no_request_changes_anything(program: Program, tmp_path: Path) -> None:
    """GET, HEAD and OPTIONS on every address, as scanners of mail press links: nothing moves.

    Nor does any other method: the pages only tell, and what is approved is approved by a person on
    the command line. The mail itself has no link that acts (`test_injection.py`).
    """
    (tmp_path / "people.csv").write_text("id,first name,last name\n1,JEAN,DUPONT\n", "utf-8")
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(WAITING), "utf-8")
    running = Running(program, tmp_path, settings=SERVICE)
    with running.process:
        running.until(lambda: bool(running.said("scanned")))
        planned = program.run(["plan", "--json"], cwd=tmp_path)
        assert planned.returncode == 0, planned.stderr
        assert json.loads(planned.stdout)["changes"]
        plan = json.loads(planned.stdout)["hash"]
        before = _state(tmp_path)
        methods = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH")
        asked = [
            _asked(running.port, path.format(plan=plan), method)
            for path, method in product(PRESSED, methods)
        ]
        assert set(asked) <= {200, 404, 501}
        assert {code for (path, m), code in zip(product(PRESSED, methods), asked, strict=True)
                if m not in {"GET", "HEAD"}} == {501}  # fmt: skip
        assert _state(tmp_path) == before
        assert running.end() == 0


SERVICE = """\
connections:
  people: {{kind: file, path: people.csv, pull_every: 1 day}}
rules: {{packs: [], paths: [own.yaml]}}
service: {{listen: "127.0.0.1:{port}"}}
log: {{format: json}}
"""
WAITING = {
    "version": 1,
    "rules": [
        {
            "id": "capitals", "about": "x", "severity": "low", "mode": "propose",
            "check": {"kind": "format", "fields": ["first_name", "last_name"], "only": "fixable"},
            "actions": [{"update": {"normalise": True}}],
        }
    ],
}  # fmt: skip


def _asked(port: int, path: str, method: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 -- our own
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def _state(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(folder / "crm-steward.db")) as database:
        return {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in KEPT}
