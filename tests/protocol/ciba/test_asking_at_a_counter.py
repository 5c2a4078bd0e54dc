"""POST /bc-authorize: what an app may ask, and that it learns nothing about people by asking."""

from __future__ import annotations


async def test_a_request_is_answered_with_a_reference_a_term_and_an_interval(counter) -> None:
    response = await counter.asks()
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body.keys() == {"auth_req_id", "expires_in", "interval"}
    assert len(body["auth_req_id"]) == 43
    assert (body["expires_in"], body["interval"]) == (300, 5)


async def test_from_meldcode_to_token(counter) -> None:
    request = await counter.asked()
    assert await counter.hears(request) == "authorization_pending"
    tokens = await counter.tokens(request)
    assert tokens["token_type"] == "Bearer"
    assert tokens["authorization_details"][0]["type"] == "berichtenbox"
