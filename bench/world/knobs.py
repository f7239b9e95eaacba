"""What a world is like: every weight and share the generator takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

COUNTRIES: Final = ("FR", "DE", "ES", "GB", "US")

_ORIGINS: Final = {
    "FR": {"FR": 0.86, "AR": 0.10, "SL": 0.02, "ES": 0.02},
    "DE": {"DE": 0.85, "TR": 0.07, "SL": 0.05, "AR": 0.03},
    "ES": {"ES": 0.94, "AR": 0.04, "SL": 0.02},
    "GB": {"GB": 0.89, "AR": 0.07, "SL": 0.04},
    "US": {"US": 0.76, "ES": 0.14, "SL": 0.05, "AR": 0.03, "DE": 0.02},
}

_GROUPS: Final = (0.65, 0.26, 0.055, 0.018, 0.008, 0.004, 0.003, 0.002)

_UNITS: Final = {
    "individual": 0.780,
    "spouses": 0.120,
    "parent and child": 0.055,
    "father and son": 0.016,
    "twins": 0.012,
    "siblings": 0.015,
    "homonyms": 0.011,
}

_CORRUPTIONS: Final = {
    "typo in first name": 0.035,
    "typo in last name": 0.038,
    "typo in email": 0.014,
    "typo in phone": 0.03,
    "typo in street": 0.10,
    "typo in company": 0.05,
    "nickname": 0.07,
    "other spelling": 0.25,
    "swapped names": 0.02,
    "accents lost": 0.25,
    "umlaut written out": 0.25,
    "capitals": 0.06,
    "small letters": 0.02,
    "compound shortened": 0.30,
    "last name cut": 0.23,
    "initial only": 0.02,
    "middle name": 0.03,
    "title in name": 0.03,
    "new mobile": 0.035,
    "mobile as phone": 0.10,
    "gmail variant": 0.15,
    "other email": 0.018,
    "new job": 0.018,
    "moved": 0.02,
    "married": 0.03,
    "other legal form": 0.35,
    "company shortened": 0.05,
    "street abbreviated": 0.25,
    "everything changed": 0.01,
}


@dataclass(frozen=True, kw_only=True)
class World:
    """The knobs of an invented population.

    Attributes:
        seed: Of all chance.
        countries: Country → share of the units (a unit is an individual or a family).
        origins: Country → origin of names → share.
        groups: Share of the persons with 1, 2, 3, … records.
        units: Kind of unit → share.
        corruptions: Corruption → share of the further records of a person where it can happen.
        first_record: How much rarer the first record of a person has them (a factor).
        name_shift: By how many ranks the order of the commonest names is turned.
        flatness: Of last names: the greater, the rarer the commonest (q of Zipf and Mandelbrot).
        local_names: Share of the persons whose last name is one of the city's own.
        names_of_a_city: How many such names a city has.
        city_flatness: As flatness, of cities.
        cities: Number of cities of a country.
        companies: Companies for every record.
        employed: Share of the persons known with their company.
        shared_mailboxes: Share of the small companies where all share the mailboxes.
        family_mailboxes: Share of the families that share one mailbox.
        rare_first_names: Share of the first names made up of parts.
        one_profile: Share of the records with the fields that most records of their person have.
    """

    seed: int = 1
    countries: Mapping[str, float] = field(
        default_factory=lambda: {"FR": 0.34, "DE": 0.2, "ES": 0.14, "GB": 0.16, "US": 0.16}
    )
    origins: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: _ORIGINS)
    groups: tuple[float, ...] = _GROUPS
    units: Mapping[str, float] = field(default_factory=lambda: _UNITS)
    corruptions: Mapping[str, float] = field(default_factory=lambda: _CORRUPTIONS)
    first_record: float = 0.15
    name_shift: int = 0
    flatness: float = 8.0
    local_names: float = 0.35
    names_of_a_city: int = 40
    city_flatness: float = 0.35
    cities: int = 1_200
    companies: float = 0.12
    employed: float = 0.65
    shared_mailboxes: float = 0.18
    family_mailboxes: float = 0.32
    rare_first_names: float = 0.08
    one_profile: float = 0.9

    @classmethod
    def held_out(cls, seed: int = 9_001) -> World:
        """Return the world on which nobody tunes: another seed, order of names and weights."""
        worse = {"typo in last name", "nickname", "other email", "new mobile", "last name cut"}
        return cls(
            seed=seed,
            countries={"FR": 0.2, "DE": 0.27, "ES": 0.18, "GB": 0.15, "US": 0.2},
            groups=(0.64, 0.275, 0.053, 0.017, 0.007, 0.004, 0.002, 0.002),
            units={
                **_UNITS,
                "individual": 0.77,
                "spouses": 0.11,
                "father and son": 0.02,
                "siblings": 0.025,
                "homonyms": 0.015,
            },
            corruptions={
                name: min(0.9, share * (1.3 if name in worse else 0.9))
                for name, share in _CORRUPTIONS.items()
            },
            first_record=0.2,
            name_shift=37,
            flatness=11.0,
            local_names=0.35,
            names_of_a_city=45,
            city_flatness=0.5,
            cities=900,
            companies=0.15,
            employed=0.58,
            family_mailboxes=0.33,
            rare_first_names=0.1,
        )
