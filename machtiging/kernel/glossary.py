"""Dutch terms that stay Dutch in English code: terms of law, registers or the wire.

`never` are the English translations that are forbidden in identifiers. A test enforces this list.
"""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """A Dutch term with its meaning, its source and its forbidden translations."""

    word: str
    gloss: str
    source: str
    never: tuple[str, ...] = ()


TERMS = (
    Term("machtiging", "the delegation record: who may read whose post, and how far", "Awb 2:1", ("mandate", "proxy")),
    Term("vertegenwoordigde", "the person represented, whose post it is", "Awb 2:1", ("principal",)),
    Term("gemachtigde", "the person or organisation authorised; 'helper' in prose", "Awb 2:1", ("delegate",)),
    Term("machtigingscode", "the code that hands an offered machtiging to a helper", "DigiD Machtigen"),
    Term("bericht", "a letter in the box", "Berichtenbox", ("mail",)),
    Term("bijlage", "an attachment to a bericht", "Berichtenbox", ("enclosure",)),
    Term("berichtenbox", "a citizen's government message box", "Regeling voorzieningen Wdo", ("inbox", "mailbox")),
    Term("aanlevering", "one delivery of a bericht by an afzender", "federated Berichtenbox"),
    Term("dienst", "a service of an agency, under which it sends post", "UPL", ("product",)),
    Term("afzender", "the organisation that sends", "Berichtenbox"),
    Term("bsn", "burgerservicenummer", "Wabb", ("ssn",)),
    Term("rsin", "number of a legal entity", "Handelsregisterwet"),
    Term("oin", "organisatie-identificatienummer", "OIN-stelsel 3.0"),
    Term("kvk", "Kamer van Koophandel number", "Handelsregisterwet 2007"),
    Term("curator", "court-appointed guardian of person and property", "BW 1:378"),
    Term("bewindvoerder", "court-appointed administrator of property", "BW 1:431"),
    Term("mentor", "court-appointed representative in care", "BW 1:450"),
)
