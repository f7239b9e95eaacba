"""`freetext`: each category in each language, what looks like it and is not, and that no text leaks."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_steward.model import Contact, RecordRef
from crm_steward.rules.explaining import explain
from crm_steward.rules.lexicons import CATEGORIES, LANGUAGES, folded, lexicon

if TYPE_CHECKING:
    from datetime import datetime

    from tests.unit.rules.conftest import Find, Load, Relation


def categories(find: Find, *texts: str, keys: str = "fields: [notes]") -> list[set[str]]:
    """Return the categories found in each note, by one run over all of them."""
    contacts = [
        Contact(ref=RecordRef("crm", f"{place:04}"), notes=text) for place, text in enumerate(texts)
    ]
    found: dict[str, set[str]] = {contact.ref.id: set() for contact in contacts}
    for one in find(f"check: {{kind: freetext, {keys}}}", contacts):
        found[one.refs[0].id].add(one.evidence["category"])
    return [found[contact.ref.id] for contact in contacts]


CAUGHT = {
    "fr": {
        "health": ["Rappeler en juin, arrêt maladie", "Il est SÉROPOSITIF", "atteint d'un cancer"],
        "religion": ["Cliente musulmane", "Juif pratiquant", "membre des Témoins de Jéhovah"],
        "union": ["délégué syndical", "il est syndiqué", "souvent en grève"],
        "politics": ["vote à gauche", "Militant du parti X", "c'est un communiste"],
        "sex_life": ["il est homosexuel", "A une liaison avec sa collègue"],
        "offence": ["a fait de la prison", "casier judiciaire chargé"],
        "family": ["en plein divorce", "décès de sa mère en mai", "Surendetté"],
        "insult": ["gros con", "Quelle abrutie !", "c'est un SALAUD"],
    },
    "en": {
        "health": ["Off sick until May", "she's pregnant", "diagnosed with something"],
        "religion": ["he is a Muslim", "Jewish, no calls on Saturday", "goes to church"],
        "union": ["shop steward at the plant", "Union rep", "on strike since Monday"],
        "politics": ["voted for Trump", "very left-wing", "a communist"],
        "sex_life": ["he's gay", "having an affair"],
        "offence": ["criminal record", "convicted of fraud"],
        "family": ["going through a divorce", "lost his wife last year"],
        "insult": ["what a moron", "an old fool", "Bastard!"],
    },
    "de": {
        "health": ["seit Mai krankgeschrieben", "hat Krebs", "Schwerbehinderter"],
        "religion": ["ist katholisch", "Moslem", "Jüdin"],
        "union": ["Gewerkschafter", "gewerkschaftlich organisiert"],
        "politics": ["wählt AfD", "rechtsextreme Ansichten", "Parteimitglied"],
        "sex_life": ["ist schwul", "hat eine Affäre"],
        "offence": ["vorbestraft", "saß im Knast"],
        "family": ["lebt in Scheidung", "alleinerziehende Mutter"],
        "insult": ["Arschloch", "Scheißkunde", "dieser Depp"],
    },
    "es": {
        "health": ["de baja médica", "está embarazada", "es diabético"],
        "religion": ["es católico", "familia judía", "Testigo de Jehová"],
        "union": ["delegado sindical", "en huelga"],
        "politics": ["vota al PSOE", "un fascista"],
        "sex_life": ["es gay", "engaña a su mujer"],
        "offence": ["antecedentes penales", "estuvo en la cárcel"],
        "family": ["está divorciada", "madre soltera"],
        "insult": ["es gilipollas", "hijo de puta"],
    },
}

SPARED = {
    "fr": [
        "Magasin place de la Grève, près de l'Hôtel de Ville",
        "Mme Lourdes Cancer, signe Cancer ascendant Lion",
        "Travaille à la Ligue contre le cancer",
        "Professeur à l'Université catholique de Lille",
        "avc plaisir, à bientôt",
        "Enceinte acoustique livrée, enceinte du stade",
        "Divorce de la banque et du groupe : non",
        "concours, conseil, convention, Connecticut",
        "Handicap de 12 au golf",
        "Société générale, socialiste hors sujet",
        "Parkinson & Fils, député, réputé",
        "a voté le budget",
        "M. Rabbi et M. Juifort",
        "Le communiqué de presse",
    ],
    "en": [
        "Contact: Sarah Moronic, Idiotte Ltd",
        "Works at Cancer Research UK",
        "Wants a non-alcoholic drink",
        "Credit union member services",
        "Mr Rabbi, Ms Christian, Mr Church, Mr Gay",
        "Lives in Stroke-on-Trent, depression of the markets",
        "Strike price agreed, labour costs",
        "Party of twelve, left the wing open",
        "The catholic university of Leuven",
        "Divorced from reality: no",
    ],
    "de": [
        "Herr Katholnig, Frau Krebs, Herr Judenburg",
        "Sternzeichen Krebs",
        "Arbeitet im Krankenhaus",
        "Deppendorf bei Bielefeld",
        "Evangelisches Krankenhaus Düsseldorf",
        "Das Gerät ist idiotensicher",
        "Scheidungsanwalt",
        "Spinnerei und Weberei",
    ],
    "es": [
        "Señora Lourdes Cruz, del signo Cáncer",
        "Vende bebidas alcohólicas",
        "Judías verdes y zorrillo",
        "Universidad Católica de Murcia",
        "Computadora, disputa, reputación",
        "depresión económica en la zona",
        "Calle de la Huelga",
    ],
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_category_is_found_in_each_language(find: Find, language: str) -> None:
    """With only that language, each example is found under its category and no other."""
    examples = [(name, text) for name, texts in CAUGHT[language].items() for text in texts]
    keys = f"fields: [notes], languages: [{language}]"

    assert set(CAUGHT[language]) == set(CATEGORIES)
    found = categories(find, *(text for _, text in examples), keys=keys)
    assert dict(zip(examples, found, strict=True)) == {one: {one[0]} for one in examples}


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_places_and_everyday_words_are_spared(find: Find, language: str) -> None:
    """With all languages and categories, none of these is found."""
    texts = SPARED[language]

    assert dict(zip(texts, categories(find, *texts), strict=True)) == {
        text: set() for text in texts
    }


IDENTIFIED = {
    "iban": [
        "IBAN FR76 3000 6000 0112 3456 7890 189 merci",
        "de89370400440532013000",
        "GB82-WEST-1234-5698-7654-32",
        "BE68 5390 0754 7034.",
    ],
    "card": [
        "CB 4111 1111 1111 1111 exp 12/27",
        "5555-5555-5555-4444",
        "amex 378282246310005",
        "6011111111111117",
        "2223003122003222",
    ],
    "nir": ["NIR 1 84 12 76 451 089 46", "2 55 08 2A 123 456 46", "184127645108946"],
    "password": ["mdp : Soleil2024", "Password=hunter22", "Mot de passe: azerty!", "pwd=abcd"],
}

NO_IDENTIFIERS = [
    "FR76 3000 6000 0112 3456 7890 188",
    "Facture FR1234567890",
    "4111 1111 1111 1112",
    "SIRET 362 521 879 00034",
    "tel 06 12 34 56 78, +33 1 99 00 12 34",
    "1 84 12 76 451 089 47",
    "commande 1234567890123456",
    "Mot de passe : oublié",
    "password: reset sent",
    "password: ****",
    "il a perdu son mot de passe",
    "9999999999999999999999999999",
]


@pytest.mark.parametrize("kind", IDENTIFIED)
def test_identifiers_are_proven_by_their_check_digits(find: Find, kind: str) -> None:
    """Each is found as what it is, with or without separators."""
    texts = IDENTIFIED[kind]

    assert dict(zip(texts, categories(find, *texts), strict=True)) == {
        text: {kind} for text in texts
    }


def test_numbers_that_prove_nothing_are_spared(find: Find) -> None:
    """A digit that is wrong, order and telephone numbers, company numbers, forgotten passwords."""
    found = categories(find, *NO_IDENTIFIERS)

    assert dict(zip(NO_IDENTIFIERS, found, strict=True)) == {text: set() for text in NO_IDENTIFIERS}


def test_own_words_and_phrases_to_ignore(find: Find) -> None:
    """Own words are a category of their own; what is to be ignored takes out what it covers."""
    texts = ("Client VIPère", "vip", "Vips", "un abruti", "les abrutis du 7e, un groupe de rock")
    keys = "fields: [notes], categories: [insult], words: ['vip*'], ignore: ['abrutis du 7e']"

    assert categories(find, *texts, keys=keys) == [{"own"}, {"own"}, {"own"}, {"insult"}, set()]


def test_one_finding_per_record_and_category_names_the_fields(find: Find) -> None:
    """Without `fields`, notes, job title and custom fields are read; the rest is not."""
    contact = Contact(
        ref=RecordRef("crm", "1"),
        notes="c'est un abruti, un crétin",
        job_title="Délégué syndical",
        company="Salaud & Fils",
        extra={"comment/1~": "quel crétin", "score": 5, "vip": "d'accord"},
    )
    findings = find("check: {kind: freetext}", [contact])

    assert [(one.about, dict(one.evidence)) for one in findings] == [
        ("insult", {"category": "insult", "fields": ["extra.comment/1~", "notes"]}),
        ("union", {"category": "union", "fields": ["job_title"]}),
    ]


def test_the_scope_of_the_rule_holds_and_a_custom_field_can_be_named(find: Find) -> None:
    """Only contacts of the condition are read, only the named fields."""
    contacts = [
        Contact(
            ref=RecordRef("crm", "1"), source="fair", extra={"score": "crétin"}, notes="salaud"
        ),
        Contact(ref=RecordRef("crm", "2"), extra={"score": "crétin"}),
    ]
    rule = "where: {field: source, is: set}, check: {kind: freetext, fields: [extra.score]}"
    (finding,) = find(rule, contacts)

    assert (finding.refs[0].id, finding.evidence["fields"]) == ("1", ["extra.score"])


def test_no_part_of_a_text_comes_out(
    find: Find, load: Load, relation: Relation, now: datetime
) -> None:
    """Neither evidence nor explanation holds a word of the note."""
    secret = "Kolossal abruti Zanzibar, mdp: Xylophone7"
    contact = Contact(ref=RecordRef("crm", "1"), notes=secret)
    findings = find("check: {kind: freetext}", [contact])
    (rule,) = load("version: 1\nrules: [{id: r, about: x, check: {kind: freetext}}]\n").rules
    with closing(relation([contact])) as con:
        explained = explain(rule, contact.ref, con, now)

    shown = f"{[(one.about, one.evidence) for one in findings]} {explained}".lower()
    assert {one.about for one in findings} == {"insult", "password"}
    assert not [word for word in ("kolossal", "abruti", "zanzibar", "xylophone") if word in shown]
    (step,) = explained.steps
    assert {part.words for part in step.parts if part.holds} == {
        "text holds insult",
        "text holds password",
    }


def test_the_lexicons_are_whole() -> None:
    """Every language has every category, no phrase twice, none that its own harmless ones swallow."""
    for language in LANGUAGES:
        held = lexicon(language)
        assert set(held.phrases) == set(CATEGORIES)
        for phrases in held.phrases.values():
            assert len(phrases) >= 10
            assert len({folded(phrase) for phrase in phrases}) == len(phrases)
            assert not set(phrases) & set(held.harmless)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, 9), min_size=23, max_size=23), st.integers(1, 96))
def test_an_iban_is_found_exactly_when_its_remainder_is_one(
    find: Find, digits: list[int], off: int
) -> None:
    """For any account number the right check digits are found, and any others are not."""
    account = "".join(map(str, digits))
    right = 98 - int(account + "152700") % 97
    wrong = (right - 2 + off) % 97 + 2

    assert categories(find, f"FR{right:02}{account}", f"FR{wrong:02}{account}")[0] >= {"iban"}
    assert "iban" not in categories(find, f"FR{wrong:02}{account}")[0]


def _luhn(digits: str) -> bool:
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text("0123456789", min_size=15, max_size=15), min_size=1, max_size=10))
def test_a_card_is_found_exactly_when_luhn_holds(find: Find, numbers: list[str]) -> None:
    """For any sixteen digits of an issuer, as Python reckons."""
    cards = [f"4{number}" for number in numbers]
    found = categories(find, *cards, keys="fields: [notes], categories: [card]")

    assert [bool(one) for one in found] == [_luhn(card) for card in cards]


def test_hostile_texts_do_no_harm(find: Find) -> None:
    """Long texts, odd letters and what looks like SQL are read like any other."""
    texts: list[Any] = ["1" * 60_000, "'; DROP TABLE contacts; --", "\u202eabruti", "é" * 999, " "]

    assert categories(find, *texts) == [set(), set(), {"insult"}, set(), set()]
