"""RFC 8707: a token is for one registered resource, with consent, and is rejected elsewhere."""

from __future__ import annotations

import pytest

from machtiging.kernel.errors import Conflict
from machtiging.oauth.clients.metadata import find_metadata_errors
from tests.builders.client import AUDIENCE, make_authorization_details
from tests.builders.messages import read_claims, read_query
from tests.builders.people import ISSUER
from tests.builders.tokens import ADVIES, ARCHIEF, HUIS, assert_oauth_error, make_server_metadata, update_rows


async def test_token_without_resource_is_for_our_api(oauth) -> None:
    flow = await oauth.start_flow()
    assert read_claims((await flow.tokens())["access_token"])["aud"] == AUDIENCE


async def test_token_audience_is_the_consented_resource(exchanging_clients) -> None:
    huis = await exchanging_clients.register_server()
    flow = await exchanging_clients.oauth.start_flow(exchanging_clients.app, exchanging_clients.machtiging)
    request_uri = await flow.pushed(resource=HUIS)
    page = (await flow.authorize(request_uri)).text
    assert "Huisdienst" in page
    assert HUIS in page
    code = read_query((await flow.approve(request_uri)).headers["location"])["code"]
    token = (await flow.redeem(code, resource=HUIS)).json()["access_token"]
    assert read_claims(token)["aud"] == HUIS
    assert (await exchanging_clients.row(token)).audience == HUIS
    assert await exchanging_clients.live(huis, token)


async def test_consent_page_names_services_it_may_be_exchanged_to(exchanging_clients) -> None:
    await exchanging_clients.register_exchanger(exchange_targets=[ARCHIEF])
    await exchanging_clients.register_exchanger(
        client_name="Archiefdienst", resource=ARCHIEF, exchange_targets=[ADVIES, HUIS]
    )
    await exchanging_clients.register_server(client_name="Adviesdienst", resource=ADVIES)
    flow = await exchanging_clients.oauth.start_flow(exchanging_clients.app, exchanging_clients.machtiging)
    page = (await flow.authorize(await flow.pushed(resource=HUIS))).text
    assert "doorgeven aan: Adviesdienst, Archiefdienst." in page


