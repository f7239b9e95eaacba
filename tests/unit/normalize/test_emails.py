"""E-mail addresses: one key per mailbox, a clean text where one is sure, a reason where none is."""

from __future__ import annotations

import pytest

from crm_steward.normalize import (
    EMAIL_PROBLEMS,
    clean_email,
    email_domain,
    email_key,
    email_problem,
    email_typo,
    is_role_address,
)

CLEANED = [
    (" jean.dupont@example.com", "jean.dupont@example.com"),
    ("jean.dupont@example.com.", "jean.dupont@example.com"),
    ("jean.dupont@example.com,", "jean.dupont@example.com"),
    ("jean.dupont@EXAMPLE.Com", "jean.dupont@example.com"),
    ("Jean.Dupont@EXAMPLE.COM", "Jean.Dupont@example.com"),
    ("mailto:jean@example.com?subject=Bonjour", "jean@example.com"),
    ("MAILTO:jean@example.com", "jean@example.com"),
    ("Jean Dupont <jean@example.com>", "jean@example.com"),
    ("<jean@example.com>", "jean@example.com"),
    ('"jean@example.com"', "jean@example.com"),
    ("\u00abjean@example.com\u00bb", "jean@example.com"),
    ("jean @ example.com", "jean@example.com"),
    ("jean@example .com", "jean@example.com"),
    ("\ufeffjean@example.com\u200b", "jean@example.com"),
    ("jean@example.com\r\n", "jean@example.com"),
    ("jean\u00a0@example.com", "jean@example.com"),
]

CLEAN = [
    "jean@example.com",
    "Jean.O'Brien+crm@mail.example.co.uk",
    "josé@example.com",
    "jean@münchen.example.com",
    "jean@xn--mnchen-3ya.example.com",
    "a/b=c@example.com",
]

PROBLEMS = [
    ("jean", "no at sign"),
    ("n/a", "no at sign"),
    ("-", "no at sign"),
    ("jean(at)example.com", "no at sign"),
    ("jean@example.com;marie@example.com", "several addresses"),
    ("jean@example.com / marie@example.com", "several addresses"),
    ("jean@@example.com", "several addresses"),
    ("jean dupont@example.com", "space inside"),
    ("jean@example", "bad domain"),
    ("jean@example..com", "bad domain"),
    ("jean@-example.com", "bad domain"),
    ("jean@exam_ple.com", "bad domain"),
    ("jean@", "bad domain"),
    ("@example.com", "bad local part"),
    (".jean@example.com", None),
    ("jean..dupont@example.com", "bad local part"),
    ("x" * 65 + "@example.com", "bad local part"),
    ("jean@host.local", "reserved domain"),
    ("jean@example.invalid", "reserved domain"),
    ("jean@" + "a." * 130 + "com", "too long"),
    ("j" * 10_000_000, "too long"),
]


@pytest.mark.parametrize(("held", "proposed"), CLEANED)
def test_what_surrounds_an_address_goes(held: str, proposed: str) -> None:
    """The proposal is the bare address with its domain in lower case, and is not a problem."""
    assert clean_email(held) == proposed
    assert email_problem(held) is None
    assert email_key(held) == proposed.lower()


@pytest.mark.parametrize("held", CLEAN)
def test_a_clean_address_is_left_alone(held: str) -> None:
    """An address that stands as it should has no proposal and no problem, but a key."""
    assert clean_email(held) is None
    assert email_problem(held) is None
    assert email_key(held) is not None


@pytest.mark.parametrize(("held", "problem"), PROBLEMS, ids=lambda text: str(text)[:30])
def test_what_cannot_be_an_address_says_why(held: str, problem: str | None) -> None:
    """A problem is named from a fixed list, and there is then neither key nor proposal."""
    assert email_problem(held) == problem
    if problem:
        assert problem in EMAIL_PROBLEMS
        assert email_key(held) is clean_email(held) is email_domain(held) is None


@pytest.mark.parametrize("nothing", [None, "", "  ", "\x00", "\u200b"])
def test_an_empty_field_is_no_problem(nothing: str | None) -> None:
    """A missing address is for the rule on required fields; here there is nothing to say."""
    assert email_key(nothing) is None
    assert email_problem(nothing) is None


def test_only_gmail_loses_dots_and_tags() -> None:
    """Google documents that dots and tags make no difference; another host may give them away."""
    assert email_key("Jean.Dupont+crm@googlemail.com") == "jeandupont@gmail.com"
    assert email_key("jeandupont@gmail.com") == "jeandupont@gmail.com"
    assert email_key("jean.dupont+crm@example.com") == "jean.dupont+crm@example.com"
    assert email_key("+crm@gmail.com") == "+crm@gmail.com"


def test_an_international_domain_compares_in_either_form() -> None:
    """The Unicode and the ASCII form of a domain are one."""
    unicode, ascii_form = "jean@MÜNCHEN.example.com", "jean@xn--mnchen-3ya.example.com"
    assert email_key(unicode) == email_key(ascii_form) == ascii_form
    assert email_domain(unicode) == "xn--mnchen-3ya.example.com"


@pytest.mark.parametrize(
    ("held", "meant"),
    [
        ("a@gmial.com", "gmail.com"),
        ("a@gmail.con", "gmail.com"),
        ("a@gmai.com", "gmail.com"),
        ("a@GMAILL.com", "gmail.com"),
        ("a@hotmial.fr", "hotmail.fr"),
        ("a@wanado.fr", "wanadoo.fr"),
        ("a@orage.fr", "orange.fr"),
        ("a@gmail.fr", "gmail.com"),
        ("a@outlok.com", "outlook.com"),
        ("a@hotmail.co", "hotmail.com"),
        ("a@gmail.com", None),
        ("a@yahoo.in", None),
        ("a@yahoo.se", None),
        ("a@hotmail.be", None),
        ("a@yahoo.be", None),
        ("a@ymail.com", None),
        ("a@mail.com", None),
        ("a@email.com", None),
        ("a@example.com", None),
        ("a@free.fr", None),
        ("gmial.com", None),
        (None, None),
    ],
)
def test_a_slip_in_a_providers_domain_is_noticed(held: str | None, meant: str | None) -> None:
    """One slip from a mass provider is suggested; real neighbours of one are not."""
    assert email_typo(held) == meant


def test_role_addresses_are_known_in_the_languages_we_speak() -> None:
    """A mailbox of a function is told from a person's."""
    assert is_role_address("info@example.com")
    assert is_role_address("comptabilite@example.com")
    assert is_role_address("buchhaltung@example.com")
    assert not is_role_address("jean.info@example.com")
    assert not is_role_address(None)
