# ruff: noqa: RUF001 -- the typographic apostrophe is how French is written
"""The sentences about free text, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "hygiene.title": "Free text",
        "hygiene.held": "Notes and other texts that hold what they should not:",
        "hygiene.contacts": ("{what}: {n} contact", "{what}: {n} contacts"),
        "hygiene.notes": ("{n} in the notes", "{n} in the notes"),
        "hygiene.new": ("{n} new", "{n} new"),
        "hygiene.private": "The texts themselves are shown nowhere. Which records: crm-steward findings.",
        "hygiene.typed": "Fields into which the same few things are typed; a list of choices in the CRM would "
        "do:",
        "hygiene.field": (
            (
                "{field} in {connection}: {values} values, written in {spellings} ways, on {n} contact; "
                "the 20 commonest cover {covered} of them"
            ),
            (
                "{field} in {connection}: {values} values, written in {spellings} ways, on {n} contacts; "
                "the 20 commonest cover {covered} of them"
            ),
        ),
        "hygiene.more": ("and {n} more field", "and {n} more fields"),
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "hygiene.title": "Texte libre",
        "hygiene.held": "Notes et autres textes qui contiennent ce qu’ils ne devraient pas :",
        "hygiene.contacts": ("{what} : {n} contact", "{what} : {n} contacts"),
        "hygiene.notes": ("{n} dans les notes", "{n} dans les notes"),
        "hygiene.new": ("{n} nouveau", "{n} nouveaux"),
        "hygiene.private": "Les textes eux-mêmes ne sont montrés nulle part. Quelles fiches : "
        "crm-steward findings.",
        "hygiene.typed": "Champs où l’on saisit toujours les mêmes choses ; une liste de choix dans le CRM "
        "suffirait :",
        "hygiene.field": (
            (
                "{field} dans {connection} : {values} valeurs, écrites de {spellings} façons, sur {n} contact ; "
                "les 20 plus fréquentes en couvrent {covered}"
            ),
            (
                "{field} dans {connection} : {values} valeurs, écrites de {spellings} façons, sur {n} contacts ; "
                "les 20 plus fréquentes en couvrent {covered}"
            ),
        ),
        "hygiene.more": ("et {n} autre champ", "et {n} autres champs"),
    }
)
