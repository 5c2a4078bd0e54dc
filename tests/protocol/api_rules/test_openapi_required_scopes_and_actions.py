"""OpenAPI names the scope or action of each operation, and the API enforces it."""

import pytest

from machtiging.access.bearer import DELIVERY_SCOPE, REGISTER_SCOPE, VERIFICATION_SCOPE
from machtiging.berichtenbox.rules import PDF_MEDIA_TYPE
from machtiging.delegation.rules import Act
from machtiging.oauth.rules import CONSENT_MANAGEMENT_SCOPE
from machtiging.web import openapi
from tests.architecture.test_openapi_document import build_openapi_document
from tests.builders.letters import make_pdf
from tests.builders.rows import BIJLAGEN

KEYS = (openapi.REQUIRED_SCOPE_KEY, openapi.REQUIRED_ACTION_KEY, openapi.REQUIRED_LOGIN_KEY)
UNDER_MACHTIGING = "OnderMachtiging"
NEEDED = {
    "leverBerichtAan": ("scope", DELIVERY_SCOPE),
    "meldRegistergebeurtenissen": ("scope", REGISTER_SCOPE),
    "verifieerMachtigingen": ("scope", VERIFICATION_SCOPE),
    "leesVerificatie": ("scope", VERIFICATION_SCOPE),
    "lijstBerichten": ("action", Act.LIST),
    "leesBericht": ("action", Act.READ),
    "downloadBijlage": ("action", Act.DOWNLOAD),
    "markeerBericht": ("action", Act.MARK),
    "verwijderBericht": ("action", Act.DELETE),
    "lijstClienten": ("action", Act.LIST),
    "lijstBerichtenVanClienten": ("action", Act.LIST),
    "lijstHandelingenVoorClienten": ("action", Act.LIST),
    "lijstMachtigingen": ("action", Act.LIST),
    "lijstBerichtenOnderMachtiging": ("action", Act.LIST),
    "leesBerichtOnderMachtiging": ("action", Act.READ),
    "downloadBijlageOnderMachtiging": ("action", Act.DOWNLOAD),
    "lijstToestemmingen": ("scope", CONSENT_MANAGEMENT_SCOPE),
    "stopToestemming": ("scope", CONSENT_MANAGEMENT_SCOPE),
    **dict.fromkeys(
        (
            *("lijstOrganisaties", "leesOrganisatie", "verlaagPlafond", "stelErkenningVoor", "bevestigErkenning"),
            *("laatVoorstelVervallen", "nodigBeheerderUit", "legVertrekVast"),
        ),
        ("login", "beheerder"),
    ),
    **dict.fromkeys(
        (
            *("lijstMedewerkers", "nodigMedewerkerUit", "wijzigMedewerker", "laatMedewerkerVertrekken"),
            *("lijstUitnodigingen", "nodigUitMetLink", "trekUitnodigingIn", "verstuurUitnodigingOpnieuw"),
            *("lijstTeams", "maakTeam", "wijzigTeam", "stopTeam", "voegTeamlidToe", "haalTeamlidWeg"),
        ),
        ("login", "organisatiebeheerder"),
    ),
    **dict.fromkeys(
        (
            *("lijstToewijzingen", "wijsToe", "beeindigToewijzingen", "lijstOverdrachten", "lijstOverdrachtRegels"),
            *("verdeelOverdracht", "lijstVervangingen", "maakVervanging", "beeindigVervanging", "lijstVierOgen"),
            *("besluitVierOgen", "wijsToeInTaak", "leesTaak", "stopTaak", "lijstTaakResultaten"),
        ),
        ("login", "teamleider of organisatiebeheerder"),
    ),
    **dict.fromkeys(
        (
            *("lijstMachtigingsverzoeken", "maakMachtigingsverzoek", "trekMachtigingsverzoekIn"),
            *("maakVerlengingsronde", "leesVerlengingsronde", "lijstBundels"),
        ),
        ("login", "hulpverlener"),
    ),
}


@pytest.fixture(scope="module")
def openapi_document():
    return build_openapi_document()


def operations(document):
    return {told["operationId"]: told for path in document["paths"].values() for told in path.values()}


