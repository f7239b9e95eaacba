"""Reading YAML: what stays text, what is refused, where; and nothing crashes it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_steward.model import ConfigError, Problem
from crm_steward.rules import load_rules, pack_path
from crm_steward.rules.reading import MAX_DEPTH, MAX_VALUES, read_yaml

_ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(9 * ['*' + before])}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def refused(content: str | bytes, language: str = "en") -> str:
    """Return the one message with which the loader refuses a file of this content."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mine.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ConfigError) as raised:
            load_rules([path], language=language)
        (problem,) = raised.value.problems
        return str(problem).replace(f"{folder}/", "")


def problems_of(path: Path) -> tuple[Problem, ...]:
    """Return the mistakes in a file: none when it loads; anything else but mistakes fails."""
    try:
        load_rules([path])
    except ConfigError as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("012", "012"),
        ("1:30", "1:30"),
        ("2026-01-31", "2026-01-31"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("12", 12),
        ("-1.5e3", -1500.0),
        ("true", True),
        ("~", None),
        ("", None),
        ("9" * 30, "9" * 30),
    ],
)
def test_scalars_mean_what_they_look_like(tmp_path: Path, written: str, value: object) -> None:
    """YAML 1.2: the country Norway stays, numbers in odd notations stay text."""
    path = tmp_path / "x.yaml"
    path.write_text(f"key: {written}\n")
    root, problems = read_yaml(path, "en")

    assert problems == []
    assert root is not None
    assert root.value == {"key": value}
    assert type(root.value["key"]) is type(value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_ALIASES, "mine.yaml:1:4: anchors and aliases (& and *) are refused"),
        ("a: *b\n", "mine.yaml:1:4: anchors and aliases (& and *) are refused"),
        ("[" * 100_000, "mine.yaml:1:21: nested deeper than 20 levels"),
        ("{a: " * 50_000, "nested deeper than 20 levels"),
        ("".join(f"{'  ' * i}a:\n" for i in range(300)), "nested deeper than 20 levels"),
        ("- " * 100_000, "mine.yaml:1:41: nested deeper than 20 levels"),
        ("? " * 100_000, "mine.yaml:1:41: nested deeper than 20 levels"),
        ("a: " + "x" * 300_000, "mine.yaml:1:1: the file is larger than 256 KiB"),
        ("!!python/object/apply:os.system [id]", "mine.yaml:1:1: tags (!…) are refused"),
        ("a: 1\n---\nb: 2\n", "mine.yaml:2:1: a second document starts here"),
        ("rules:\n\t- id: x\n", "mine.yaml:2:1: tab in the indentation; use spaces"),
        ("a: [1, 2\n", "mine.yaml:2:1: not valid YAML: "),
        ("a: 'x\n", "not valid YAML: "),
        ("%YAML 9\n" * 3, "mine.yaml:1:8: not valid YAML: "),
        ("é: caf\u00e9".encode("cp1252"), "mine.yaml:1:1: not UTF-8 (byte 0xE9); save the file"),
        ("a: b\nc: d\u00e9".encode("cp1252"), "mine.yaml:2:5: not UTF-8 (byte 0xE9)"),
        ("a: b\nc: \0d", "mine.yaml:2:4: the character U+0000 is not allowed"),
        ('a: b\nc: "d\\0"', "mine.yaml:2:4: the character U+0000 is not allowed"),
        ('"\\e[31m": b', "mine.yaml:1:1: the character U+001B is not allowed"),
        ("a: b".encode("utf-16"), "mine.yaml:1:1: not UTF-8 (byte 0xFF)"),
        ("", "mine.yaml:1:1: the file is empty"),
        ("# nothing\n", "mine.yaml:1:1: the file is empty"),
        ("\n" * 5000, "mine.yaml:1:1: the file is empty"),
        ("just text", "mine.yaml:1:1: keys and values expected, found 'just text'"),
    ],
)
def test_what_a_rule_never_needs_is_refused_at_once(content: str | bytes, message: str) -> None:
    """Bombs, foreign encodings, tabs, NUL: one message with the place."""
    assert message in refused(content)


