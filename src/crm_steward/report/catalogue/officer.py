# ruff: noqa: RUF001 -- the typographic apostrophe is how French is written
"""The sentences about erasures and the register, and of the data-protection officer's digest."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "protection.title": "Erasures and the register",
        "protection.erased": (
            "{n} person was erased here since the last report.",
            "{n} people were erased here since the last report.",
        ),
        "protection.returned": (
            "{n} record of somebody who was erased is back.",
            "{n} records of people who were erased are back.",
        ),
        "protection.find": "Which:",
        "protection.edited": "Periods of the register that were edited since the last report:",
        "protection.period.added": "{period}: new, {after}",
        "protection.period.edited": "{period}: was {before}; is {after}",
        "protection.period.removed": "{period}: removed, was {before}",
        "protection.kept": "{bound} {length} ({since}), then {then}",
        "bound.at_most": "at most",
        "bound.at_least": "at least",
        "protection.more": ("and {n} more period", "and {n} more periods"),
        "officer.title": "Data protection",
        "officer.subject": "Data protection, week {week}: {headline}",
        "officer.late": (
            "{n} objection is not heeded within its delay",
            "{n} objections are not heeded within their delay",
        ),
        "officer.returned": (
            "{n} record of an erased person is back",
            "{n} records of erased people are back",
        ),
        "officer.open": ("{n} objection waits to be heeded", "{n} objections wait to be heeded"),
        "officer.conflicts": (
            "{n} person said no in one system and may be contacted by another",
            "{n} people said no in one system and may be contacted by another",
        ),
        "officer.past": (
            "{n} record is kept beyond its period",
            "{n} records are kept beyond their period",
        ),
        "officer.periods": (
            "{n} period of the register was edited",
            "{n} periods of the register were edited",
        ),
        "officer.quiet": "nothing is late",
        "officer.about": "What crm-steward knows of consents, periods of retention, erasures and the register "
        "of processing. It counts what the CRMs hold and what the rules found.",
        "officer.record": "The record of processing activities as it stands:",
        "officer.why": "You receive it because the settings of crm-steward name you under report.privacy.",
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "protection.title": "Effacements et registre",
        "protection.erased": (
            "{n} personne a été effacée ici depuis le dernier rapport.",
            "{n} personnes ont été effacées ici depuis le dernier rapport.",
        ),
        "protection.returned": (
            "{n} fiche d’une personne effacée est revenue.",
            "{n} fiches de personnes effacées sont revenues.",
        ),
        "protection.find": "Lesquelles :",
        "protection.edited": "Durées du registre modifiées depuis le dernier rapport :",
        "protection.period.added": "{period} : nouvelle, {after}",
        "protection.period.edited": "{period} : {before} ; désormais {after}",
        "protection.period.removed": "{period} : supprimée, était {before}",
        "protection.kept": "{bound} {length} ({since}), puis {then}",
        "bound.at_most": "au plus",
        "bound.at_least": "au moins",
        "protection.more": ("et {n} autre durée", "et {n} autres durées"),
        "officer.title": "Protection des données",
        "officer.subject": "Protection des données, semaine {week} : {headline}",
        "officer.late": (
            "{n} opposition n’est pas respectée dans son délai",
            "{n} oppositions ne sont pas respectées dans leur délai",
        ),
        "officer.returned": (
            "{n} fiche d’une personne effacée est revenue",
            "{n} fiches de personnes effacées sont revenues",
        ),
        "officer.open": (
            "{n} opposition attend d’être respectée",
            "{n} oppositions attendent d’être respectées",
        ),
        "officer.conflicts": (
            "{n} personne a dit non dans un système et peut être contactée par un autre",
            "{n} personnes ont dit non dans un système et peuvent être contactées par un autre",
        ),
        "officer.past": (
            "{n} fiche est conservée au-delà de sa durée",
            "{n} fiches sont conservées au-delà de leur durée",
        ),
        "officer.periods": (
            "{n} durée du registre a été modifiée",
            "{n} durées du registre ont été modifiées",
        ),
        "officer.quiet": "rien n’est en retard",
        "officer.about": "Ce que crm-steward sait des consentements, des durées de conservation, des effacements "
        "et du registre des traitements. Il compte ce que contiennent les CRM et ce que les règles ont relevé.",
        "officer.record": "Le registre des activités de traitement tel qu’il est :",
        "officer.why": "Vous le recevez car les réglages de crm-steward vous nomment sous report.privacy.",
    }
)
