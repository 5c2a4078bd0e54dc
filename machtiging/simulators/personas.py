"""The personas of the login simulator. All are invented; the numbers are test numbers.

The message catalogue says what each is good for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from machtiging.kernel.assurance import Assurance
from machtiging.message_catalogue import CatalogueLabels


class PersonaGroup(StrEnum):
    """The role in which a persona is of use."""

    CITIZEN = "citizens"
    HELPER = "helpers"
    WORK = "work"


@dataclass(frozen=True, slots=True)
class Persona:
    """A person to log in as, and the claims about that person."""

    key: str
    name: str
    group: PersonaGroup
    email: str
    birthdate: str | None = None
    bsn: str | None = None
    kvk: str | None = None
    roles: tuple[str, ...] = ()
    highest: Assurance = Assurance.HIGH

    def build_claims(self) -> dict[str, Any]:
        """Return the claims of this person for the ID token. Absent values are left out."""
        claims = {
            "sub": f"oefenpersoon-{self.key}",
            "name": self.name,
            "email": self.email,
            "birthdate": self.birthdate,
            "bsn": self.bsn,
            "kvk": self.kvk,
            "roles": list(self.roles) or None,
        }
        return {name: value for name, value in claims.items() if value is not None}


_PERSONAS = (
    Persona(
        "vertegenwoordigde",
        "Riet van der Linden-Hoekstra",
        PersonaGroup.CITIZEN,
        "riet.vanderlinden@post.example",
        birthdate="1943-04-17",
        bsn="999990019",
    ),
    Persona(
        "naaste",
        "Bram van der Linden",
        PersonaGroup.HELPER,
        "bram.vanderlinden@post.example",
        birthdate="1971-09-02",
        bsn="999990020",
    ),
    Persona(
        "raadslid",
        "Fatima el Amrani",
        PersonaGroup.WORK,
        "f.elamrani@raadslieden.example",
        kvk="90000001",
    ),
    Persona(
        "collega",
        "Joost Wieringa",
        PersonaGroup.WORK,
        "j.wieringa@raadslieden.example",
        kvk="90000001",
    ),
    Persona(
        "bewindvoerder",
        "Ingrid Postma",
        PersonaGroup.WORK,
        "i.postma@bewindkantoor.example",
        kvk="90000002",
    ),
    Persona(
        "burger-onder-bewind",
        "Dennis Brouwer",
        PersonaGroup.CITIZEN,
        "dennis.brouwer@post.example",
        birthdate="1986-11-30",
        bsn="999990032",
    ),
    Persona(
        "client-onder-bewind",
        "Lotte Verhoeven",
        PersonaGroup.CITIZEN,
        "lotte.verhoeven@post.example",
        birthdate="1978-03-14",
        bsn="999990263",
    ),
    Persona(
        "kind",
        "Kofi Mensah",
        PersonaGroup.CITIZEN,
        "kofi.mensah@post.example",
        birthdate="2012-05-09",
        bsn="999990275",
    ),
    Persona(
        "burger-zonder-digid",
        "Cornelis de Wit",
        PersonaGroup.CITIZEN,
        "cornelis.dewit@post.example",
        birthdate="1938-01-25",
        bsn="123456782",
    ),
    Persona(
        "engelstalig",
        "Grace Mensah",
        PersonaGroup.CITIZEN,
        "grace.mensah@post.example",
        birthdate="1990-02-11",
        bsn="999990184",
    ),
    Persona(
        "eu-burger",
        "Elena Marchetti",
        PersonaGroup.CITIZEN,
        "elena.marchetti@posta.example",
        birthdate="1979-06-08",
        highest=Assurance.SUBSTANTIAL,
    ),
    Persona(
        "balie",
        "Ruben Haddad",
        PersonaGroup.WORK,
        "r.haddad@gemeente.example",
        roles=("balie",),
    ),
    Persona(
        "beheerder",
        "Saskia Vermeulen",
        PersonaGroup.WORK,
        "s.vermeulen@beheer.example",
        birthdate="1975-03-01",
        roles=("beheerder",),
    ),
    Persona(
        "tweede-beheerder",
        "Omar Benali",
        PersonaGroup.WORK,
        "o.benali@beheer.example",
        birthdate="1982-07-09",
        roles=("beheerder",),
    ),
    Persona(
        "auditor",
        "Willemijn Bakker",
        PersonaGroup.WORK,
        "w.bakker@beheer.example",
        birthdate="1968-05-23",
        roles=("auditor",),
    ),
)
PERSONAS: Mapping[str, Persona] = {persona.key: persona for persona in _PERSONAS}
# What each persona is good for.
PERSONA_DESCRIPTIONS: Mapping[str, str] = CatalogueLabels("simulator.persona", tuple(PERSONAS))
GROUP_LABELS: Mapping[PersonaGroup, str] = CatalogueLabels("simulator.choose", PersonaGroup)
LEVEL_LABELS: Mapping[Assurance, str] = CatalogueLabels("simulator.level", Assurance)
