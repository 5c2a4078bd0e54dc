"""An unauthenticated caller writes no journal line at any URL."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi.routing import APIRoute

from machtiging.web.framework_internals import list_routes
from tests.builders.people import BROKER, ISSUER
from tests.builders.portal import assemble_service
from tests.builders.rows import JOURNAL_INTAKE

A_BSN = "999990019"
AN_ID = f"00000000-0000-0000-0000-000{A_BSN}"
JUNK = {"code": A_BSN, "state": "x" * 43, "token": "onzin", "client_id": "bestaat-niet", "grant_type": "x"}
JUNK |= {"request_uri": "urn:ietf:params:oauth:request_uri:x", "error": "access_denied", "iss": BROKER}
BRINGS = {
    "nothing": {},
    "a token of nobody": {"Authorization": f"Bearer {'a' * 43}"},
    "a token that looks like ours": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."},
    "a cookie of nobody": {"Cookie": f"__Host-sessie={'a' * 43}; __Host-inloggen={'b' * 43}"},
}


async def journal_lines(portal) -> list[str]:
    lines = await JOURNAL_INTAKE.read(portal.app.state.services)
    return [f"{line.act} {line.reason}" for line in lines]


def addresses() -> list[tuple[str, str]]:
    found = []
    for _, route in list_routes(assemble_service()):
        if isinstance(route, APIRoute):
            path = re.sub(r"\{[^}]+\}", AN_ID, route.path)
            found += [(method, path) for method in sorted(route.methods)]
    return found


@pytest.mark.parametrize("brought", BRINGS)
async def test_unauthenticated_request_at_every_url_is_not_journalled(portal, brought):
    before, tried = await journal_lines(portal), addresses()
    assert len(tried) > 60
    async with httpx.AsyncClient(transport=httpx.ASGITransport(portal.app, raise_app_exceptions=False)) as http:
        for method, path in tried:
            if path == "/inloggen":  # redirects to the broker, which is absent
                continue
            body = {} if method in ("GET", "HEAD") else {"data": JUNK}
            await http.request(method, ISSUER + path, params=JUNK, headers=BRINGS[brought], **body)
    assert await journal_lines(portal) == before
