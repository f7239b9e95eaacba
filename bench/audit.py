"""How long `crm-steward audit` takes for a French Windows-1252 export, and how much memory.

The file is invented, seeded, and thrown away. Run it alone:

    python bench/audit.py [--rows 100000]
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

_FIRST = [
    "Anaïs",
    "Béatrice",
    "Chloé",
    "Élodie",
    "François",
    "Gaël",
    "Hélène",
    "Inès",
    "Jérôme",
    "Karim",
    "Léa",
    "Maël",
    "Noémie",
    "Zoé",
]
_LAST = [
    "Dupré",
    "Lefèvre",
    "Garçon",
    "Müller",
    "Núñez",
    "Martin",
    "Bernard",
    "Le-Goff",
    "d'Arcy",
    "Côté",
    "Petit",
    "Moreau",
]
_CITIES = (("Besançon", "25000"), ("Orléans", "45000"), ("Nîmes", "30000"), ("Lyon", "69003"))
_HEADER = [
    "Identifiant",
    "Nom",
    "Prénom",
    "E-mail",
    "Téléphone",
    "Portable",
    "Société",
    "Fonction",
    "Adresse",
    "Code postal",
    "Ville",
    "Pays",
    "Statut",
    "Commercial",
    "Origine",
    "Date de création",
    "Dernière interaction",
    "Opt-in",
    "Date opt-in",
    "Désinscrit",
    "Remarques internes du service",
]
_FIRST_DAY = date(2019, 1, 1)


def _row(number: int, rng: random.Random) -> list[str]:
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    city, postcode = rng.choice(_CITIES)
    person = number if rng.random() > 0.04 else rng.randrange(1, number + 1)  # a duplicate
    digits = f"{person % 100_000_000:08d}"
    landline = " ".join(["01", *(digits[i : i + 2] for i in range(0, 8, 2))])
    created = _FIRST_DAY + timedelta(days=rng.randrange(2500))
    seen = created + timedelta(days=rng.randrange(400))
    agreed = rng.random() < 0.5
    return [
        f"C{number:06d}",
        last.upper() if rng.random() < 0.2 else last,
        first.lower() if rng.random() < 0.1 else first,
        f"contact{person}@example.com" if rng.random() > 0.05 else "",
        landline if rng.random() > 0.2 else "",
        f"06{digits}" if rng.random() > 0.4 else "",
        f"Société {number % 5000}",
        "Gérant",
        f"{number % 200}, rue de l'Église",
        postcode,
        city,
        "France",
        rng.choice(("Prospect", "Client", "Ancien client")),
        rng.choice(("A. Durand", "B. Leroy")),
        "Salon",
        f"{created:%d/%m/%Y}",
        f"{seen:%d/%m/%Y}",
        "oui" if agreed else "non",
        f"{created:%d/%m/%Y}" if agreed else "",
        "oui" if rng.random() < 0.05 else "non",
        "rappeler après la rentrée" if rng.random() < 0.3 else "",
    ]


def write_export(path: Path, rows: int) -> None:
    """Write an export of `rows` contacts, of which 40 rows are broken."""
    rng = random.Random(7)  # noqa: S311 -- test data
    with path.open("w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(_HEADER)
        for number in range(1, rows + 1):
            cells = _row(number, rng)
            writer.writerow([*cells, "de", "trop"] if number % (rows // 40) == 0 else cells)


def measure(rows: int) -> dict[str, float | int]:
    """Run the command as a process of its own.

    Returns:
        Rows, findings, wall and CPU seconds, peak memory in MB.
    """
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder, "contacts.csv")
        write_export(export, rows)
        command = [sys.executable, "-m", "crm_steward", "audit", str(export), "--json"]
        command += ["--report", str(Path(folder, "report.html"))]
        start = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, cwd=folder)
        wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    document = json.loads(done.stdout)
    return {
        "rows": document["rows"],
        "broken": len(document["broken"]),
        "findings": document["findings"],
        "wall_s": round(wall, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": used.ru_maxrss // 1024,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    got = measure(parser.parse_args().rows)
    print(
        f"audit: {got['rows']:,} rows, {got['findings']:,} findings: {got['wall_s']:.1f} s (≤ 40), "
        f"{got['cpu_s']:.1f} s CPU, peak {got['peak_mb']} MB"
    )
