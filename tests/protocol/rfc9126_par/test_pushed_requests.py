"""RFC 9126: what may be pushed, and what becomes of it."""

from __future__ import annotations

from tests.builders.oauth import claims_of


async def test_the_whole_code_flow_gives_a_token_that_says_the_son_acts_for_his_mother(oauth) -> None:
    machtiging = await oauth.machtiging()
    flow = await oauth.flow(machtiging=machtiging)
    tokens = await flow.tokens()
    claims = claims_of(tokens["access_token"])
    assert claims["authorization_details"] == [
        {"type": "berichtenbox", "machtiging": str(machtiging.id), "actions": ["lijst", "lezen", "downloaden"]}
    ]
    assert claims["represents"]["sub"] != claims["sub"]
    assert tokens["expires_in"] == 600
