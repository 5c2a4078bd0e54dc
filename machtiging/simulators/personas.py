"""The personas of the login simulator. All are invented; the numbers are test numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from machtiging.kernel.assurance import Assurance


@dataclass(frozen=True, slots=True)
class Persona:
    """A person to log in as, and the claims about that person."""

    key: str
    name: str
    who: str
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
        "Krijgt post van de overheid en laat haar zoon meelezen.",
        "riet.vanderlinden@post.example",
        birthdate="1943-04-17",
        bsn="999990019",
    ),
    Persona(
        "naaste",
        "Bram van der Linden",
        "Haar zoon, die de post voor haar bijhoudt.",
        "bram.vanderlinden@post.example",
        birthdate="1971-09-02",
        bsn="999990020",
    ),
    Persona(
        "raadslid",
        "Fatima el Amrani",
        "Sociaal raadslid bij een stichting voor rechtshulp.",
        "f.elamrani@raadslieden.example",
        kvk="90000001",
    ),
    Persona(
        "collega",
        "Joost Wieringa",
        "Werkt bij dezelfde stichting als het sociaal raadslid.",
        "j.wieringa@raadslieden.example",
        kvk="90000001",
    ),
    Persona(
        "bewindvoerder",
        "Ingrid Postma",
        "Bewindvoerder, door de rechter benoemd.",
        "i.postma@bewindkantoor.example",
        kvk="90000002",
    ),
    Persona(
        "burger-onder-bewind",
        "Dennis Brouwer",
        "Zijn geldzaken doet een bewindvoerder.",
        "dennis.brouwer@post.example",
        birthdate="1986-11-30",
        bsn="999990032",
    ),
    Persona(
        "burger-zonder-digid",
        "Cornelis de Wit",
        "Heeft zelf geen inlogmiddel; alleen in oefeningen logt hij in.",
        "cornelis.dewit@post.example",
        birthdate="1938-01-25",
        bsn="123456782",
    ),
    Persona(
        "eu-burger",
        "Elena Marchetti",
        "Logt in met een middel uit een ander EU-land en heeft geen BSN.",
        "elena.marchetti@posta.example",
        birthdate="1979-06-08",
        highest=Assurance.SUBSTANTIAL,
    ),
    Persona(
        "balie",
        "Ruben Haddad",
        "Helpt mensen aan de balie.",
        "r.haddad@gemeente.example",
        roles=("balie",),
    ),
    Persona(
        "beheerder",
        "Saskia Vermeulen",
        "Beheert deze dienst.",
        "s.vermeulen@beheer.example",
        birthdate="1975-03-01",
        roles=("beheerder",),
    ),
    Persona(
        "tweede-beheerder",
        "Omar Benali",
        "Beheert deze dienst ook, en bevestigt wat een andere beheerder voorstelt.",
        "o.benali@beheer.example",
        birthdate="1982-07-09",
        roles=("beheerder",),
    ),
)
PERSONAS: Mapping[str, Persona] = {persona.key: persona for persona in _PERSONAS}