def test_too_many_values_are_refused() -> None:
    """A file of more values than any set of rules needs is refused, not read to the end."""
    said = refused("a: [" + "x," * (MAX_VALUES * 2) + "]")

    assert f"more than {MAX_VALUES} values in one file; split it" in said


def test_the_deepest_allowed_nesting_is_read(tmp_path: Path) -> None:
    """Twenty levels pass, twenty-one do not: the limit is where it is said to be."""
    path = tmp_path / "x.yaml"
    path.write_text("[" * (MAX_DEPTH - 1) + "x" + "]" * (MAX_DEPTH - 1))
    root, problems = read_yaml(path, "en")

    assert problems == []
    assert root is not None
    assert "nested deeper" in refused("[" * MAX_DEPTH + "x" + "]" * MAX_DEPTH)


def test_a_duplicate_key_names_both_places(tmp_path: Path) -> None:
    """The second occurrence is the mistake, the first is named; nested ones count."""
    path = tmp_path / "x.yaml"
    path.write_text("a:\n  b: 1\n  c: 2\n  b: 3\n")
    _, problems = read_yaml(path, "en")

    assert [str(one) for one in problems] == [f"{path}:4:3: duplicate key 'b' (first at line 2)"]


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    """A folder in the place of a file gives the system's reason, not a crash."""
    (tmp_path / "x.yaml").mkdir()
    _, problems = read_yaml(tmp_path / "x.yaml", "fr")

    assert "lecture impossible" in problems[0].message


def test_windows_line_ends_and_byte_order_mark_are_read(tmp_path: Path) -> None:
    """A file saved by a Windows editor is a rule file like any other."""
    path = tmp_path / "mine.yaml"
    text = pack_path("baseline").read_text(encoding="utf-8").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())

    assert load_rules([path]).digest == load_rules([pack_path("baseline")]).digest


_PIECES = st.sampled_from(
    [
        "version: 1\n", "rules:\n", "  - id: a\n", "    about: x\n", "    check: ", "    where: ",
        "{kind: stale, longer_than: 1 day}", "{field: email, is: set}", "{all: [", "]}", "\n", "  ",
        "- ", "? ", ": ", "&a ", "*a ", "!x ", "|\n", ">\n", "'", '"', "{", "}", "[", "]", ",", "#",
        "%", "@", "`", "---\n", "...\n", "\t", "null", "~", "é", "\u2028", "\x85", "\ufeff", "<<: ",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=25).map("".join)))
def test_any_text_loads_or_is_a_mistake(text: str) -> None:
    """Whatever is written, the loader answers with rules or with mistakes that name a place."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        problems = problems_of(path)

    assert all(one.where.startswith(f"{path}:") for one in problems)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_load_or_are_a_mistake(content: bytes) -> None:
    """The same for bytes that are no text at all."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_bytes(content)
        with pytest.raises(ConfigError):
            load_rules([path])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_value_in_any_place_of_a_rule_loads_or_is_a_mistake(data: st.DataObject) -> None:
    """A valid rule with one value replaced by anything: rules, or mistakes of that rule."""
    scalars = st.sampled_from(
        [
            "1",
            "x",
            "-1",
            "1e9",
            "true",
            "''",
            "[]",
            "{}",
            "[[]]",
            "{a: b}",
            "[x]",
            "18 months",
            "$x",
        ]
    )
    parts = {
        "about": "x", "severity": "high", "every": "day", "where": "{field: email, is: set}",
        "check": "{kind: stale, longer_than: 1 day}", "actions": "[task: {title: Hello}]",
        "mode": "propose", "limits": "{max_changes: 5}", "connections": "[a]", "reference": "y",
    }  # fmt: skip
    parts[data.draw(st.sampled_from(sorted(parts)))] = data.draw(scalars)
    rule = ", ".join(f"{key}: {value}" for key, value in parts.items())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_text(f"version: 1\nrules:\n  - {{id: r, {rule}}}\n")
        problems = problems_of(path)

    assert all(one.rule == "r" for one in problems)
    assert not any("Input should" in one.message for one in problems)
