"""What is said about the register and its periods, in English and in French: part of `messages`."""

from __future__ import annotations

ABOUT_THE_REGISTER: dict[str, tuple[str, str]] = {
    # Mistakes in the register.
    "register_id": (
        "'{value}' cannot be an id; use small letters, digits, '-', '.' and '_'",
        "'{value}' ne peut pas être un id ; minuscules, chiffres, '-', '.' et '_' seulement",
    ),
    "clock_open": (
        (
            "a period cannot be counted from '{clock}': opening an e-mail is no contact that comes "
            "from the person (CNIL, référentiel gestion commerciale); "
            "write last_person_act"
        ),
        (
            "une durée ne peut pas partir de '{clock}' : la simple ouverture d'un courriel n'est pas "
            "un contact émanant de la personne (CNIL, référentiel gestion commerciale) ; "
            "écrivez last_person_act"
        ),
    ),
    "clock_edit": (
        (
            "a period cannot be counted from '{clock}': what changes the record would renew it for "
            "ever, and only acts of the person count (CNIL, KASPR, SAN-2024-020); "
            "write last_person_act"
        ),
        (
            "une durée ne peut pas partir de '{clock}' : toute modification de la fiche la "
            "renouvellerait sans fin, et seuls comptent les actes de la personne (CNIL, KASPR, "
            "SAN-2024-020) ; écrivez last_person_act"
        ),
    ),
    "clock_created": (
        (
            "'{clock}' says when the CRM's record was made, which an import or a move can be; "
            "write collected_at"
        ),
        (
            "'{clock}' dit quand la fiche du CRM a été créée, par un import peut-être ; "
            "écrivez collected_at"
        ),
    ),
    "clock_ours": (
        (
            "a period cannot be counted from '{clock}': it includes what we did ourselves, and only "
            "acts of the person count (CNIL, référentiel gestion commerciale); "
            "write last_person_act"
        ),
        (
            "une durée ne peut pas partir de '{clock}' : nos propres actes y comptent, alors que "
            "seuls comptent ceux de la personne (CNIL, référentiel gestion commerciale) ; "
            "écrivez last_person_act"
        ),
    ),
    # Mistakes of rules that refer to it.
    "unknown_period": (
        "the register has no period '{value}'",
        "le registre n'a pas de durée '{value}'",
    ),
    "period_clock": (
        "the period '{period}' counts from {clock}, which is no field of contacts",
        "la durée '{period}' part de {clock}, qui n'est pas un champ des contacts",
    ),
    "no_register": (
        "the period '{value}' cannot be looked up: there is no register",
        "la durée '{value}' est introuvable : il n'y a pas de registre",
    ),
    # What its commands answer.
    "register_right": (
        "No mistakes. Activities: {activities}, periods: {periods}.",
        "Aucune erreur. Activités : {activities}, durées : {periods}.",
    ),
    "register_blanks": ("Still to be filled in: {blanks}", "Reste à compléter : {blanks}"),
    "written": ("Written to {file}", "Écrit dans {file}"),
    "column_field": ("field", "champ"),
    "column_contacts": ("contacts", "fiches"),
    "column_activities": ("activities", "activités"),
    "covered_by_none": ("none", "aucune"),
    "fields_none": (
        "No contact fills any field. (Has crm-steward pull been run?)",
        "Aucun contact ne remplit de champ. (crm-steward pull a-t-il été lancé ?)",
    ),
    "fields_missing": (
        "Filled and covered by no activity (GDPR 5(1)(c), 30): {count}.",
        "Remplis et couverts par aucune activité (RGPD 5(1)(c), 30) : {count}.",
    ),
    "fields_covered": (
        "Every filled field is covered by an activity.",
        "Chaque champ rempli est couvert par une activité.",
    ),
}
