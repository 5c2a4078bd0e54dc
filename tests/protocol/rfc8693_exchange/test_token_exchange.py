"""A resource server exchanges a token for its own audience (RFC 8693). The result is narrower in everything."""

from __future__ import annotations

import json

import pytest

from machtiging.access_tokens.sender_constraint.binding import TokenBinding
from machtiging.delegation.rules import Act
from machtiging.oauth.clients.metadata import find_metadata_errors
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.token_exchange.rules import narrow_exchange_scope
from tests.builders.client import AUDIENCE, make_authorization_details
from tests.builders.keys import KeyHolder
from tests.builders.messages import read_claims
from tests.builders.people import ISSUER
from tests.builders.tokens import (
    ACCESS_TOKEN,
    ADVIES,
    ARCHIEF,
    EXCHANGE,
    HUIS,
    assert_oauth_error,
    make_exchanger_metadata,
    update_rows,
)

JWT = "urn:ietf:params:oauth:token-type:jwt"


async def test_exchange_for_next_service_issues_token_with_new_audience(exchanging_clients) -> None:
    huis, archief = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token()
    response = await exchanging_clients.exchange(huis, first)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    told = response.json()
    assert told["issued_token_type"] == ACCESS_TOKEN
    assert told["token_type"] == "Bearer"
    assert not {"scope", "refresh_token", "id_token"} & told.keys()
    before, after = read_claims(first), read_claims(told["access_token"])
    assert after["aud"] == ARCHIEF
    assert after["client_id"] == after["azp"] == huis.client_id
    assert after["authorization_details"] == told["authorization_details"] == before["authorization_details"]
    assert after["jti"] != before["jti"]
    assert await exchanging_clients.live(archief, told["access_token"])


