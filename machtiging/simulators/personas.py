"""The personas of the login simulator. All are invented; the numbers are test numbers.

The message catalogue says what each is good for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
        "toezichthouder",
        "Marijke Hofman",
        PersonaGroup.WORK,
        "m.hofman@raadslieden.example",
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
        "controleur",
        "Sanne Kok",
        PersonaGroup.WORK,
        "s.kok@belastingdienst.example",
        kvk="90000004",
    ),
    Persona(
        "bestuurder",
        "Yvonne Smeets",
        PersonaGroup.WORK,
        "y.smeets@bakkerij.example",
        birthdate="1974-05-23",
        bsn="999990299",
        kvk="90000003",
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
    Persona(
        "privacyfunctionaris",
        "Jan Verhoeven",
        PersonaGroup.WORK,
        "j.verhoeven@beheer.example",
        birthdate="1971-11-12",
        roles=("privacyfunctionaris",),
    ),
)
PERSONAS: Mapping[str, Persona] = {persona.key: persona for persona in _PERSONAS}
# The clients of the practice organisations: (name, birth date, test BSN).
_CLIENTS = (
    ("Ali Yıldız", "1969-02-11", "999990044"),
    ("Anna de Boer", "1957-08-30", "999990056"),
    ("Chantal Willems", "1982-12-05", "999990068"),
    ("Gerrit Hofstra", "1949-03-19", "999990081"),
    ("Hanna Nowak", "1990-06-24", "999990093"),
    ("Jan de Vries", "1961-10-02", "999990111"),
    ("Jan de Vries", "1984-01-15", "999990123"),
    ("Mo Haddou", "1977-05-28", "999990135"),
    ("Nel Kuipers", "1945-11-09", "999990147"),
    ("Oksana Koval", "1988-09-13", "999990159"),
    ("Piet Jansen", "1953-07-21", "999990160"),
    ("Rosa Fernandes", "1972-04-03", "999990172"),
)
CLIENTS: tuple[Persona, ...] = tuple(
    Persona(f"client-{number}", name, PersonaGroup.CITIZEN, f"client-{number}@post.example", born, bsn)
    for number, (name, born, bsn) in enumerate(_CLIENTS, start=1)
)
# The employees of the second story. Its organisation is another one each time, so their number is none yet.
TEAM: tuple[Persona, ...] = (
    Persona("team-beheerder", "Marieke Dekker", PersonaGroup.WORK, "m.dekker@wijkteam.example", kvk=""),
    Persona("team-helper", "Yusuf Arslan", PersonaGroup.WORK, "y.arslan@wijkteam.example", kvk=""),
    Persona("team-collega", "Els Bouma", PersonaGroup.WORK, "e.bouma@wijkteam.example", kvk=""),
)
_UNLISTED: Mapping[str, Persona] = {persona.key: persona for persona in (*CLIENTS, *TEAM)}
_HINT = re.compile(r"(?P<key>[a-z0-9-]+)(?:@(?P<kvk>9[0-9]{7}))?")
# What each persona is good for.
PERSONA_DESCRIPTIONS: Mapping[str, str] = CatalogueLabels("simulator.persona", tuple(PERSONAS))
GROUP_LABELS: Mapping[PersonaGroup, str] = CatalogueLabels("simulator.choose", PersonaGroup)
LEVEL_LABELS: Mapping[Assurance, str] = CatalogueLabels("simulator.level", Assurance)


def find_persona(hint: str) -> Persona | None:
    """Find the persona of a `login_hint`.

    It is a key, or for an employee `key@kvk` with another practice number.

    Clients and the team of the second story are found too. The page to choose from does not list them.
    """
    matched = _HINT.fullmatch(hint)
    persona = None if matched is None else PERSONAS.get(matched["key"]) or _UNLISTED.get(matched["key"])
    if matched is None or persona is None or matched["kvk"] is None:
        return None if persona is not None and persona.kvk == "" else persona
    return None if persona.kvk is None else replace(persona, kvk=matched["kvk"])
