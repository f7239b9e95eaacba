# ruff: noqa: RUF001 -- the typographic apostrophe is how French is written
"""The sentences about consents and objections, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "consents.title": "Consents and objections",
        "consents.standing": "Consents",
        "consents.provable": "Can be shown",
        "consents.more": ("and {n} more line", "and {n} more lines"),
        "consents.ending": "Within the next month:",
        "consents.ending.purchase": (
            "{channel}: {n} consent implied by a purchase, ending after {length}",
            "{channel}: {n} consents implied by a purchase, ending after {length}",
        ),
        "consents.ending.inquiry": (
            "{channel}: {n} consent implied by an inquiry, ending after {length}",
            "{channel}: {n} consents implied by an inquiry, ending after {length}",
        ),
        "consents.ending.implied": (
            "{channel}: {n} implied consent, ending after {length}",
            "{channel}: {n} implied consents, ending after {length}",
        ),
        "consents.ending.unused": (
            "{channel}: {n} consent that lapses, unused for {length}",
            "{channel}: {n} consents that lapse, unused for {length}",
        ),
        "consents.ending.ask": (
            "{channel}: {n} consent to be asked for again, unused for {length}",
            "{channel}: {n} consents to be asked for again, unused for {length}",
        ),
        "consents.apart": "The same person, and connections that say different things:",
        "consents.apart.some": ("{channel}: {n} person", "{channel}: {n} people"),
        "consents.apart.opposed": (
            "{n} may be contacted by one connection and said no in another",
            "{n} may be contacted by one connection and said no in another",
        ),
        "consents.heeded": (
            "{n} objection was heeded since the last report:",
            "{n} objections were heeded since the last report:",
        ),
        "consents.within": (
            "{in_time} of {n} within {length} ({by})",
            "{in_time} of {n} within {length} ({by})",
        ),
        "consents.without": (
            "{n} for which neither a rule nor the register gives a delay",
            "{n} for which neither a rule nor the register gives a delay",
        ),
        "consents.unknown": (
            "when {n} was first seen is not kept",
            "when {n} were first seen is not kept",
        ),
        "consents.open": (
            "{n} objection is not heeded yet.",
            "{n} objections are not heeded yet.",
        ),
        "consents.late": ("{n} is beyond the delay.", "{n} are beyond the delay."),
        "consents.seen.today": "{channel}: seen today",
        "consents.seen": (
            "{channel}: seen on {seen}, {n} day ago",
            "{channel}: seen on {seen}, {n} days ago",
        ),
        "consents.due": "to be heeded by {due}",
        "consents.overdue": "was to be heeded by {due}",
        "consents.counted": "Counted from when crm-steward first saw the no. Where the person said it "
        "earlier, they have waited longer.",
        "length.hour": ("{n} hour", "{n} hours"),
        "length.day": ("{n} day", "{n} days"),
        "length.week": ("{n} week", "{n} weeks"),
        "length.month": ("{n} month", "{n} months"),
        "length.year": ("{n} year", "{n} years"),
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "consents.title": "Consentements et oppositions",
        "consents.standing": "Consentements",
        "consents.provable": "Démontrables",
        "consents.more": ("et {n} ligne de plus", "et {n} lignes de plus"),
        "consents.ending": "Au cours du mois qui vient :",
        "consents.ending.purchase": (
            "{channel} : {n} consentement tacite issu d’un achat, échu après {length}",
            "{channel} : {n} consentements tacites issus d’un achat, échus après {length}",
        ),
        "consents.ending.inquiry": (
            "{channel} : {n} consentement tacite issu d’une demande, échu après {length}",
            "{channel} : {n} consentements tacites issus d’une demande, échus après {length}",
        ),
        "consents.ending.implied": (
            "{channel} : {n} consentement tacite, échu après {length}",
            "{channel} : {n} consentements tacites, échus après {length}",
        ),
        "consents.ending.unused": (
            "{channel} : {n} consentement caduc, inutilisé depuis {length}",
            "{channel} : {n} consentements caducs, inutilisés depuis {length}",
        ),
        "consents.ending.ask": (
            "{channel} : {n} consentement à redemander, inutilisé depuis {length}",
            "{channel} : {n} consentements à redemander, inutilisés depuis {length}",
        ),
        "consents.apart": "La même personne, et des connexions qui se contredisent :",
        "consents.apart.some": ("{channel} : {n} personne", "{channel} : {n} personnes"),
        "consents.apart.opposed": (
            "{n} est joignable selon une connexion et a dit non dans une autre",
            "{n} sont joignables selon une connexion et ont dit non dans une autre",
        ),
        "consents.heeded": (
            "{n} opposition a été prise en compte depuis le dernier rapport :",
            "{n} oppositions ont été prises en compte depuis le dernier rapport :",
        ),
        "consents.within": (
            "{in_time} sur {n} sous {length} ({by})",
            "{in_time} sur {n} sous {length} ({by})",
        ),
        "consents.without": (
            "{n} pour laquelle ni une règle ni le registre ne donne de délai",
            "{n} pour lesquelles ni une règle ni le registre ne donne de délai",
        ),
        "consents.unknown": (
            "pour {n}, la date où elle a été vue n’est plus connue",
            "pour {n}, la date où elles ont été vues n’est plus connue",
        ),
        "consents.open": (
            "{n} opposition n’est pas encore prise en compte.",
            "{n} oppositions ne sont pas encore prises en compte.",
        ),
        "consents.late": ("{n} dépasse le délai.", "{n} dépassent le délai."),
        "consents.seen.today": "{channel} : vue aujourd’hui",
        "consents.seen": (
            "{channel} : vue le {seen}, il y a {n} jour",
            "{channel} : vue le {seen}, il y a {n} jours",
        ),
        "consents.due": "à prendre en compte au plus tard le {due}",
        "consents.overdue": "aurait dû être prise en compte au plus tard le {due}",
        "consents.counted": "Compté à partir du moment où crm-steward a vu le refus pour la première "
        "fois. Si la personne l’a dit plus tôt, elle a attendu plus longtemps.",
        "length.hour": ("{n} heure", "{n} heures"),
        "length.day": ("{n} jour", "{n} jours"),
        "length.week": ("{n} semaine", "{n} semaines"),
        "length.month": ("{n} mois", "{n} mois"),
        "length.year": ("{n} an", "{n} ans"),
    }
)
