"""What is said of a file that cannot be read, or of a value of the wrong shape, in both languages."""

from __future__ import annotations

SHAPES: dict[str, tuple[str, str]] = {
    # Reading the file.
    "file_missing": ("there is no such file or folder", "ce fichier ou dossier n'existe pas"),
    "folder_empty": (
        "the folder holds no rules (*.yaml, *.yml)",
        "le dossier ne contient aucune règle (*.yaml, *.yml)",
    ),
    "file_unreadable": ("cannot be read: {reason}", "lecture impossible : {reason}"),
    "file_too_big": (
        "the file is larger than {limit} KiB; split it",
        "le fichier dépasse {limit} Kio ; répartissez-le",
    ),
    "not_utf8": (
        "not UTF-8 (byte {byte}); save the file as UTF-8",
        "n'est pas en UTF-8 (octet {byte}) ; enregistrez le fichier en UTF-8",
    ),
    "bad_character": (
        "the character U+{point} is not allowed in a text file",
        "le caractère U+{point} n'est pas permis dans un fichier texte",
    ),
    "tab": ("tab in the indentation; use spaces", "tabulation en retrait ; utilisez des espaces"),
    "syntax": ("not valid YAML: {reason}", "YAML incorrect : {reason}"),
    "alias": (
        "anchors and aliases (& and *) are refused; write the value out, or put it in quotes",
        "les ancres et alias (& et *) sont refusés ; écrivez la valeur, ou mettez-la entre guillemets",
    ),
    "tag": ("tags (!…) are refused", "les étiquettes (!…) sont refusées"),
    "second_document": (
        "a second document starts here; one file holds one document",
        "un second document commence ici ; un fichier contient un seul document",
    ),
    "too_deep": ("nested deeper than {limit} levels", "imbriqué sur plus de {limit} niveaux"),
    "too_many": (
        "more than {limit} values in one file; split it",
        "plus de {limit} valeurs dans un fichier ; répartissez-le",
    ),
    "duplicate_key": (
        "duplicate key '{key}' (first at line {line})",
        "clé '{key}' en double (déjà ligne {line})",
    ),
    "key_type": ("a key must be plain text", "une clé doit être un texte simple"),
    "file_empty": ("the file is empty", "le fichier est vide"),
    # Shapes.
    "no_value": (
        "no value here; leave the key out or fill it in",
        "pas de valeur ici ; retirez la clé ou complétez-la",
    ),
    "missing": ("'{key}' is missing", "il manque '{key}'"),
    "unknown_key": ("unknown key '{key}'", "clé inconnue '{key}'"),
    "one_of": ("'{value}' is not one of {expected}", "'{value}' ne fait pas partie de {expected}"),
    "want_text": ("text expected{found}", "texte attendu{found}"),
    "want_whole": ("whole number expected{found}", "nombre entier attendu{found}"),
    "want_number": ("number expected{found}", "nombre attendu{found}"),
    "want_flag": ("true or false expected{found}", "true ou false attendu{found}"),
    "want_list": ("list expected{found}", "liste attendue{found}"),
    "want_mapping": ("keys and values expected{found}", "clés et valeurs attendues{found}"),
    "found": (", found {value}", ", trouvé {value}"),
    "at_least": ("must be at least {limit}", "doit valoir au moins {limit}"),
    "at_most": ("must be at most {limit}", "ne doit pas dépasser {limit}"),
    "above": ("must be more than {limit}", "doit être supérieur à {limit}"),
    "too_short": ("at least {limit} needed", "il en faut au moins {limit}"),
    "too_long": ("at most {limit} allowed", "au plus {limit} permis"),
    "invalid": ("not usable here: {reason}", "inutilisable ici : {reason}"),
}
