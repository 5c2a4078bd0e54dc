"""The routes of all forms, and where a kept form is given back."""

from __future__ import annotations

from tests.builders.portal import ACCEPT, OFFER
from tests.protocol.portal.help_requests import CODE_FORM, NEW_REQUEST, REQUESTS

SOME_ID = "018f0000-0000-7000-8000-000000000001"
# endpoints for programs, and routes without a session
OF_PROGRAMS = {
    "/api/v1/aanleveringen",
    "/api/v1/registergebeurtenissen",
    "/bc-authorize",
    "/introspect",
    "/par",
    "/register",
    "/revoke",
    "/token",
    "/userinfo",
}
WITHOUT_A_SESSION = {"/logout", "/logout/bevestigen", "/taal", "/uitloggen"}
# form route -> page on which the kept form is given back
PAGE_OF = {
    "/aan-de-balie": "/aan-de-balie",
    "/apps/{consent_id}/stoppen": f"/apps/{SOME_ID}/stoppen",
    "/authorize": "/authorize",
    "/beheer/dossiers/nieuw": "/beheer/dossiers/nieuw",
    "/beheer/dossiers/{dossier_id}/bevestigen": "/beheer/dossiers",
    "/beheer/importeren": "/beheer/importeren",
    "/beheer/importeren/uitvoeren": "/beheer/importeren",
    "/beheer/nieuw": "/beheer/nieuw",
    "/beheer/organisaties/{organisatie_id}/bevestigen": f"/beheer/organisaties/{SOME_ID}",
    "/beheer/organisaties/{organisatie_id}/eerste-beheerder": f"/beheer/organisaties/{SOME_ID}/eerste-beheerder",
    "/beheer/organisaties/{organisatie_id}/kvk": f"/beheer/organisaties/{SOME_ID}/kvk",
    "/beheer/organisaties/{organisatie_id}/vervallen": f"/beheer/organisaties/{SOME_ID}",
    "/beheer/organisaties/{organisatie_id}/voorstel": f"/beheer/organisaties/{SOME_ID}/voorstel",
    "/blijf-ingelogd": "/blijf-ingelogd",
    "/brieven/{bericht_id}/delen": f"/brieven/{SOME_ID}/delen",
    "/brieven/{bericht_id}/gelezen": f"/brieven/{SOME_ID}",
    "/brieven/{bericht_id}/map": f"/brieven/{SOME_ID}/map",
    "/brieven/{bericht_id}/ongelezen": f"/brieven/{SOME_ID}",
    "/controle": "/controle",
    "/controleren/nieuw/{machtiging_id}": f"/controleren/nieuw/{SOME_ID}",
    "/controleren/{code_id}/intrekken": f"/controleren/{SOME_ID}",
    "/helpers/nieuw": OFFER,
    "/helpers/nieuw/{concept_id}/{stap}": f"{OFFER}/{SOME_ID}/wie",
    "/helpers/stop-alles": "/helpers/stop-alles",
    "/helpers/stop-alles/opheffen": "/helpers/stop-alles",
    "/helpers/stop-alles/voorgoed": "/helpers/stop-alles/voorgoed",
    "/helpers/vraag": CODE_FORM,
    "/helpers/vraag/{vraag_id}": f"{CODE_FORM}/{SOME_ID}",
    "/helpers/{machtiging_id}/beperken": f"/helpers/{SOME_ID}/beperken",
    "/helpers/{machtiging_id}/hervatten": f"/helpers/{SOME_ID}",
    "/helpers/{machtiging_id}/intrekken": f"/helpers/{SOME_ID}/intrekken",
    "/helpers/{machtiging_id}/medewerkers": f"/helpers/{SOME_ID}/medewerkers",
    "/helpers/{machtiging_id}/teams": f"/helpers/{SOME_ID}/teams",
    "/helpers/{machtiging_id}/nieuwe-code": f"/helpers/{SOME_ID}",
    "/helpers/{machtiging_id}/pauzeren": f"/helpers/{SOME_ID}",
    "/helpers/{machtiging_id}/verlengen": f"/helpers/{SOME_ID}/verlengen",
    "/ik-help/{machtigingId}/brieven/{berichtId}/notitie": f"/ik-help/{SOME_ID}/brieven/{SOME_ID}/notitie",
    "/ik-help/{machtigingId}/brieven/{berichtId}/notitie/{note_id}/intrekken": (
        f"/ik-help/{SOME_ID}/brieven/{SOME_ID}/notitie"
    ),
    "/ik-help/{machtigingId}/teruggeven": f"/ik-help/{SOME_ID}/teruggeven",
    "/werk/clienten/{machtigingId}/brieven/{berichtId}/notitie": f"/werk/clienten/{SOME_ID}/brieven/{SOME_ID}/notitie",
    "/werk/clienten/{machtigingId}/brieven/{berichtId}/notitie/{note_id}/intrekken": (
        f"/werk/clienten/{SOME_ID}/brieven/{SOME_ID}/notitie"
    ),
    "/helpers/{machtiging_id}/verlengen/nee": f"/helpers/{SOME_ID}/verlengen",
    "/werk/filters": "/werk/filters",
    "/werk/filters/{filterId}/verwijderen": "/werk/filters",
    "/werk/verlengen": "/werk/verlengen",
    "/werk/nieuwe-client/vraag": "/werk/nieuwe-client/vraag",
    "/werk/nieuwe-client/{verzoekId}/intrekken": f"/werk/nieuwe-client/{SOME_ID}",
    "/werk/clienten/{machtigingId}/teruggeven": f"/werk/clienten/{SOME_ID}/teruggeven",
    "/ik-help/vragen/nieuw": NEW_REQUEST,
    "/ik-help/vragen/nieuw/{concept_id}/{stap}": f"{NEW_REQUEST}/{SOME_ID}/wie",
    "/ik-help/vragen/{vraag_id}/intrekken": f"{REQUESTS}/{SOME_ID}",
    "/ik-help/code": ACCEPT,
    "/ik-help/code/besluit": ACCEPT,
    "/meldingen/gelezen": "/meldingen",
    "/organisatie": "/organisatie",
    "/bedrijf/helpers/nieuw/{organisatieId}": f"/bedrijf/helpers/nieuw/{SOME_ID}",
    "/bedrijf/helpers/{machtigingId}": f"/bedrijf/helpers/{SOME_ID}",
    "/bedrijf/helpers/{machtigingId}/intrekken": f"/bedrijf/helpers/{SOME_ID}/intrekken",
    "/organisatie/aangeboden/{machtigingId}": f"/organisatie/aangeboden/{SOME_ID}",
    "/organisatie/medewerkers/uitnodigen": "/organisatie/medewerkers/uitnodigen",
    "/organisatie/medewerkers/{medewerkerId}": f"/organisatie/medewerkers/{SOME_ID}",
    "/organisatie/medewerkers/{medewerkerId}/vertrek": f"/organisatie/medewerkers/{SOME_ID}/vertrek",
    "/organisatie/clienten/{machtigingId}/toewijzingen/{toewijzingId}": (
        f"/organisatie/clienten/{SOME_ID}/toewijzingen/{SOME_ID}"
    ),
    "/organisatie/overdrachten": "/organisatie/overdrachten",
    "/organisatie/taken/{taakId}/stoppen": f"/organisatie/taken/{SOME_ID}/stoppen",
    "/organisatie/teams": "/organisatie/teams",
    "/organisatie/teams/{teamId}": f"/organisatie/teams/{SOME_ID}",
    "/organisatie/teams/{teamId}/leden": f"/organisatie/teams/{SOME_ID}",
    "/organisatie/teams/{teamId}/leden/{medewerkerId}/eruit": f"/organisatie/teams/{SOME_ID}",
    "/organisatie/teams/{teamId}/stoppen": f"/organisatie/teams/{SOME_ID}/stoppen",
    "/organisatie/uitnodigingen/nieuw": "/organisatie/uitnodigingen/nieuw",
    "/organisatie/uitnodigingen/{uitnodigingId}/intrekken": "/organisatie",
    "/organisatie/uitnodigingen/{uitnodigingId}/opnieuw": "/organisatie",
    "/uitnodiging": "/uitnodiging",
    "/organisatie/vier-ogen": "/organisatie/vier-ogen",
    "/organisatie/vier-ogen/instelling": "/organisatie/vier-ogen/instelling",
    "/organisatie/vier-ogen/instelling/besluit": "/organisatie/vier-ogen/instelling",
    "/organisatie/vervangingen": "/organisatie/vervangingen",
    "/organisatie/vervangingen/{vervangingId}/stoppen": "/organisatie/vervangingen",
    "/verzoeken": "/verzoeken",
}


# JSON in a login session, with the CSRF token in a header. No form is sent, so none is kept.
OF_SCRIPTS = {
    "/api/v1/machtigingsverzoeken",
    "/api/v1/machtigingsverzoeken/{verzoekId}/_intrekken",
    "/api/v1/medewerkers",
    "/api/v1/medewerkers/{medewerkerId}/_vertrek",
    "/api/v1/organisaties/{organisatieId}/erkenningen",
    "/api/v1/organisaties/{organisatieId}/erkenningen/{nummer}/_bevestigen",
    "/api/v1/organisaties/{organisatieId}/medewerkers",
    "/api/v1/organisaties/{organisatieId}/medewerkers/{medewerkerId}/_vertrek",
    "/api/v1/overdrachten/{overdrachtId}/_verdelen",
    "/api/v1/teams",
    "/api/v1/toewijzingen",
    "/api/v1/toewijzingen/_beeindigen",
    "/api/v1/uitnodigingen",
    "/api/v1/uitnodigingen/{uitnodigingId}/_opnieuw",
    "/api/v1/toewijzingen/_taak",
    "/api/v1/vervangingen",
    "/api/v1/vier-ogen/{toewijzingId}/_besluit",
    "/api/v1/verlengingsronden",
}
