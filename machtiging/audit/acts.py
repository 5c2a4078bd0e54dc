"""All kinds of journal lines, in alphabetical order: `onderwerp:daad`. Stored lines keep these values forever."""

from __future__ import annotations

from enum import StrEnum


class JournalAct(StrEnum):
    """The action that was done or attempted."""

    AANLEVERING_GEWEIGERD = "aanlevering:geweigerd"
    AANLEVERING_ONTVANGEN = "aanlevering:ontvangen"
    BERICHT_DOWNLOADEN = "bericht:downloaden"
    BERICHT_LEZEN = "bericht:lezen"
    BERICHT_LIJST = "bericht:lijst"
    BERICHT_MARKEREN = "bericht:markeren"
    BERICHT_VERWIJDEREN = "bericht:verwijderen"
    CATALOGUS_GELADEN = "catalogus:geladen"
    CLIENT_GEREGISTREERD = "client:geregistreerd"
    CLIENT_GESCHORST = "client:geschorst"
    CLIENT_GEWEIGERD = "client:geweigerd"
    CLIENT_GEWIJZIGD = "client:gewijzigd"
    CLIENT_GOEDGEKEURD = "client:goedgekeurd"
    CLIENT_HERVAT = "client:hervat"
    CLIENT_TERUGGETROKKEN = "client:teruggetrokken"
    CLIENT_UITGENODIGD = "client:uitgenodigd"
    CODE_GEPROBEERD = "code:geprobeerd"
    CODE_VERNIEUWD = "code:vernieuwd"
    GRANT_BEEINDIGD = "grant:beeindigd"
    GRANT_GEWEIGERD = "grant:geweigerd"
    GRANT_VERLEEND = "grant:verleend"
    JOURNAAL_INGEZIEN = "journaal:ingezien"
    LOGIN_GELUKT = "login:gelukt"
    LOGIN_MISLUKT = "login:mislukt"
    MACHTIGING_AANGEBODEN = "machtiging:aangeboden"
    MACHTIGING_AANGENOMEN = "machtiging:aangenomen"
    MACHTIGING_GEPAUZEERD = "machtiging:gepauzeerd"
    MACHTIGING_GEWEIGERD = "machtiging:geweigerd"
    MACHTIGING_HERVAT = "machtiging:hervat"
    MACHTIGING_INGETROKKEN = "machtiging:ingetrokken"
    MACHTIGING_TERUGGEGEVEN = "machtiging:teruggegeven"
    MELDCODE_GEMAAKT = "meldcode:gemaakt"
    RIJ_GEWEIGERD = "rij:geweigerd"
    RIJ_VERZEGELD = "rij:verzegeld"
    SESSIE_BEEINDIGD = "sessie:beeindigd"
    SESSIE_BEKEKEN = "sessie:bekeken"
    SLEUTEL_GEMAAKT = "sleutel:gemaakt"
    SLEUTEL_GEWISSELD = "sleutel:gewisseld"
    TOKEN_GEWEIGERD = "token:geweigerd"
    TOKEN_INGETROKKEN = "token:ingetrokken"
    TOKEN_UITGEGEVEN = "token:uitgegeven"
    UITNODIGING_INGETROKKEN = "uitnodiging:ingetrokken"
    VERZOEK_GEDAAN = "verzoek:gedaan"
    VERZOEK_GEWEIGERD = "verzoek:geweigerd"


class JournalOutcome(StrEnum):
    """The outcome: a change was made, an access was allowed, or the request was refused."""

    ALLOWED = "allowed"
    DONE = "done"
    REFUSED = "refused"