async def test_consent_page_without_exchange_targets_names_none(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    flow = await exchanging_clients.oauth.start_flow(exchanging_clients.app, exchanging_clients.machtiging)
    assert "doorgeven" not in (await flow.authorize(await flow.pushed(resource=HUIS))).text
    assert "doorgeven" not in (await flow.authorize(await flow.pushed())).text


async def test_resource_of_our_own_api_is_accepted(exchanging_clients) -> None:
    flow = await exchanging_clients.oauth.start_flow(exchanging_clients.app, exchanging_clients.machtiging)
    token = (await flow.tokens(resource=AUDIENCE))["access_token"]
    assert read_claims(token)["aud"] == AUDIENCE


NEVER_REGISTERED = [
    "https://onbekend.example",
    HUIS + "/",
    HUIS + "#deel",
    HUIS + "?x=1",
    HUIS.upper(),
    HUIS.replace("https", "http"),
    AUDIENCE + "/",
    "huis",
    "*",
]


async def test_resource_unregistered_is_rejected_at_par(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    flow = await exchanging_clients.oauth.request(exchanging_clients.app)
    for resource in NEVER_REGISTERED:
        assert_oauth_error(await flow.push(resource=resource), "invalid_target")


async def test_resource_under_our_issuer_cannot_be_registered_by_others(exchanging_clients) -> None:
    flow = await exchanging_clients.oauth.request(exchanging_clients.app)
    for path in ("", "/", "/grants", "/userinfo", "/api/v1/berichten"):
        await exchanging_clients.register_server(resource=ISSUER + path, client_name="Dief")
        assert_oauth_error(await flow.push(resource=ISSUER + path), "invalid_target")


async def test_prompt_none_with_another_resource_returns_consent_required(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    flow = await exchanging_clients.oauth.start_flow(exchanging_clients.app, exchanging_clients.machtiging)
    flow.asks = None
    await flow.tokens()
    for resource, told in ((None, "code"), (AUDIENCE, "code"), (HUIS, "error")):
        response = await flow.authorize(await flow.pushed(prompt="none", resource=resource))
        answer = read_query(response.headers["location"])
        assert told in answer, answer
    assert answer["error"] == "consent_required"


async def test_two_resources_are_rejected(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    flow = await exchanging_clients.oauth.request(exchanging_clients.app)
    pairs = [
        *exchanging_clients.app.credentials().items(),
        *flow.parameters().items(),
        ("resource", HUIS),
        ("resource", AUDIENCE),
    ]
    assert_oauth_error(await exchanging_clients.app.raw("/par", pairs), "invalid_request")


async def test_resource_at_token_request_must_match_the_consent(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    flow = await exchanging_clients.oauth.start_flow(exchanging_clients.app, exchanging_clients.machtiging)
    for pushed, others in ((HUIS, (AUDIENCE, "https://onbekend.example")), (None, (HUIS,)), (AUDIENCE, (HUIS,))):
        code = await flow.code(resource=pushed)
        for asked in others:
            assert_oauth_error(await flow.redeem(await flow.unused(code), resource=asked), "invalid_target")


async def test_resource_of_suspended_server_issues_no_token(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    stop = "UPDATE oauth_client SET state = 'suspended' WHERE registration->>'client_name' = 'Huisdienst'"
    flow = await exchanging_clients.oauth.start_flow(exchanging_clients.app, exchanging_clients.machtiging)
    request_uri, code = await flow.pushed(resource=HUIS), await flow.code(resource=HUIS)
    await update_rows(exchanging_clients.oauth, stop)
    assert_oauth_error(await flow.redeem(code), "invalid_target")
    answer = read_query((await flow.authorize(request_uri)).headers["location"])
    assert answer["error"] == "invalid_target"


async def test_agency_token_for_another_resource_is_rejected(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    agency = await exchanging_clients.oauth.register_agency()
    assert_oauth_error(
        await agency.post("/token", {"grant_type": "client_credentials", "resource": HUIS}), "invalid_target"
    )
    form = {"grant_type": "client_credentials", "authorization_details": make_authorization_details()}
    assert_oauth_error(await agency.post("/token", form), "invalid_authorization_details")
    response = await agency.post("/token", {"grant_type": "client_credentials", "resource": AUDIENCE})
    assert read_claims(response.json()["access_token"])["aud"] == AUDIENCE


# Audience confusion


async def test_userinfo_with_token_for_another_resource_is_rejected(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    for resource, status in ((HUIS, 401), (None, 200)):
        headers = {"Authorization": f"Bearer {await exchanging_clients.issue_token(resource)}"}
        assert (await exchanging_clients.app.http.get("/userinfo", headers=headers)).status_code == status


async def test_introspection_by_resource_server_covers_its_own_tokens_only(exchanging_clients) -> None:
    huis = await exchanging_clients.register_server()
    archief = await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief")
    magazijn = await exchanging_clients.register_server(resource=None, client_name="Magazijn")
    for_huis, for_us = await exchanging_clients.issue_token(HUIS), await exchanging_clients.issue_token(None)
    assert await exchanging_clients.live(huis, for_huis)
    assert await exchanging_clients.live(magazijn, for_us)
    for service, token in ((archief, for_huis), (magazijn, for_huis), (huis, for_us), (archief, for_us)):
        assert not await exchanging_clients.live(service, token)
    assert await exchanging_clients.live(exchanging_clients.app, for_huis)


async def test_token_with_stored_audience_mismatch_is_inactive(exchanging_clients) -> None:
    huis, archief = (
        await exchanging_clients.register_server(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    token = await exchanging_clients.issue_token(HUIS)
    await update_rows(exchanging_clients.oauth, "UPDATE issued_token SET audience = :other", other=ARCHIEF)
    for service in (huis, archief, exchanging_clients.app):
        assert not await exchanging_clients.live(service, token)


async def test_token_for_another_resource_is_revoked_by_its_client_only(exchanging_clients) -> None:
    huis = await exchanging_clients.register_server()
    token = await exchanging_clients.issue_token(HUIS)
    await huis.post("/revoke", {"token": token})
    assert await exchanging_clients.live(huis, token)
    await exchanging_clients.app.post("/revoke", {"token": token})
    assert not await exchanging_clients.live(huis, token)


async def test_subject_is_pairwise_per_resource(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief")
    subs = {read_claims(await exchanging_clients.issue_token(one))["sub"] for one in (None, HUIS, ARCHIEF)}
    assert len(subs) == 3


# Registration


def test_resource_must_be_a_plain_https_url() -> None:
    assert find_metadata_errors(make_server_metadata(), practice=False, detail_type="berichtenbox") == {}
    for wrong in (
        "http://huis.voorbeeld.example",
        "huis",
        "urn:huis",
        HUIS + "#x",
        HUIS + "?x=1",
        "https://a:b@huis.voorbeeld.example",
        "https://10.0.0.1/api",
        "https://HUIS.voorbeeld.example",
        "https://huis.voorbeeld.example/../x",
        "https://*.example",
        7,
        ["https://huis.voorbeeld.example"],
        "",
    ):
        assert set(
            find_metadata_errors(make_server_metadata(resource=wrong), practice=False, detail_type="berichtenbox")
        ) == {"resource"}, wrong


def test_resource_metadata_requires_resource_server() -> None:
    assert "resource" in find_metadata_errors(
        make_server_metadata(resource_server=False), practice=False, detail_type="berichtenbox"
    )


async def test_resource_is_registered_to_one_server(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    with pytest.raises(Conflict, match="resource_bestaat_al"):
        await exchanging_clients.register_server(client_name="Dief")
    await exchanging_clients.register_server(resource=ADVIES, client_name="Advies")
    await exchanging_clients.register_server(resource=None, client_name="Een")
    await exchanging_clients.register_server(resource=None, client_name="Twee")
