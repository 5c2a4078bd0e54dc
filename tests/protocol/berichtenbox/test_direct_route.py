"""The direct route of GET bericht behaves in all other respects as a normal route."""

import json

import pytest

from machtiging.access import bearer
from machtiging.berichtenbox.read_route import get_bericht
from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.berichtenbox.schemas import BerichtOut
from machtiging.web.framework_internals import list_routes
from tests.architecture.test_doors import door_functions
from tests.builders.database import record_queries
from tests.builders.letters import UWV, make_pdf

BERICHTEN_URL = f"{API_PREFIX}/berichten/"


def described(world):
    return next(route for _, route in list_routes(world.app) if getattr(route, "endpoint", None) is get_bericht)


async def test_direct_route_is_matched_first_and_stands_once_in_openapi(world):
    (innermost,) = [one.kwargs["routes"] for one in world.app.user_middleware if "routes" in one.kwargs]
    assert [route.path for route in innermost] == [
        BERICHTEN_URL + "{berichtId}",
        f"{API_PREFIX}/machtigingen/{{machtigingId}}/berichten/{{berichtId}}",
    ]
    described_there = world.app.openapi()["paths"]["/berichten/{berichtId}"]
    assert sorted(described_there) == ["delete", "get", "patch"]
    assert described_there["get"]["operationId"] == "leesBericht"


async def test_direct_route_uses_the_guard_that_it_declares(world):
    (door,) = door_functions(described(world))
    assert door is bearer.TokenUser.__metadata__[0].dependency
    bericht_id = await world.deliver_letter()
    for token, code in [(None, "token_ontbreekt"), ("nep", "token_ongeldig"), (await world.issue_token(oin=UWV), None)]:
        async with world.client(token) as client:
            answer = await client.get(BERICHTEN_URL + bericht_id)
        assert answer.status_code == (401 if code else 403)
        assert code is None or answer.json()["code"] == code


async def test_direct_route_answer_matches_its_openapi_schema(world):
    bericht_id = await world.deliver_letter(("brief.pdf", make_pdf(), "application/pdf"))
    async with world.client(await world.issue_helper_token()) as client:
        answer = await client.get(BERICHTEN_URL + bericht_id)
    assert answer.headers["content-type"] == "application/json"
    read = BerichtOut.model_validate_json(answer.content, strict=True)
    assert json.loads(read.model_dump_json(exclude_none=True)) == answer.json()
    assert len(read.bijlagen) == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_direct_route_with_unsupported_method_returns_405_with_allow(world, method):
    async with world.client(await world.issue_helper_token()) as client:
        answer = await client.request(method, BERICHTEN_URL + await world.deliver_letter())
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH"
    assert await world.reasons("bericht:lezen") == []


async def test_direct_route_with_unsupported_accept_returns_406_before_any_statement(world, database):
    bericht_id, token = await world.deliver_letter(), await world.issue_helper_token()
    async with world.client(token) as client:
        with record_queries(database) as said:
            answer = await client.get(BERICHTEN_URL + bericht_id, headers={"accept": "text/csv"})
    assert (answer.status_code, said) == (406, [])


async def test_direct_route_is_logged_by_route_without_the_bericht_id(world, capsys):
    bericht_id = await world.deliver_letter()
    async with world.client(await world.issue_helper_token()) as client:
        capsys.readouterr()
        await client.get(BERICHTEN_URL + bericht_id)
    told = "".join(capsys.readouterr())
    assert "/api/v1/berichten/{berichtId}" in told
    assert bericht_id not in told