def test_openapi_operation_names_its_required_scope_or_action(openapi_document):
    found = {}
    for name, told in operations(openapi_document).items():
        [kind] = [key.removeprefix("x-required-") for key in KEYS if key in told]
        needed = told[f"x-required-{kind}"]
        assert (f"een {needed}" if kind == "login" else f"`{needed}`") in told["description"]
        scheme = {"sessie": []} if kind == "login" else {"openid": [needed] if kind == "scope" else []}
        assert scheme in told["security"]
        assert (kind == "login") == (told["security"] == [scheme])
        found[name] = (kind, needed)
    assert found == NEEDED


def test_openapi_login_is_described_by_openid_discovery(openapi_document):
    scheme = openapi_document["components"]["securitySchemes"]["openid"]
    assert scheme["type"] == "openIdConnect"
    assert scheme["openIdConnectUrl"] == "https://machtigen.example/.well-known/openid-configuration"


def test_openapi_delivery_parts_have_their_media_types(openapi_document):
    content = operations(openapi_document)["leverBerichtAan"]["requestBody"]["content"]["multipart/form-data"]
    assert content["encoding"]["bericht"] == {"contentType": "application/json"}
    assert content["encoding"]["bijlage"] == {"contentType": "application/pdf, application/octet-stream"}


def test_openapi_merge_patch_members_have_no_default(openapi_document):
    members = openapi_document["components"]["schemas"]["StatusIn"]["properties"]
    assert [name for name, told in members.items() if "default" in told] == []


async def call(client, name, bericht_id, bijlage_id, under=""):
    name = name.removesuffix(UNDER_MACHTIGING)
    letter = f"/api/v1{under}/berichten/{bericht_id}"
    return await {
        "lijstClienten": lambda: client.get("/api/v1/clienten"),
        "lijstBerichtenVanClienten": lambda: client.get("/api/v1/clienten/berichten"),
        "lijstHandelingenVoorClienten": lambda: client.get("/api/v1/clienten/handelingen"),
        "lijstMachtigingen": lambda: client.get("/api/v1/machtigingen"),
        "lijstBerichten": lambda: client.get(f"/api/v1{under}/berichten"),
        "leesBericht": lambda: client.get(letter),
        "downloadBijlage": lambda: client.get(f"{letter}/bijlagen/{bijlage_id}"),
        "markeerBericht": lambda: client.patch(letter, json={"map": "x"}),
        "verwijderBericht": lambda: client.delete(letter),
    }[name]()


@pytest.mark.parametrize("name", [name for name, (kind, _) in NEEDED.items() if kind == "action"])
async def test_operation_without_required_action_returns_403(world, name):
    bericht_id = await world.deliver_letter(("a.pdf", make_pdf(), PDF_MEDIA_TYPE))
    rows = await BIJLAGEN.read(world, "id")
    needed, person, held, under = NEEDED[name][1], world.citizen, None, ""
    if name.endswith(UNDER_MACHTIGING):
        person, held = world.helper, await world.grant_machtiging()
        under = f"/machtigingen/{held}"
    for acts, allowed in ((tuple(act for act in Act if act is not needed), False), (tuple(Act), True)):
        async with world.client(await world.issue_token(person, under=held, acts=acts)) as client:
            answer = await call(client, name, bericht_id, rows[0][0], under)
        assert (answer.status_code < 400) is allowed, answer.text
        assert allowed or answer.status_code == 403


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/pdf", "application/pdf"),
        ("application/octet-stream", "application/octet-stream"),
        ("application/octet-stream, application/pdf", "application/pdf"),
        ("*/*", "application/pdf"),
        ("application/*", "application/pdf"),
        ("application/pdf;q=0, application/octet-stream", "application/octet-stream"),
    ],
)
async def test_download_content_type_follows_accept_header(world, accept, kind):
    bericht_id = await world.deliver_letter(("a.pdf", make_pdf(), PDF_MEDIA_TYPE))
    rows = await BIJLAGEN.read(world, "id")
    async with world.client(await world.issue_token(world.citizen)) as client:
        answer = await client.get(f"/api/v1/berichten/{bericht_id}/bijlagen/{rows[0][0]}", headers={"Accept": accept})
    assert answer.headers["content-type"] == kind
    assert answer.content == make_pdf()
