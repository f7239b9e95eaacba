"""Settings: where each value comes from, and how each mistake is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import time, timedelta
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from crm_steward.connect.spec import read_duration, write_duration
from crm_steward.model import ConfigError
from crm_steward.settings import Settings, load_settings, secrets_in_file, settings_schema
from crm_steward.settings.sources import parse_yaml

ROOT = Path(__file__).parents[3]
CANARY = "pat-eu1-00000000-canary-canary"

Load = Callable[[str], Settings]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CRM_STEWARD_CONFIG", "CRM_STEWARD_SECRETS", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a settings file of the given text."""

    def write_and_load(text: str) -> Settings:
        path = tmp_path / "s.yaml"
        path.write_text(text, "utf-8")
        return load_settings(path)

    return write_and_load


def problems(load: Load, text: str) -> list[str]:
    """Return the problems of a settings file, places without their folder."""
    with pytest.raises(ConfigError) as raised:
        load(text)
    return [str(p).rpartition("/s.yaml:")[2] or str(p) for p in raised.value.problems]


@pytest.mark.parametrize(
    ("text", "place", "says", "remedy"),
    [
        ("langage: fr", "1:1", "unknown key 'langage'", "did you mean 'language'?"),
        ("language: de", "1:11", "'language' should be 'en' or 'fr'", ""),
        ("timezone: Europe/Pariis", "1:11", "not a time zone", "did you mean 'Europe/Paris'?"),
        ("timezone: Paris", "1:11", "not a time zone", "did you mean 'Europe/Paris'?"),
        ("timezone: 7", "1:11", "not a time zone", "write one such as Europe/Paris"),
        ("version: 2", "1:10", "'version' should be 1", ""),
        ("connections: {x: {kind: hubspt}}", "1:25", "no connector", "did you mean 'hubspot'?"),
        ("connections: {x: {kind: hubspt}}", "1:25", "installed: file, hubspot", "pip install"),
        ("connections: {x: {token: a}}", "1:18", "'connections.x.kind' is missing", "X__KIND"),
        ("connections: {x: {kind: hubspot}}", "1:18", "x.token' is missing", "connections__x__tok"),
        ("connections: {x: 5}", "1:18", "should hold keys", ""),
        ("connections: {My CRM: {kind: file, path: a}}", "1:15", "no name", "small letters"),
        ("connections:\n  x: {kind: file, path: a, pth: b}", "2:28", "unknown key", "mean 'path'?"),
        ("connections: {x: {kind: file, path: a, pull_every: 30}}", "1:52", "number and a", "15 m"),
        (
            "connections: {x: {kind: file, path: a, pull_every: soon}}",
            "1:52",
            "number and a unit",
            "",
        ),
        ("service: {scan_every: 0 hours}", "1:23", "longer than 0 seconds", ""),
        ("service: {listen: everywhere}", "1:19", "host:port", "127.0.0.1:9464"),
        ("service: {listen: 'a:99999'}", "1:19", "host:port", ""),
        ("service: {apply_automatic: perhaps}", "1:28", "valid boolean", ""),
        ("service: [1]", "1:10", "'service' should be", ""),
        ("mail: {sender: a@example.com}", "1:7", "'mail.host' is missing", "MAIL__HOST"),
        ("mail: {host: h, sender: nobody}", "1:25", "should be an e-mail address", ""),
        (
            "mail: {host: h, sender: a@example.com, port: 0}",
            "1:46",
            "greater than or equal to 1",
            "",
        ),
        ("mail: {host: h, sender: a@example.com, security: ssl}", "1:50", "'starttls', 'tls'", ""),
        ("report: {recipients: [a@example.com, b]}", "1:38", "should be an e-mail address", ""),
        (
            "report: {recipients: [{adress: b@example.com}]}",
            "1:24",
            "unknown key",
            "mean 'address'?",
        ),
        ("report: {recipients: ['Zoe <z@example.com>']}", "1:23", "alone, without a name", ""),
        ("report: {recipients: [é@example.com]}", "1:23", "should be an e-mail address", ""),
        ("report: {privacy: ['<z@example.com>']}", "1:20", "should be an e-mail address", ""),
        ("report: {owners: [nobody]}", "1:19", "'report.owners[0].address' should be an", ""),
        ("report: {owners: some}", "1:18", "'report.owners' should be 'off' or 'all'", ""),
        ("report: {'a[0': 1}", "1:10", "unknown key 'report.a[0'", ""),
        ("mail: {host: h, sender: 'Zoe <é@example.com>'}", "1:25", "should be an e-mail", ""),
        ("report: {day: lundi}", "1:15", "'monday'", ""),
        ("limits: {max_percent_per_day: 500}", "1:31", "less than or equal to 100", ""),
        ("limits: {canary: -1}", "1:18", "greater than or equal to 0", ""),
        ("database: mysql://x/y", "1:11", "sqlite:///", ""),
        ("language: en\nlanguage: fr", "2:1", "stands here twice", "line 1"),
        ("mail: {host: h\nx: y", "2:2", "not YAML", "quotes"),
        ("a: b: c", "1:5", "not YAML", "indentation"),
        ("\tlanguage: en", "1:1", "not YAML", ""),
        ("- language", "1:1", "keys and values", ""),
        ("folder: /tmp", "1:9", "unknown key 'folder'", ""),
        ("language: !!python/object:os.system x", "1:11", "cannot be read", "quotes"),
        ("&a [*a]", "", "too much", ""),
        ("", "", "empty", "crm-steward init"),
        ("# nothing\n", "", "empty", "crm-steward init"),
        ("a: \0", "", "not YAML", ""),
        ("[" * 5000, "", "nested too deeply", ""),
    ],
)
def test_each_mistake_has_its_place_and_its_remedy(
    load: Load, text: str, place: str, says: str, remedy: str
) -> None:
    """Every kind of wrong input is refused with file:line:col, what is wrong and what to do."""
    found = [p for p in problems(load, text) if says in p]
    assert found, problems(load, text)
    assert found[0].startswith(f"{place}: " if place else "")
    assert remedy in found[0]


