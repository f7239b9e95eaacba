"""Which column holds what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crm_steward.sdk import InputError
from crm_steward_file import TARGETS
from crm_steward_file.columns import How, recognise
from crm_steward_file.headers import BOTH, ENGLISH, FRENCH

if TYPE_CHECKING:
    from collections.abc import Sequence


def _mapped(headers: Sequence[str], **wanted: str) -> dict[str, str]:
    return {c.name: c.target for c in recognise(headers, wanted, "contacts.csv")}


@pytest.mark.parametrize(
    ("headers", "targets"),
    [
        pytest.param(
            "NOM|Prénom|E-mail|Téléphone|Portable|Société|Fonction|Adresse|Code Postal|Ville|Pays|"
            "Langue|Commercial|Dernière interaction|Date de création|Opt-in|Désinscrit|Site web|"
            "Origine|Statut|N° client",
            "last_name|first_name|email|phone|mobile|company|job_title|street|postcode|city|country|"
            "language|owner|last_activity|created_at|consent_email|opt_out_email|website|source|"
            "stage|id",
            id="french",
        ),
        pytest.param(
            "courriel|tél.|Tél. portable|ENTREPRISE|poste|CP|dernier contact|RGPD|"
            "Adresse mail|Dernier achat|Consentement SMS|Bloctel|Date de consentement",
            "email|phone|mobile|company|job_title|postcode|last_activity|consent_email|email|"
            "last_person_act|consent_sms|opt_out_phone|consent_given_at",
            id="french, other words",
        ),
        pytest.param(
            "Record ID|First Name|Last Name|Email|Phone Number|Mobile Phone Number|Contact owner|"
            "Lifecycle Stage|Job Title|Company Name|State/Region|Country/Region|Create Date|"
            "Last Modified Date|Last Activity Date|Unsubscribed from all email|Original Source",
            "id|first_name|last_name|email|phone|mobile|owner|stage|job_title|company|region|"
            "country|created_at|updated_at|last_activity|opt_out_email|source",
            id="hubspot",
        ),
        pytest.param(
            "ID d'enregistrement|Prénom|Nom|E-mail|Numéro de téléphone|Propriétaire du contact|"
            "Phase du cycle de vie|Intitulé du poste|Date de dernière activité",
            "id|first_name|last_name|email|phone|owner|stage|job_title|last_activity",
            id="hubspot in french",
        ),
        pytest.param(
            "Contact ID|FirstName|LastName|Account Name|Title|MobilePhone|Mailing Street|"
            "Mailing City|Mailing Zip/Postal Code|Mailing State/Province|Mailing Country|"
            "Email Opt Out|Do Not Call|Last Activity|Lead Source|HasOptedOutOfEmail",
            "id|first_name|last_name|company|job_title|mobile|street|city|postcode|region|country|"
            "opt_out_email|opt_out_phone|last_activity|source|",
            id="salesforce",
        ),
        pytest.param(
            "Record Id|Contact Owner|First Name|Last Name|Account Name|Email|Secondary Email|"
            "Created Time|Modified Time|Last Activity Time|Email Opt Out|Mailing Zip",
            "id|owner|first_name|last_name|company|email|email|created_at|updated_at|"
            "last_activity|opt_out_email|postcode",
            id="zoho",
        ),
        pytest.param(
            "Person - ID|Person - Name|Person - Organization|Person - Email - Work|"
            "Person - Phone - Mobile|Person - Owner|Person - Last activity date|"
            "Person - Marketing status",
            "id|full_name|company|email|mobile|owner|last_activity|consent_email",
            id="pipedrive",
        ),
    ],
)
def test_exports_are_recognised(headers: str, targets: str) -> None:
    """Headers of the usual exports go to the field they mean; a second opt-out stays apart."""
    names = headers.split("|")
    assert [c.target for c in recognise(names, {}, "x.csv")] == targets.split("|")


def test_billing_is_not_consent() -> None:
    """HubSpot's marketing contacts are those it bills for: nobody has agreed to anything by it."""
    assert _mapped(["E-mail", "Marketing contact status"])["Marketing contact status"] == ""


def test_lead_status_yields_to_a_stage() -> None:
    """HubSpot exports both: where work on a lead stands does not hide what the contact is."""
    both = _mapped(["Lead Status", "Lifecycle Stage", "Email"])
    assert (both["Lead Status"], both["Lifecycle Stage"]) == ("", "stage")
    assert _mapped(["Lead Status", "Email"])["Lead Status"] == "stage"


def test_every_synonym_leads_to_a_field_that_exists() -> None:
    """No name in the tables points nowhere, and none is written as `plain` would not write it."""
    for table in (BOTH, ENGLISH, FRENCH):
        assert set(table) <= set(TARGETS)
    for table in (ENGLISH, FRENCH, BOTH):
        for target, names in table.items():
            for name in names.split(";"):
                found = recognise([name.strip()], {}, "x.csv")[0]
                assert found.target, f"{name} of {target} is not found"


def test_nom_alone_is_the_whole_name() -> None:
    """`Nom` is a family name only beside a first name: a full name is never split by guessing."""
    assert _mapped(["Nom", "E-mail"]) == {"Nom": "full_name", "E-mail": "email"}
    assert _mapped(["Nom", "Prénom"]) == {"Nom": "last_name", "Prénom": "first_name"}


def test_it_says_how_each_column_was_mapped() -> None:
    """Exact, synonym, by the user, taken, unknown: each is told apart."""
    headers = ["E-mail", "Courriel 2", "Boîte", "Ville", "Commune", "Couleur"]
    columns = recognise(headers, {"phone": "boite"}, "x.csv")
    assert [(c.target, c.how) for c in columns] == [
        ("email", How.EXACT),
        ("", How.UNKNOWN),
        ("phone", How.USER),
        ("city", How.EXACT),
        ("", How.TAKEN),
        ("", How.UNKNOWN),
    ]


def test_the_user_wins_over_what_is_recognised() -> None:
    """A column the user names is taken from whatever it would have been, and its rival steps back."""
    assert _mapped(["Ville", "Commune"], city="Commune") == {"Ville": "", "Commune": "city"}
    assert _mapped(["E-mail", "Nom"], company="Nom") == {"E-mail": "email", "Nom": "company"}


def test_a_column_that_is_not_there_is_refused_with_a_guess() -> None:
    """A misspelt column is an error that names the nearest header."""
    with pytest.raises(InputError, match=r"no column 'Couriel' \(did you mean 'Courriel'\?\)"):
        recognise(["Courriel", "Nom"], {"email": "Couriel"}, "contacts.csv")


def test_blank_and_repeated_headers_get_names_of_their_own() -> None:
    """Two columns never share a name, so nothing kept beside the fields is lost."""
    names = [c.name for c in recognise(["E-mail", "", "Note A", "Note A"], {}, "x.csv")]
    assert names == ["E-mail", "column 2", "Note A", "Note A (2)"]