async def test_exchange_stores_parent_token_and_is_journalled(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token()
    before, after = (
        await exchanging_clients.row(first),
        await exchanging_clients.row(await exchanging_clients.exchanged(huis, first)),
    )
    assert after.parent_id == before.id
    assert (after.grant_id, after.machtiging_id, after.person_id) == (
        before.grant_id,
        before.machtiging_id,
        before.person_id,
    )
    assert (after.assurance, sorted(after.acts), after.audience) == (before.assurance, sorted(before.acts), ARCHIEF)
    line = (await exchanging_clients.oauth.lines("token:uitgegeven"))[-1]
    assert (line.reason, line.client_id, line.machtiging_id) == ("ingewisseld", huis.client_id, before.machtiging_id)


async def test_exchange_with_jwt_token_type_issues_token(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    response = await exchanging_clients.exchange(
        huis, await exchanging_clients.issue_token(), subject_token_type=JWT, requested_token_type=JWT
    )
    assert response.json()["issued_token_type"] == JWT


async def test_exchange_of_token_for_our_api_by_its_resource_server_is_accepted(exchanging_clients) -> None:
    magazijn = await exchanging_clients.register_exchanger(resource=None, client_name="Magazijn")
    await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief")
    token = await exchanging_clients.exchanged(magazijn, await exchanging_clients.issue_token(None))
    assert read_claims(token)["aud"] == ARCHIEF


async def test_exchange_of_service_token_for_our_api_is_accepted(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    token = await exchanging_clients.exchanged(huis, await exchanging_clients.issue_token(), resource=AUDIENCE)
    assert read_claims(token)["aud"] == AUDIENCE
    assert (await exchanging_clients.row(token)).audience == ""


# Subject and actor


async def test_exchange_subject_is_pairwise_per_service(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    for_app, first = read_claims(await exchanging_clients.issue_token(None)), await exchanging_clients.issue_token()
    for_huis, for_archief = read_claims(first), read_claims(await exchanging_clients.exchanged(huis, first))
    known = [for_app, for_huis, for_archief]
    assert len({one["sub"] for one in known}) == 3
    assert len({one["represents"]["sub"] for one in known}) == 3
    assert all("act" not in one for one in known)


async def test_exchange_with_act_layout_has_citizen_in_sub_and_helper_in_act(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    archief = await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief", subject_layout="act")
    first = await exchanging_clients.issue_token()
    token = await exchanging_clients.exchanged(huis, first)
    claims = read_claims(token)
    keyring, people = exchanging_clients.oauth.service.state.services.keyring, exchanging_clients.oauth.committed.people
    assert claims["sub"] == keyring.pairwise_subject(people.mother, archief.client_id)
    assert claims["act"] == {
        "iss": claims["iss"],
        "sub": keyring.pairwise_subject(people.son, archief.client_id),
        "sub_id_type": claims["sub_id_type"],
    }
    assert "represents" not in claims
    assert "represents" in read_claims(first)  # the other server is registered without act
    told = (await archief.post("/introspect", {"token": token})).json()
    assert (told["sub"], told["act"]) == (claims["sub"], claims["act"])
    assert "represents" not in told


async def test_exchange_for_own_box_has_neither_act_nor_represents(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief", subject_layout="act")
    claims = read_claims(
        await exchanging_clients.exchanged(huis, await exchanging_clients.issue_token(machtiging=None))
    )
    assert not {"act", "represents"} & claims.keys()


# Actions, scope, expiry


async def test_exchange_narrows_actions_only(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token(
        authorization_details=json.loads(make_authorization_details(exchanging_clients.machtiging.id, "lijst", "lezen"))
    )
    fewer = read_claims(
        await exchanging_clients.exchanged(
            huis, first, authorization_details=make_authorization_details(exchanging_clients.machtiging.id, "lijst")
        )
    )
    assert fewer["authorization_details"][0]["actions"] == ["lijst"]
    unnamed = make_authorization_details(None, "lijst")  # the machtiging of the subject token
    same = read_claims(await exchanging_clients.exchanged(huis, first, authorization_details=unnamed))
    assert same["authorization_details"] == fewer["authorization_details"]
    for wider in (
        make_authorization_details(exchanging_clients.machtiging.id, "lijst", "downloaden"),
        make_authorization_details(exchanging_clients.machtiging.id, "downloaden"),
        make_authorization_details(None, "downloaden"),
        make_authorization_details((await exchanging_clients.oauth.grant_machtiging()).id, "lijst"),
        make_authorization_details(exchanging_clients.machtiging.id, "lijst", extra=1),
    ):
        assert_oauth_error(
            await exchanging_clients.exchange(huis, first, authorization_details=wider), "invalid_authorization_details"
        )


async def test_exchange_without_details_takes_those_of_the_token(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token(
        authorization_details=json.loads(make_authorization_details(exchanging_clients.machtiging.id, "lijst"))
    )
    token = await exchanging_clients.exchanged(
        huis, first, authorization_details=make_authorization_details(exchanging_clients.machtiging.id)
    )
    assert read_claims(token)["authorization_details"][0]["actions"] == ["lijst"]
    assert (await exchanging_clients.row(token)).acts == [Act.LIST.value]


async def test_exchange_drops_openid_scope(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    first = await exchanging_clients.issue_token()
    assert read_claims(first)["scope"] == "openid"
    token = await exchanging_clients.exchanged(huis, first, resource=AUDIENCE)
    assert "scope" not in read_claims(token)
    response = await huis.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 403
    assert (
        await exchanging_clients.app.http.get(
            "/userinfo", headers={"Authorization": f"Bearer {await exchanging_clients.issue_token(None)}"}
        )
    ).is_success


async def test_exchange_with_wider_scope_is_rejected(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token()
    for wider in ("openid", "openid aanleveringen:schrijven", "profile", "OPENID", " "):
        assert_oauth_error(await exchanging_clients.exchange(huis, first, scope=wider), "invalid_scope")


def test_exchange_scope_is_the_intersection_of_token_and_registration() -> None:
    registered = frozenset({"een", "twee"})
    assert narrow_exchange_scope("een twee drie", registered, None) == "een twee"
    assert narrow_exchange_scope("een drie", registered, None) == "een"
    assert narrow_exchange_scope("", registered, None) == ""
    assert narrow_exchange_scope("een twee", registered, "twee") == "twee"
    for held, asked in (("een drie", "drie"), ("een", "twee"), ("een", "een een"), ("een", "een "), ("een", "vier")):
        with pytest.raises(OAuthRefusal, match="scope_ruimer"):
            narrow_exchange_scope(held, registered, asked)


async def test_exchanged_token_expires_no_later_than_its_subject_token(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token()
    exchanging_clients.oauth.later(seconds=400)
    response = await exchanging_clients.exchange(huis, first)
    assert response.json()["expires_in"] == 200
    assert read_claims(response.json()["access_token"])["exp"] == read_claims(first)["exp"]
    assert (await exchanging_clients.row(response.json()["access_token"])).expires_at == (
        await exchanging_clients.row(first)
    ).expires_at


# Target


async def test_exchange_for_unregistered_target_is_rejected(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger(exchange_targets=[ARCHIEF, ADVIES])
    await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief")
    other = "https://ander.voorbeeld.example"
    await exchanging_clients.register_server(resource=other, client_name="Ander")
    first = await exchanging_clients.issue_token()
    answers = {
        (await exchanging_clients.exchange(huis, first, resource=wrong)).text
        for wrong in (other, AUDIENCE, ADVIES, HUIS, ARCHIEF + "/", "https://onbekend.example", "onzin")
    }
    assert len(answers) == 1
    assert json.loads(answers.pop())["error"] == "invalid_target"


async def test_exchange_for_suspended_target_is_rejected(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    await update_rows(
        exchanging_clients.oauth,
        "UPDATE oauth_client SET state = 'suspended' WHERE registration->>'client_name' = 'Archief'",
    )
    assert_oauth_error(
        await exchanging_clients.exchange(huis, await exchanging_clients.issue_token()), "invalid_target"
    )


async def test_exchange_for_same_resource_is_rejected(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    assert_oauth_error(
        await exchanging_clients.exchange(huis, await exchanging_clients.issue_token(), resource=HUIS), "invalid_target"
    )


# Parameters


NOT_SUPPORTED = [
    {"audience": ARCHIEF},
    {"audience": ARCHIEF, "resource": None},
    {"actor_token": "a.b.c", "actor_token_type": ACCESS_TOKEN},
    {"actor_token_type": ACCESS_TOKEN},
    {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
    {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
    {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
    {"subject_token_type": None},
    {"subject_token": None},
    {"resource": None},
    {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
    {"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"},
    {"requested_token_type": "access_token"},
]


async def test_exchange_with_missing_or_unsupported_parameter_is_rejected(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token()
    for changes in NOT_SUPPORTED:
        assert_oauth_error(await exchanging_clients.exchange(huis, first, **changes), "invalid_request")


async def test_exchange_with_two_resources_is_rejected(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    pairs = [
        *huis.credentials().items(),
        ("grant_type", EXCHANGE),
        ("subject_token", await exchanging_clients.issue_token()),
    ]
    pairs += [("subject_token_type", ACCESS_TOKEN), ("resource", ARCHIEF), ("resource", ADVIES)]
    assert_oauth_error(await huis.raw("/token", pairs), "invalid_request")


# Sender constraint


async def test_exchange_of_bound_token_without_proof_is_rejected(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token()
    for column in ("jkt", "x5t"):
        await update_rows(exchanging_clients.oauth, "UPDATE issued_token SET jkt = NULL, x5t = NULL")
        await update_rows(exchanging_clients.oauth, f"UPDATE issued_token SET {column} = :print", print="A" * 43)
        assert_oauth_error(await exchanging_clients.exchange(huis, first), "invalid_request")


async def test_exchange_of_bound_token_with_dpop_issues_bound_token(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    archief = await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief")
    apps, services = KeyHolder(exchanging_clients.oauth.clock), KeyHolder(exchanging_clients.oauth.clock)
    first = await exchanging_clients.issue_token(binding=TokenBinding(jkt=apps.jkt))
    response = await exchanging_clients.exchange(
        huis, first, headers={"DPoP": services.proof("POST", ISSUER + "/token")}
    )
    told = response.json()
    assert (response.status_code, told["token_type"]) == (200, "DPoP"), response.text
    assert read_claims(first)["cnf"] == {"jkt": apps.jkt}
    assert read_claims(told["access_token"])["cnf"] == {"jkt": services.jkt}
    assert (await archief.post("/introspect", {"token": told["access_token"]})).json()["cnf"] == {"jkt": services.jkt}


async def test_exchange_with_replayed_or_misdirected_dpop_proof_is_rejected(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    holder, first = KeyHolder(exchanging_clients.oauth.clock), await exchanging_clients.issue_token()
    proof = holder.proof("POST", ISSUER + "/token")
    assert (await exchanging_clients.exchange(huis, first, headers={"DPoP": proof})).status_code == 200
    assert_oauth_error(await exchanging_clients.exchange(huis, first, headers={"DPoP": proof}), "invalid_dpop_proof")
    elsewhere = holder.proof("POST", ISSUER + "/par")
    assert_oauth_error(
        await exchanging_clients.exchange(huis, first, headers={"DPoP": elsewhere}), "invalid_dpop_proof"
    )


# Registration


def test_exchange_registration_errors_are_reported_by_field() -> None:
    def faults(**changes):
        made = make_exchanger_metadata() | changes
        return set(
            find_metadata_errors(
                {name: value for name, value in made.items() if value is not None},
                practice=False,
                detail_type="berichtenbox",
            )
        )

    assert faults() == set()
    assert faults(resource=None) == set()
    assert faults(resource_server=False) == {"resource_server", "resource"}
    assert faults(token_endpoint_auth_method="none", jwks=None) == {"token_endpoint_auth_method"}
    assert faults(exchange_targets=None) == {"exchange_targets"}
    assert faults(exchange_targets=[]) == {"exchange_targets"}
    assert faults(exchange_targets=["http://x.example"]) == {"exchange_targets"}
    assert faults(exchange_targets=[HUIS] * 11) == {"exchange_targets"}
    assert faults(redirect_uris=["https://x.example/terug"]) == {"redirect_uris"}
    assert faults(scope="aanleveringen:schrijven") == {"scope"}
    assert faults(scope="openid") == {"scope"}
    assert faults(grant_types=["client_credentials"], scope="") == {"exchange_targets"}
    assert faults(grant_types=[EXCHANGE, "client_credentials"]) >= {"grant_types"}
    assert faults(subject_layout="both") == {"subject_layout"}
    assert faults(resource=None, subject_layout="act") == {"subject_layout"}