def test_all_mistakes_are_named_in_one_pass_in_reading_order(load: Load) -> None:
    """A file with many mistakes needs one look, not one run per mistake."""
    text = "langage: fr\ntimezone: Paris\nlog: {level: loud}\nconnections: {h: {kind: hubspot}}\n"
    assert [p.partition(":")[0] for p in problems(load, text)] == ["1", "2", "3", "4"]


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    """A wrong --config is not an empty configuration."""
    with pytest.raises(ConfigError, match=r"there is no settings file here.*crm-steward init"):
        load_settings(tmp_path / "no.yaml")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"language: \xff\n", r"s\.yaml:1: this is not UTF-8"), (b"# " + b"x" * 1_000_001, "larger")],
)
def test_bytes_that_are_no_settings_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    """Another encoding and a file of the wrong kind are named as such."""
    (tmp_path / "s.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        load_settings(tmp_path / "s.yaml")


def test_a_folder_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    """The operating system's own words are passed on."""
    with pytest.raises(ConfigError, match="is a directory"):
        load_settings(tmp_path)


def test_environment_beats_secret_file_beats_settings_file(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The strongest source wins, value by value, and the others keep what it does not say."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "mail__password").write_text("from secret\n")
    (folder / "mail__username").write_text("secret user")
    (folder / "unrelated").write_text("of somebody else")
    (folder / "..data").mkdir()
    monkeypatch.setenv("CRM_STEWARD_MAIL__USERNAME", "env user")
    monkeypatch.setenv("CRM_STEWARD_MAIL__PORT", "")
    mail = load("mail: {host: h, sender: a@example.com, username: u, password: p, port: 25}").mail
    assert mail is not None
    assert mail.password is not None
    assert (mail.host, mail.username, mail.port) == ("h", "env user", 25)
    assert mail.password.get_secret_value() == "from secret"


def test_connection_names_with_hyphens_are_reached_from_the_environment(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HUBSPOT_EU means hubspot-eu, and a token of digits stays text."""
    monkeypatch.setenv("CRM_STEWARD_CONNECTIONS__HUBSPOT_EU__TOKEN", "0123456789")
    settings = load("connections: {hubspot-eu: {kind: hubspot}}")
    token = settings.connections["hubspot-eu"].token  # type: ignore[attr-defined]
    assert token.get_secret_value() == "0123456789"


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("CRM_STEWARD_TIMEZON", "unknown variable .*did you mean 'CRM_STEWARD_TIMEZONE'"),
        ("CRM_STEWARD_LOG__LEVL", "unknown variable .*did you mean 'CRM_STEWARD_LOG__LEVEL'"),
        ("CRM_STEWARD_CONNECTIONS__H__TOKN", "unknown.*'CRM_STEWARD_CONNECTIONS__H__TOKEN'"),
        ("CRM_STEWARD_FOLDER", "CRM_STEWARD_FOLDER: unknown"),
        ("CRM_STEWARD_LOG__LEVEL", "CRM_STEWARD_LOG__LEVEL: 'log.level' should be"),
        ("CRM_STEWARD_LOG", "CRM_STEWARD_LOG: 'log' should be"),
    ],
)
def test_a_wrong_variable_is_named(
    load: Load, monkeypatch: pytest.MonkeyPatch, variable: str, says: str
) -> None:
    """A misspelt variable is an error; it would otherwise be a setting that silently does nothing."""
    monkeypatch.setenv(variable, CANARY)
    with pytest.raises(ConfigError, match=says) as raised:
        load("connections: {h: {kind: hubspot, token: x}}")
    assert CANARY not in str(raised.value)


def test_a_variable_for_a_block_and_for_a_part_of_it_contradict(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two variables of which one would swallow the other are refused, naming both."""
    monkeypatch.setenv("CRM_STEWARD_LOG", "x")
    monkeypatch.setenv("CRM_STEWARD_LOG__LEVEL", "debug")
    with pytest.raises(ConfigError, match="LOG__LEVEL: sets a part of what CRM_STEWARD_LOG sets"):
        load("language: en")


def test_lists_can_be_given_in_the_environment(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commas make a list of packs and of recipients."""
    monkeypatch.setenv("CRM_STEWARD_RULES__PACKS", "baseline, format")
    monkeypatch.setenv("CRM_STEWARD_REPORT__RECIPIENTS", "a@example.com,b@example.com")
    settings = load("language: fr")
    assert settings.rules.packs == ("baseline", "format")
    assert [one.address for one in settings.report.recipients] == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"x" * 70_000, "too large"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_broken_secret_file_is_named_without_its_content(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, says: str
) -> None:
    """An empty or binary secret would otherwise be a login that fails for no visible reason."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "mail__password").write_bytes(content)
    monkeypatch.setenv("CRM_STEWARD_SECRETS", str(folder))
    with pytest.raises(ConfigError, match=f"mail__password: this secret .*{says}"):
        load("mail: {host: h, sender: a@example.com}")


@pytest.mark.parametrize("way", ["file", "variable"])
def test_a_secret_without_its_block_is_named(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The place is the secret's, not a line of the settings that has nothing to do with it."""
    (tmp_path / "secrets").mkdir()
    where = tmp_path / "secrets" / "mail__password"
    if way == "file":
        where.write_text(CANARY)
    else:
        monkeypatch.setenv("CRM_STEWARD_MAIL__PASSWORD", CANARY)
    with pytest.raises(ConfigError) as raised:
        load("# nothing about mails\n\nlanguage: en\n")
    said = [(one.where, one.message, one.hint) for one in raised.value.problems]
    place = str(where) if way == "file" else "CRM_STEWARD_MAIL__PASSWORD"
    remedy = "Write 'mail:' into s.yaml, or take this away."
    assert said == [
        (
            place,
            f"'mail.{name}' is missing: the settings have no 'mail:' that this belongs to.",
            remedy,
        )
        for name in ("host", "sender")
    ]
    assert CANARY not in str(raised.value)


def test_a_misnamed_secret_file_is_named(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret under a wrong name is an error, and so is a folder that does not exist."""
    (tmp_path / "mail__pasword").write_text(CANARY)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ConfigError, match=r"unknown key 'mail.pasword' \(did you mean") as raised:
        load("mail: {host: h, sender: a@example.com}")
    assert CANARY not in str(raised.value)
    monkeypatch.setenv("CRM_STEWARD_SECRETS", str(tmp_path / "no"))
    with pytest.raises(ConfigError, match="CRM_STEWARD_SECRETS: the folder it names does not"):
        load("language: en")


@pytest.mark.parametrize(
    "text",
    [
        f"connections: {{h: {{kind: hubspot, token: {CANARY}, burst_share: {CANARY}}}}}",
        f"connections: {{h: {{kind: {CANARY}}}}}",
        f"connections: {{h: {CANARY}}}",
        f"mail: {{host: h, sender: {CANARY}, password: {CANARY}}}\nlog: {CANARY}",
        f"timezone: {CANARY}\ndatabase: {CANARY}\nreport: {{at: {CANARY}, day: {CANARY}}}",
        f"mail: {{password: {CANARY}\nx: - {CANARY}",
        f"mail: {CANARY}: {CANARY}",
        f"x: *{CANARY}",
        f"x: !{CANARY} y",
    ],
)
def test_no_value_is_ever_echoed(load: Load, text: str) -> None:
    """A secret in the wrong place does not end up in an error message."""
    with pytest.raises(ConfigError) as raised:
        load(text)
    assert "canary" not in str(raised.value)


def test_secrets_do_not_appear_in_what_settings_print(load: Load) -> None:
    """Settings that are printed or logged hide tokens, passwords and the database's password."""
    settings = load(
        f"database: postgresql://steward:{CANARY}@db/x\n"
        f"connections: {{h: {{kind: hubspot, token: {CANARY}}}}}\n"
        f"mail: {{host: h, sender: a@example.com, password: {CANARY}}}"
    )
    assert CANARY not in repr(settings)
    assert CANARY not in str(settings)
    assert CANARY not in settings.model_dump_json(exclude={"database"})


def test_secrets_written_in_the_file_are_found(load: Load, tmp_path: Path) -> None:
    """`check` can warn about the very lines."""
    text = (
        "database: postgresql://steward:pw@db/x\n"
        "connections: {h: {kind: hubspot, token: t}}\n"
        "mail: {host: h, sender: a@example.com, password: p}"
    )
    found = secrets_in_file(tmp_path / "s.yaml", load(text))
    assert set(found) == {"connections.h.token", "mail.password", "database"}
    assert secrets_in_file(tmp_path / "s.yaml", load("database: sqlite:///x.db")) == ()


def test_relative_paths_start_at_the_settings_file(load: Load, tmp_path: Path) -> None:
    """The folder one happens to be in does not matter; absolute paths stay."""
    settings = load(
        "database: sqlite:///data/x.db\nrules: {paths: [rules, /etc/rules], register: register.yaml}\n"
        "connections: {f: {kind: file, path: c.csv}}\n"
        "mail: {host: h, sender: a@example.com, ca_file: ca.pem}"
    )
    assert settings.database == f"sqlite:///{tmp_path}/data/x.db"
    assert settings.rules.paths == (tmp_path / "rules", Path("/etc/rules"))
    assert settings.rules.register_file == tmp_path / "register.yaml"
    assert settings.connections["f"].path == tmp_path / "c.csv"  # type: ignore[attr-defined]
    assert settings.mail is not None
    assert settings.mail.ca_file == tmp_path / "ca.pem"
    assert settings.folder == tmp_path
    assert load("database: sqlite:////var/x.db").database == "sqlite:////var/x.db"


def test_norway_and_off_stay_words(load: Load) -> None:
    """YAML 1.2: NO is a country and `off` a word; a boolean from elsewhere is understood too."""
    settings = load("connections: {f: {kind: file, path: a, country: NO}}\nreport: {names: off}")
    assert settings.connections["f"].country == "NO"
    assert settings.report.names == "off"
    assert load("report: {names: false}").report.names == "off"


def _give_documented_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the secrets that config/crm-steward.yaml leaves out."""
    for name in (
        "HUBSPOT_EU__TOKEN",
        "SALESFORCE_EU__CLIENT_SECRET",
        "ZOHO_FR__CLIENT_SECRET",
        "ZOHO_FR__REFRESH_TOKEN",
        "PIPEDRIVE__API_TOKEN",
    ):
        monkeypatch.setenv(f"CRM_STEWARD_CONNECTIONS__{name}", CANARY)


def test_the_documented_settings_load_and_name_every_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """config/crm-steward.yaml is complete, and what it gives as a default is the default."""
    _give_documented_secrets(monkeypatch)
    path = ROOT / "config" / "crm-steward.yaml"
    settings, text = load_settings(path), path.read_text("utf-8")
    assert settings.limits == Settings().limits
    assert settings.log == Settings().log
    assert settings.service == Settings().service
    assert settings.report.at == time(7, 30)
    blocks = (settings, settings.mail, settings.report, settings.limits, settings.service)
    others = (settings.log, settings.rules, *settings.connections.values())
    fields = [type(block).model_fields.items() for block in (*blocks, *others)]
    names = {info.alias or name for items in fields for name, info in items} - {"folder"}
    assert {name for name in names if f"{name}:" not in text} == set()


def test_the_schema_file_is_the_models_and_accepts_the_documented_settings() -> None:
    """config/settings.schema.json is up to date (`make schemas`), right and strict."""
    written = json.loads((ROOT / "config" / "settings.schema.json").read_text("utf-8"))
    assert written == settings_schema(), "write it anew: make schemas"
    jsonschema.Draft202012Validator.check_schema(written)
    validator = jsonschema.Draft202012Validator(written)
    document = YAML(typ="safe").load(ROOT / "config" / "crm-steward.yaml")
    document["connections"]["hubspot-eu"]["token"] = CANARY
    document["connections"]["zoho-fr"] |= {"client_secret": CANARY, "refresh_token": CANARY}
    assert [error.message for error in validator.iter_errors(document)] == []
    for wrong in ({"langage": "fr"}, {"connections": {"x": {"kind": "file"}}}, {"folder": "/"}):
        assert not validator.is_valid(wrong)


@given(st.integers(min_value=1, max_value=3660 * 86_400).map(lambda s: timedelta(seconds=s)))
def test_durations_are_written_as_they_are_read(duration: timedelta) -> None:
    """What the schema shows as a default can be pasted into the file."""
    assert read_duration(write_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90 s", timedelta(seconds=90)),
        ("1 day 12 hours", timedelta(hours=36)),
        ("2 Weeks", timedelta(days=14)),
        ("15min", timedelta(minutes=15)),
        (0, timedelta(0)),
        ("0", timedelta(0)),
        ("0 seconds", timedelta(0)),
    ],
)
def test_durations_are_read_as_people_write_them(text: str | int, duration: timedelta) -> None:
    """Several units, short ones and capitals are understood; nothing needs no unit."""
    assert read_duration(text) == duration


@given(st.text(max_size=200))
def test_any_text_is_settings_or_a_config_error(text: str) -> None:
    """Nothing that can stand in a file ends in anything but settings or a ConfigError."""
    problems: tuple[object, ...] = ()
    values = None
    try:
        values = parse_yaml(Path("s.yaml"), text).values
    except ConfigError as error:
        problems = error.problems
    assert problems or isinstance(values, dict)
