"""The script of faults: which calls it meets, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_steward.model import ConfigError, InputError
from crm_steward.sandbox import FaultScript, load_faults, parse_faults


def _fired(script: FaultScript, calls: int, target: str = "/a", method: str = "GET") -> list[int]:
    return [n for n in range(1, calls + 1) if script.firing(method, target, b"")]


def test_nth_counts_only_the_calls_it_meets() -> None:
    """`nth` is counted among calls of that method and path, not among all calls."""
    script = FaultScript(
        parse_faults({"method": "post", "path": "/tasks$", "nth": 2, "status": 503})
    )
    assert _fired(script, 5) == []
    assert _fired(script, 5, "/crm/tasks", "POST") == [2]


def test_after_and_times_bound_a_fault() -> None:
    """A fault can wait for calls to pass, and stops after its times."""
    script = FaultScript(parse_faults({"after": 2, "times": 3, "status": 429}))
    assert _fired(script, 10) == [3, 4, 5]


def test_probability_repeats_with_the_seed() -> None:
    """A drawn fault fires on the same calls for the same seed, and on others for another."""
    faults = parse_faults({"probability": 0.3, "status": 500})
    first, again, other = (_fired(FaultScript(faults, seed=s), 200) for s in (1, 1, 2))
    assert first == again
    assert first != other
    assert 30 < len(first) < 90


def test_a_fault_can_look_into_the_body() -> None:
    """`body` picks calls by what they carry."""
    script = FaultScript(parse_faults({"body": '"id": ?"42"', "reset": "after"}))
    assert not script.firing("POST", "/x", b'{"id":"41"}')
    assert script.firing("POST", "/x", b'{"id":"42"}')


def test_what_fired_can_be_asked() -> None:
    """The script tells how often each fault met a call and fired."""
    script = FaultScript(parse_faults({"name": "third", "nth": [3], "slow": 0.5}))
    _fired(script, 4)
    assert script.to_json() == [{"name": "third", "nth": [3], "slow": 0.5, "met": 4, "fired": 1}]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({}, "exactly one of"),
        ({"status": 429, "reset": "after"}, "exactly one of"),
        ({"statuss": 429}, "Extra inputs"),
        ({"status": 100}, "greater than or equal to 200"),
        ({"status": 200}, "goes with html"),
        ({"path": "(", "status": 500}, "not a regular expression"),
        ({"reset": "after", "retry_after": 3}, "goes with status"),
        ({"human_edit": {"field": "x"}}, "values"),
    ],
)
def test_mistakes_are_named(fault: dict[str, object], said: str) -> None:
    """A fault that cannot be meant is refused with its position and what is wrong."""
    with pytest.raises(ConfigError, match="fault 2") as raised:
        parse_faults([{"status": 500}, fault])
    assert said in str(raised.value)


def test_yaml_and_json_files_read_alike(tmp_path: Path) -> None:
    """The same faults can be written as YAML or JSON, with or without the `faults` key."""
    yaml, json = tmp_path / "f.yaml", tmp_path / "f.json"
    yaml.write_text("faults:\n  - {path: /search, nth: 1, status: 429, retry_after: 2}\n")
    json.write_text('[{"path": "/search", "nth": [1], "status": 429, "retry_after": 2}]')
    assert load_faults(yaml) == load_faults(json)


def test_an_unreadable_file_is_an_input_error(tmp_path: Path) -> None:
    """A missing or broken file is one line with the file's name."""
    broken = tmp_path / "broken.yaml"
    broken.write_text("faults: [")
    for path in (broken, tmp_path / "missing.yaml"):
        with pytest.raises(InputError, match=path.name):
            load_faults(path)
