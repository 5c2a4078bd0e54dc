"""/api/v1/uitnodigingen: an organisatiebeheerder invites by a link, sends again and withdraws."""

from uuid import uuid4

import pytest

from machtiging.organisations.invitations.rules import MAX_PER_ADDRESS_PER_DAY
from tests.builders.rows import JOURNAL_INTAKE

NEW = {"emailadres": "noor@wijkteam.example", "naam": "Noor Nieuw", "rollen": ["hulpverlener"], "niveau": "hoog"}


@pytest.fixture
async def administrator(api, organisation):
    """The first organisatiebeheerder, invited by an operator."""
    operator = await api.log_in("beheerder")
    body = {"inlogkenmerk": "oefenpersoon-raadslid", "naam": "Fatima el Amrani", "rollen": ["organisatiebeheerder"]}
    invited = await operator.call("POST", f"/organisaties/{organisation}/medewerkers", body)
    assert invited.status_code == 201, invited.text
    return await api.log_in("raadslid")


async def read_list(administrator):
    return (await administrator.get("/uitnodigingen")).json()["uitnodigingen"]


async def test_invitation_is_made_listed_sent_again_and_withdrawn(administrator):
    made = await administrator.call("POST", "/uitnodigingen", NEW)
    assert made.status_code == 201, made.text
    [listed] = await read_list(administrator)
    assert listed["uitnodigingId"] == made.json()["uitnodigingId"]
    assert {name: listed[name] for name in NEW} == NEW
    assert (listed["status"], listed["verstuurd"], listed["onbestelbaar"]) == ("open", False, False)
    path = f"/uitnodigingen/{listed['uitnodigingId']}"
    assert (await administrator.call("POST", f"{path}/_opnieuw")).status_code == 204
    assert (await administrator.call("DELETE", path)).status_code == 204
    again = await administrator.call("DELETE", path)
    assert (again.status_code, again.json()["code"]) == (409, "uitnodiging_ingetrokken")
    assert await read_list(administrator) == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"emailadres": "noor"}, 400, "emailadres_ongeldig"),
        ({"emailadres": "Noor <noor@wijkteam.example>"}, 400, "emailadres_ongeldig"),
        ({"niveau": "laag"}, 400, "niveau_niet_te_vragen"),
        ({"niveau": "EH3"}, 400, "ongeldige_invoer"),
        ({"rollen": []}, 400, "rol_ontbreekt"),
        ({"rollen": ["toezicht", "hulpverlener"]}, 400, "rollen_onverenigbaar"),
        ({"naam": "een\u202enaam"}, 400, "naam_ongeldig"),
        ({"extra": "x"}, 400, "ongeldige_invoer"),
    ],
)
async def test_invitation_that_cannot_be_is_refused(administrator, changes, status, code):
    refused = await administrator.call("POST", "/uitnodigingen", NEW | changes)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_same_address_is_refused(administrator):
    await administrator.call("POST", "/uitnodigingen", NEW)
    again = await administrator.call("POST", "/uitnodigingen", NEW)
    assert (again.status_code, again.json()["code"]) == (409, "al_uitgenodigd")


async def test_address_invited_too_often_returns_429_with_retry_after(administrator):
    for _ in range(MAX_PER_ADDRESS_PER_DAY):
        made = (await administrator.call("POST", "/uitnodigingen", NEW)).json()["uitnodigingId"]
        await administrator.call("DELETE", f"/uitnodigingen/{made}")
    refused = await administrator.call("POST", "/uitnodigingen", NEW)
    assert (refused.status_code, refused.json()["code"]) == (429, "te_vaak_uitgenodigd")
    assert 86_000 < int(refused.headers["retry-after"]) <= 86_400


@pytest.mark.parametrize("persona", ["collega", "bewindvoerder", "vertegenwoordigde", "beheerder"])
async def test_invitations_are_for_administrators_only(api, administrator, persona):
    made = (await administrator.call("POST", "/uitnodigingen", NEW)).json()["uitnodigingId"]
    visitor = await api.log_in(persona)
    for method, path, body in (
        ("GET", "/uitnodigingen", None),
        ("POST", "/uitnodigingen", NEW),
        ("POST", f"/uitnodigingen/{made}/_opnieuw", None),
        ("DELETE", f"/uitnodigingen/{made}", None),
    ):
        refused = await visitor.call(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "geen_medewerker")
    assert len(await read_list(administrator)) == 1
    refused_lines = await JOURNAL_INTAKE.read(api.database, outcome="refused", reason="geen_medewerker")
    assert len(refused_lines) == 4


async def test_unknown_invitation_returns_404(administrator):
    for method, end in (("POST", "/_opnieuw"), ("DELETE", "")):
        refused = await administrator.call(method, f"/uitnodigingen/{uuid4()}{end}")
        assert (refused.status_code, refused.json()["code"]) == (404, "uitnodiging_onbekend")
