"""Invented people of five countries: names, companies, streets, and numbers kept for fiction.

Telephone numbers come from ranges set aside for fiction where a country has them: France (ARCEP:
01 99 00, 02 61 91, 03 53 01, 04 65 71, 05 36 49, 06 39 98), United Kingdom (Ofcom: 020 7946 0xxx,
0113 496 0xxx and its sisters, 07700 900xxx), United States (555-01xx in any area), Germany
(Bundesnetzagentur: 030 23125xxx and four more cities, 0171 39200xx). Spain keeps none: those are
only well-formed. As libphonenumber calls the French and British mobile ranges invalid, and the
German one is small, most people there have a landline of those ranges as their mobile.
Mail domains are under example.com, .net, .org and the reserved .example (RFC 2606).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Country:
    """What people of one country are made of.

    Args:
        code: ISO 3166 code.
        spellings: How a CRM's country field holds it.
        language: ISO 639 code.
        dial: International prefix with `+`.
        trunk: What replaces it inside the country.
        first_names: Including accented, hyphenated and multi-part ones.
        last_names: Including particles.
        landlines, mobiles: National numbers without trunk prefix; `x` is a digit to draw.
        grouping: Sizes of digit groups, read from the left, of a national number.
        cities: `(city, postcode)`.
        streets: Street names; the number is added as people write it there.
        street_form: `{number}` and `{street}` in the local order.
        companies: Legal forms.
    """

    code: str
    spellings: tuple[str, ...]
    language: str
    dial: str
    trunk: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    landlines: tuple[str, ...]
    mobiles: tuple[str, ...]
    grouping: tuple[int, ...]
    cities: tuple[tuple[str, str], ...]
    streets: tuple[str, ...]
    street_form: str
    companies: tuple[str, ...]


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.replace("_", " ") for name in text.split())


_FRENCH = ("19900xxxx", "26191xxxx", "35301xxxx", "46571xxxx", "53649xxxx")
_GERMAN = ("3023125xxx", "4066969xxx", "6990009xxx", "8999998xxx", "2214710xxx")
_BRITISH = (
    "2079460xxx",
    *(f"1{city}4960xxx" for city in _names("13 14 15 16 17 18 21 31 41 51 61")),
)
_AMERICAN = tuple(
    f"{area}55501xx"
    for area in _names(
        "201 202 206 212 213 214 215 216 301 303 305 310 312 313 314 315 317 323 330 401 "
        "402 404 405 407 408 410 412 414 415 419 501 502 503 504 505 508 510 512 513 515 518 520 602 "
        "603 607 608 612 614 615 616 617 619 646 650 702 703 704 706 708 713 714 716 717 718 719 720 "
        "727 732 734 757 760 770 773 775 781 801 802 803 804 805 808 810 812 813 815 816 817 818 832 "
        "843 845 847 850 858 901 903 904 907 908 910 914 916 917 918 919 925 937 941 949 951 970 972 "
        "973 978 985"
    )
)

FRANCE = Country(
    code="FR",
    spellings=("France", "FR", "FRANCE", "france", "Frankreich"),
    language="fr",
    dial="+33",
    trunk="0",
    first_names=_names(
        "Aurélie Émilie Chloé Hélène Noémie Zoé Anaïs Maëlle Inès Léa Camille Manon Sylvie "
        "Françoise Geneviève Béatrice Véronique Margaux Solène Anne-Sophie Marie-Claude Jeanne "
        "François Benoît Jérôme Rémi Gaël Loïc Joël André René Frédéric Grégoire Sébastien Théo "
        "Jean-Pierre Jean-Baptiste Paul-Émile Louis Hugo Mathieu Thibault Guillaume Pascal Yves "
        "Nicolas Cédric Stéphane Alain Élodie Agnès Océane Salomé Bérénice Clémence Raphaël Noël"
    ),
    last_names=_names(
        "Lefèvre Béranger Dupré Garnier Moreau Rousseau Fournier Girard Bonnet Lambert Fontaine "
        "Chevalier Gauthier Perrin Morin Dufour Mercier Blanchard Guérin Boyer Noël Lemoine "
        "Hébert Renaud Gaillard Barbier Arnaud Martinez Géraud Brunet Schmitt Colin Picard "
        "de_La_Tour d'Aubigny L'Hermitte Le_Goff Le_Gall de_Saint-Amand du_Plessis Desprès "
        "Vasseur Prévost Maréchal Leclercq Étienne Charpentier Roussel Deschamps Vidal Caron "
        "Philippot Bailly Hervé Besson Langlois Kerbrat Guéguen Ben_Amar Nguyen da_Silva"
    ),
    landlines=_FRENCH,
    mobiles=("63998xxxx", *_FRENCH * 2),
    grouping=(1, 2, 2, 2, 2),
    cities=(
        ("Paris", "75011"), ("Lyon", "69003"), ("Nantes", "44000"), ("Orléans", "45000"),
        ("Saint-Étienne", "42000"), ("Bezannes", "51430"), ("Évreux", "27000"), ("Béziers", "34500"),
    ),
    streets=(
        "rue des Lilas", "avenue de la République", "place du Marché", "impasse des Écoles",
        "boulevard Gambetta", "chemin du Vieux Moulin", "allée des Érables", "quai de la Fosse",
    ),
    street_form="{number} {street}",
    companies=("SARL", "SAS", "SA", "et Fils", ""),
)  # fmt: skip

GERMANY = Country(
    code="DE",
    spellings=("Germany", "Deutschland", "DE", "Allemagne", "germany"),
    language="de",
    dial="+49",
    trunk="0",
    first_names=_names(
        "Jürgen Günther Björn Jörg Sören Hans-Peter Karl-Heinz Wolfgang Matthias Stefan Andreas "
        "Uwe Lutz Tobias Florian Moritz Jannik Felix Maximilian Dieter Rüdiger Käthe Bärbel Ruth "
        "Ursula Sabine Petra Heike Anke Katrin Annika Jana Lena Hannah Grete Brigitte Ann-Kathrin "
        "Eva-Maria Gisela Monika Silke Ingeborg Mareike Svenja Theresa Leonie Frauke Dörte"
    ),
    last_names=_names(
        "Müller Schäfer Köhler Weiß Groß Krüger Böhm Jäger Schröder Möller Günther Vogel Lehmann "
        "Huber Mayer Meier Meyer Maier Schmidt Schmitt Fuchs Kaiser Busch Bergmann Pohl Engel "
        "Horn Arnold Pfeiffer Graf Simon Ott Straßer von_der_Heide von_Bülow zu_Reventlow "
        "van_Aken Kühn Lüdke Preuß Brückner Öztürk Yilmaz Nowak Kowalski Rößler Thäle Zöllner"
    ),
    landlines=_GERMAN,
    mobiles=("17139200xx", *_GERMAN * 2),
    grouping=(3, 4, 4),
    cities=(
        ("Berlin", "10115"), ("München", "80331"), ("Köln", "50667"), ("Nürnberg", "90402"),
        ("Düsseldorf", "40213"), ("Leipzig", "04109"), ("Görlitz", "02826"), ("Lübeck", "23552"),
    ),
    streets=(
        "Hauptstraße", "Bahnhofstraße", "Am Mühlbach", "Lindenallee", "Schloßgasse",
        "Königsplatz", "Färbergraben", "Goethestraße",
    ),
    street_form="{street} {number}",
    companies=("GmbH", "AG", "KG", "GmbH & Co. KG", ""),
)  # fmt: skip

BRITAIN = Country(
    code="GB",
    spellings=("United Kingdom", "UK", "GB", "England", "Great Britain"),
    language="en",
    dial="+44",
    trunk="0",
    first_names=_names(
        "Oliver Harry George Jack Charlie Thomas James William Robert Michael Christopher Edward "
        "Alexander Benjamin Matthew Daniel Anthony Andrew Nigel Alistair Rhys Owen Siân Niamh "
        "Amelia Olivia Isla Emily Poppy Elizabeth Margaret Katherine Victoria Jennifer Susan "
        "Rebecca Charlotte Philippa Imogen Zoë Chloe Mary-Ann Fiona Gwen Priya Aisha Mohammed"
    ),
    last_names=_names(
        "Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans "
        "Walker White Roberts Green Hall Wood Jackson Clarke Patel Khan O'Brien O'Neill McDonald "
        "MacLeod McKenzie Smythe-Jones Fitzgerald St_John Ashworth Hargreaves Blackwood Pemberton "
        "Whitaker Cholmondeley Featherstone Ap_Rhys Llewellyn Griffiths Begum Okafor Singh Bond"
    ),
    landlines=_BRITISH,
    mobiles=("7700900xxx", *_BRITISH),
    grouping=(4, 3, 3),
    cities=(
        ("London", "EC1A 1BB"), ("Leeds", "LS1 4AP"), ("Bristol", "BS1 5TR"), ("York", "YO1 7HH"),
        ("Manchester", "M1 1AE"), ("Cardiff", "CF10 1EP"), ("Glasgow", "G1 1XQ"), ("Bath", "BA1 1LZ"),
    ),
    streets=(
        "High Street", "Church Lane", "Station Road", "Mill Close", "Victoria Road", "The Green",
        "Park Avenue", "King's Mews",
    ),
    street_form="{number} {street}",
    companies=("Ltd", "Limited", "plc", "LLP", "& Sons"),
)  # fmt: skip

SPAIN = Country(
    code="ES",
    spellings=("Spain", "España", "ES", "Espagne", "ESPAÑA"),
    language="es",
    dial="+34",
    trunk="",
    first_names=_names(
        "José María Jesús Andrés Álvaro Óscar Víctor Iñaki Ramón Sebastián Joaquín Íñigo Martín "
        "Juan_Carlos José_Luis Miguel_Ángel Francisco Antonio Manuel David Javier Pablo Raúl Iker "
        "Begoña Inés Lucía Sofía Mónica Verónica Rocío María_José María_del_Carmen Ana Carmen "
        "Laura Marta Cristina Elena Núria Montserrat Pilar Concepción Dolores Nerea Leire Ainhoa"
    ),
    last_names=_names(
        "García_Pérez Martínez López Sánchez Gómez Fernández_Ruiz Rodríguez Hernández Jiménez "
        "Muñoz Ibáñez Núñez Castaño Peña Vázquez Ramírez Domínguez Álvarez Ortiz Marín Serrano "
        "de_la_Fuente del_Río de_los_Santos Iglesias Medina Cortés Garrido Santos Lozano Guerrero "
        "Cano Prieto Méndez Cruz Calvo Gallego Vidal_i_Puig Etxebarria Agirre Ordóñez Benítez"
    ),
    landlines=("91000xxxx", "93000xxxx", "95000xxxx"),
    mobiles=("60000xxxx",),
    grouping=(3, 3, 3),
    cities=(
        ("Madrid", "28004"), ("Málaga", "29001"), ("A Coruña", "15001"), ("León", "24001"),
        ("Barcelona", "08002"), ("Cádiz", "11001"), ("Logroño", "26001"), ("Mérida", "06800"),
    ),
    streets=(
        "Calle Mayor", "Avenida de la Constitución", "Plaza de España", "Paseo del Prado",
        "Calle del Olmo", "Camino Viejo", "Ronda de Atocha", "Travesía del Peñón",
    ),
    street_form="{street}, {number}",
    companies=("S.L.", "S.A.", "y Hermanos", "S. Coop.", ""),
)  # fmt: skip

AMERICA = Country(
    code="US",
    spellings=("United States", "USA", "US", "U.S.A.", "États-Unis"),
    language="en",
    dial="+1",
    trunk="",
    first_names=_names(
        "James John Robert Michael William David Richard Joseph Thomas Charles Christopher "
        "Daniel Matthew Anthony Donald Steven Kenneth Joshua Kevin Brian Tyler Dwayne DeShawn "
        "Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Nancy Margaret "
        "Samantha Katherine Deborah Stephanie Rebecca Mary-Beth LaToya Guadalupe José Mei Anh"
    ),
    last_names=_names(
        "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez "
        "Lopez Gonzalez Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson "
        "White Harris Sanchez Clark Ramirez Lewis Robinson McAllister O'Connor Van_Buren DeLuca "
        "St._Clair Nakamura Nguyen Kowalczyk Washington Fitzpatrick Goldberg Olsen Kim Patel"
    ),
    landlines=_AMERICAN,
    mobiles=_AMERICAN,
    grouping=(3, 3, 4),
    cities=(
        ("New York", "10001"), ("Chicago", "60601"), ("Austin", "78701"), ("Boston", "02108"),
        ("San José", "95110"), ("Saint Paul", "55101"), ("Portland", "97201"), ("Miami", "33101"),
    ),
    streets=(
        "Main Street", "Oak Avenue", "Maple Drive", "2nd Street NW", "Elm St.", "Lakeview Blvd",
        "Martin Luther King Jr. Way", "County Road 12",
    ),
    street_form="{number} {street}",
    companies=("Inc.", "LLC", "Corp.", "Co.", "& Associates"),
)  # fmt: skip

COUNTRIES = (FRANCE, GERMANY, BRITAIN, SPAIN, AMERICA)
BY_CODE = {country.code: country for country in COUNTRIES}
SHARES = (40, 18, 16, 13, 13)
"""How many of a hundred people come from each country."""

NICKNAMES = {
    "Robert": "Bob", "William": "Bill", "Richard": "Dick", "James": "Jim", "Michael": "Mike",
    "Thomas": "Tom", "Elizabeth": "Liz", "Margaret": "Peggy", "Katherine": "Kate", "Daniel": "Dan",
    "Jennifer": "Jenny", "Christopher": "Chris", "Matthew": "Matt", "Anthony": "Tony",
    "Edward": "Ted", "Alexander": "Alex", "Benjamin": "Ben", "Andrew": "Andy", "Susan": "Sue",
    "Rebecca": "Becky", "Victoria": "Vicky", "Patricia": "Pat", "Joseph": "Joe", "Kenneth": "Ken",
    "Steven": "Steve", "Joshua": "Josh", "Samantha": "Sam", "Deborah": "Debbie",
    "Frédéric": "Fred", "Nicolas": "Nico", "Sébastien": "Seb", "Guillaume": "Guigui",
    "Jean-Pierre": "JP", "Véronique": "Véro", "Stéphane": "Steph", "Anne-Sophie": "Anne-So",
    "José": "Pepe", "Francisco": "Paco", "Antonio": "Toño", "Dolores": "Lola", "Manuel": "Manolo",
    "Concepción": "Concha", "María José": "Marijose", "Hans-Peter": "HP", "Wolfgang": "Wolf",
    "Matthias": "Matze", "Maximilian": "Max", "Ursula": "Uschi", "Karl-Heinz": "Kalle",
}  # fmt: skip

COMPANY_STEMS = _names(
    "Boréal Lumina Ardent Cobalt Nordwind Sequoia Ostréa Meridian Altavista_Bois Papyrus Quartz "
    "Zéphyr Talweg Vertex Bleu_Cobalt Hirondelle Krone Silberfuchs Waldhorn Ibérica Sol_y_Mar "
    "Duero Torreblanca Foxglove Thistle_&_Co Ironbridge Blue_Heron Redwood Prairie Cascade "
    "Atelier_Moreau Fournil_du_Port Transports_Kerbrat Maison_Béranger Elektro_Böhm Druckerei_Groß"
)
COMPANY_TRADES = _names(
    "Conseil Logistique Industries Énergie Textile Médias Software Analytics Foods Bau Technik "
    "Handel Consulting Partners Labs Studio Sistemas Alimentación Seguros Marine Freight Print"
)
JOBS = (
    "Directrice commerciale", "Responsable achats", "Chef de projet", "Gérant", "Comptable",
    "Geschäftsführer", "Einkaufsleiterin", "Vertrieb", "Managing Director", "Office manager",
    "Head of Sales", "VP Marketing", "CTO", "Directora general", "Jefe de compras", "Ingénieure",
)  # fmt: skip

HOSTILE = (
    "Anna \U0001f389\U0001f389", "\u202e\u05d2\u05e0\u05d5\u05d1\u202c", "<script>alert('x')</script>", "=cmd|'/C calc'!A0",
    "@SUM(1+1)*cmd", "Robert'); DROP TABLE contacts;--", "Nul\x00byte", "Zalgo̴̢͗ t̷e̶x̸t̵",
    "{{ 7*7 }}", "محمد عبد الله", "李小龙", "\u200b\u200b", "  padded   name  ", "N/A", "test",
    "O\u2019Hara", "../../etc/passwd", "A" * 3000, "-2+3", "+1 TRUE", "\tTab\nNewline",
)  # fmt: skip
"""Values people and bots really put into name fields."""


def without_accents(text: str) -> str:
    """Return `text` as systems without accents kept it: `Zoë` becomes `Zoe`, `ß` becomes `ss`."""
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


@cache
def slug(text: str | None) -> str:
    """Return the letters and digits of `text` fit for an address; never empty."""
    plain = without_accents(text or "x").casefold()
    return "".join(c for c in plain if c.isascii() and c.isalnum()) or "x"
