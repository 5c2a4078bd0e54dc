"""`jwks_uri` of clients. Keys are fetched when needed, cached, and trusted for a limited time; SSRF is blocked."""

from __future__ import annotations

import asyncio

import pytest

from machtiging.app import build_outbound
from machtiging.oauth.client_jwks.fetcher import JwksFetcher
from machtiging.oauth.client_jwks.key_selection import JwksFetchRequired
from machtiging.settings import Environment, Settings
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import replace_services
from tests.builders.client import make_app_metadata, make_client_assertion, make_client_keys
from tests.builders.flow import make_request_object
from tests.builders.rows import CLIENTS
from tests.builders.server import (
    SITE_NAME,
    NameService,
    make_certificate_authority,
    make_http_response,
    make_json_response,
    make_outbound_client,
    serve_site,
)

FIRST_KEYS, ROTATED_KEYS = make_client_keys(), make_client_keys()
TOKEN = {"token": "x"}


def jwks_response(*pairs, names=("app-1", "app-2")) -> bytes:
    keys = [pair.jwks["keys"][0] | {"kid": name} for pair, name in zip(pairs, names, strict=False)]
    return make_json_response({"keys": keys})


@pytest.fixture
async def jwks_site():
    async with serve_site(answer=jwks_response(FIRST_KEYS)) as opened:
        yield opened


@pytest.fixture
async def app(oauth, jwks_site):
    """A client with a jwks_uri at an allowed site."""
    replace_services(oauth.service, published_keys=JwksFetcher(oauth.sessions, make_outbound_client()))
    return await register_app_with_jwks_uri(oauth, f"https://{SITE_NAME}:{jwks_site.port}/jwks")


async def register_app_with_jwks_uri(oauth, uri, **changes):
    metadata = make_app_metadata(FIRST_KEYS, jwks_uri=uri, **changes)
    del metadata["jwks"]
    return await oauth.add(metadata, FIRST_KEYS)


async def accepted(app, **changes) -> bool:
    answer = await app.post("/revoke", TOKEN, **changes)
    if answer.status_code != 200:
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    return answer.status_code == 200


async def row_of(oauth, app):
    async with unit_of_work(oauth.sessions) as session:
        return await CLIENTS.read_one(session, "fetched_jwks", "fetched_at", "fetch_failed_at", client_id=app.client_id)


async def test_client_jwks_is_fetched_once_and_cached(oauth, app, jwks_site) -> None:
    assert [await accepted(app) for _ in range(3)] == [True, True, True]
    assert len(jwks_site.asked) == 1
    assert jwks_site.asked[0].startswith("GET /jwks ")
    assert (await row_of(oauth, app)).fetch_failed_at is None


@pytest.mark.parametrize("path", ["/token", "/par", "/introspect", "/revoke"])
async def test_client_jwks_is_fetched_at_every_endpoint(app, jwks_site, path) -> None:
    answer = await app.post(path, {"token": "x", "grant_type": "authorization_code", "code": "x"})
    assert answer.status_code in (200, 400), answer.text
    assert len(jwks_site.asked) == 1


async def test_code_flow_with_jwks_uri_issues_token(oauth, app) -> None:
    flow = await oauth.start_flow(app)
    assert "access_token" in await flow.tokens()


async def test_request_object_is_verified_with_fetched_jwks(oauth, app, jwks_site) -> None:
    flow = await oauth.request(app)
    assert await accepted(app)
    oauth.later(minutes=2)
    jwks_site.answer = jwks_response(FIRST_KEYS, ROTATED_KEYS)
    made = make_request_object(flow, header={"kid": "app-2"}, key=ROTATED_KEYS.private)
    answer = await app.post("/par", {"request": made})
    assert answer.status_code == 201, answer.text
    assert len(jwks_site.asked) == 2
    forged = make_request_object(flow, header={"kid": "app-2"}, key=FIRST_KEYS.private)
    assert (await app.post("/par", {"request": forged})).json()["error"] == "invalid_request_object"


async def test_client_jwks_is_refetched_for_unknown_kid(oauth, app, jwks_site) -> None:
    assert await accepted(app)
    oauth.later(minutes=2)
    jwks_site.answer = jwks_response(FIRST_KEYS, ROTATED_KEYS)
    app.keys = ROTATED_KEYS
    proof = make_client_assertion(ROTATED_KEYS, app.client_id, oauth.clock, header={"kid": "app-2"})
    assert await accepted(app, client_assertion=proof)
    assert len(jwks_site.asked) == 2


async def test_client_jwks_refetch_for_invented_kid_is_limited_to_once_a_minute(oauth, app, jwks_site) -> None:
    assert await accepted(app)
    for _ in range(3):
        proof = make_client_assertion(FIRST_KEYS, app.client_id, oauth.clock, header={"kid": "verzonnen"})
        assert not await accepted(app, client_assertion=proof)
    assert len(jwks_site.asked) == 1
    oauth.later(seconds=60)
    for _ in range(3):
        proof = make_client_assertion(FIRST_KEYS, app.client_id, oauth.clock, header={"kid": "verzonnen"})
        assert not await accepted(app, client_assertion=proof)
    assert len(jwks_site.asked) == 2


async def test_client_jwks_removed_key_is_accepted_for_one_day_at_most(oauth, app, jwks_site) -> None:
    assert await accepted(app)
    jwks_site.answer = jwks_response(ROTATED_KEYS, names=("app-9",))
    oauth.later(hours=23, minutes=59)
    assert await accepted(app)
    oauth.later(minutes=1)
    assert not await accepted(app)
    assert len(jwks_site.asked) == 2


async def test_client_jwks_of_unreachable_site_is_trusted_for_one_day_at_most(oauth, app, jwks_site) -> None:
    assert await accepted(app)
    jwks_site.answer = make_http_response("503 Service Unavailable", b"")
    oauth.later(hours=25)
    assert [await accepted(app) for _ in range(3)] == [True, True, True]
    assert len(jwks_site.asked) == 2, "a failure too is tried again after a minute only"
    oauth.later(hours=22, minutes=59)
    assert await accepted(app)
    oauth.later(minutes=2)
    assert not await accepted(app)
    jwks_site.answer = jwks_response(FIRST_KEYS)
    oauth.later(minutes=2)
    assert await accepted(app)


async def test_client_jwks_fetch_that_failed_is_retried_after_one_minute(oauth, app, jwks_site) -> None:
    jwks_site.answer = make_http_response("500 Oops", b"")
    assert [await accepted(app) for _ in range(2)] == [False, False]
    assert len(jwks_site.asked) == 1
    jwks_site.answer = jwks_response(FIRST_KEYS)
    oauth.later(minutes=1)
    assert await accepted(app)


@pytest.mark.parametrize(
    "answer",
    [
        make_http_response("200 OK", b"geen json"),
        make_http_response("200 OK", b"[]"),
        make_http_response("200 OK", b'{"keys": [], "keys": []}'),
        make_http_response("200 OK", b"[" * 60_000),
        make_http_response("404 Not Found", jwks_response(FIRST_KEYS).split(b"\r\n\r\n", 1)[1]),
        make_http_response("302 Found", b"", "Location: https://elders.example/"),
        make_json_response({}),
        make_json_response({"keys": []}),
        make_json_response({"keys": "x"}),
        make_json_response({"keys": [1, None, []]}),
        make_json_response({"keys": [{"kty": []}]}),
        make_json_response({"keys": [{"kty": "oct", "k": "AAAA"}, FIRST_KEYS.jwks["keys"][0]]}),
        make_json_response({"keys": [FIRST_KEYS.private.as_dict(private=True) | {"kid": "app-1"}]}),
        make_json_response({"keys": [FIRST_KEYS.jwks["keys"][0], ROTATED_KEYS.jwks["keys"][0]]}),
        make_json_response({"keys": [FIRST_KEYS.jwks["keys"][0]] * 11}),
        make_json_response({"keys": [FIRST_KEYS.jwks["keys"][0] | {"use": "enc"}]}),
        make_json_response({"keys": [FIRST_KEYS.jwks["keys"][0] | {"alg": "HS256"}]}),
        make_http_response("200 OK", b" " * 65537),
    ],
)
async def test_client_jwks_malformed_is_rejected(oauth, app, jwks_site, answer) -> None:
    jwks_site.answer = answer
    assert not await accepted(app)
    row = await row_of(oauth, app)
    assert (row.fetched_jwks, row.fetch_failed_at) == (None, oauth.clock.now())


async def test_client_jwks_keys_for_other_uses_are_ignored(oauth, app, jwks_site) -> None:
    ours = FIRST_KEYS.jwks["keys"][0]
    others = [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "o"}, ours | {"kid": "v", "use": "enc"}]
    jwks_site.answer = make_json_response({"keys": [*others, ours | {"x5t": "abc", "iat": 1}], "meer": 1})
    assert await accepted(app)
    assert (await row_of(oauth, app)).fetched_jwks == {"keys": [ours]}


async def test_client_jwks_fetch_uses_configured_networks_and_ca(oauth) -> None:
    among = {"fetch_ca_file": make_certificate_authority().file, "allowed_fetch_networks": "127.0.0.0/8, ::1/128"}
    async with serve_site("localhost", answer=jwks_response(FIRST_KEYS)) as site:
        app = await register_app_with_jwks_uri(oauth, f"https://localhost:{site.port}/jwks")
        for changes, trusted in ((among, True), (among | {"fetch_ca_file": None}, False)):
            outbound = build_outbound(Settings(env=Environment.PRODUCTION, **changes))
            replace_services(oauth.service, published_keys=JwksFetcher(oauth.sessions, outbound))
            oauth.later(hours=49)
            assert await accepted(app) is trusted


@pytest.mark.parametrize("address", ["10.0.0.7", "169.254.169.254", "::1", "::ffff:127.0.0.1", "0.0.0.0"])
async def test_ssrf_jwks_uri_at_private_address_is_not_fetched(oauth, app, jwks_site, address) -> None:
    replace_services(oauth.service, published_keys=JwksFetcher(oauth.sessions, make_outbound_client(address)))
    assert not await accepted(app)
    assert jwks_site.connections == 0


async def test_dns_rebinding_on_jwks_refetch_is_blocked(oauth, app, jwks_site) -> None:
    names = NameService([["127.0.0.1"], ["169.254.169.254"]])
    replace_services(oauth.service, published_keys=JwksFetcher(oauth.sessions, make_outbound_client(resolve=names)))
    assert await accepted(app)
    assert names.asked == 1
    oauth.later(hours=25)
    assert await accepted(app), "the older copy still does"
    assert (names.asked, len(jwks_site.asked)) == (2, 1)


async def test_concurrent_requests_fetch_client_jwks_once(app, jwks_site) -> None:
    assert await asyncio.gather(*(accepted(app) for _ in range(6))) == [True] * 6
    assert len(jwks_site.asked) == 1


class Watched(JwksFetcher):
    """Counts the callers."""

    def __init__(self, *given) -> None:
        super().__init__(*given)
        self.came = asyncio.Semaphore(0)

    async def refresh_jwks(self, wanted, at) -> None:
        self.came.release()
        await super().refresh_jwks(wanted, at)


async def test_concurrent_request_waits_for_the_fetch_under_way(oauth, app, jwks_site) -> None:
    keys = Watched(oauth.sessions, make_outbound_client())
    replace_services(oauth.service, published_keys=keys)
    jwks_site.silent = True
    first = asyncio.create_task(accepted(app))
    await jwks_site.called.wait()
    others = [asyncio.create_task(accepted(app)) for _ in range(2)]
    for _ in range(3):
        await keys.came.acquire()
    jwks_site.over.set()
    assert await asyncio.gather(first, *others) == [True] * 3
    assert len(jwks_site.asked) == 1


async def test_request_with_cached_client_jwks_does_not_wait_for_refetch(oauth, app, jwks_site) -> None:
    assert await accepted(app)
    oauth.later(hours=25)
    jwks_site.called.clear()
    jwks_site.silent = True
    first = asyncio.create_task(accepted(app))
    await jwks_site.called.wait()
    assert await accepted(app)
    assert not first.done()
    jwks_site.over.set()
    assert await first


async def test_concurrent_workers_refetch_client_jwks_once(oauth, app, jwks_site) -> None:
    await accepted(app)
    oauth.later(hours=25)
    workers = [JwksFetcher(oauth.sessions, make_outbound_client()) for _ in range(2)]
    wanted = JwksFetchRequired(app.client_id, f"https://{SITE_NAME}:{jwks_site.port}/jwks")
    await asyncio.gather(*(worker.refresh_jwks(wanted, oauth.clock.now()) for worker in workers))
    assert len(jwks_site.asked) == 2


async def test_client_jwks_fetch_from_silent_site_holds_no_database_connection(oauth, database, app, jwks_site) -> None:
    keys = Watched(oauth.sessions, make_outbound_client())
    replace_services(oauth.service, published_keys=keys)
    jwks_site.silent, jwks_site.answer = True, b""
    waiting = [asyncio.create_task(accepted(app)) for _ in range(4)]
    for _ in range(4):
        await keys.came.acquire()
    await jwks_site.called.wait()
    assert database.service.sync_engine.pool.checkedout() == 0
    jwks_site.over.set()
    assert await asyncio.gather(*waiting) == [False] * 4


async def test_client_jwks_fetch_survives_cancellation_of_one_waiter(oauth, app, jwks_site) -> None:
    keys = oauth.service.state.services.published_keys
    wanted = JwksFetchRequired(app.client_id, f"https://{SITE_NAME}:{jwks_site.port}/jwks")
    first = asyncio.create_task(keys.refresh_jwks(wanted, oauth.clock.now()))
    second = asyncio.create_task(keys.refresh_jwks(wanted, oauth.clock.now()))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert (await row_of(oauth, app)).fetched_jwks is not None


async def test_client_jwks_fetch_failed_does_not_consume_the_assertion(oauth, app, jwks_site) -> None:
    """An assertion that could not be verified is accepted once the site is back."""
    jwks_site.answer = make_http_response("500 Oops", b"")
    proof = make_client_assertion(FIRST_KEYS, app.client_id, oauth.clock, exp=int(oauth.clock.now().timestamp()) + 200)
    assert not await accepted(app, client_assertion=proof)
    jwks_site.answer = jwks_response(FIRST_KEYS)
    oauth.later(minutes=1)
    assert await accepted(app, client_assertion=proof)
    assert not await accepted(app, client_assertion=proof)


async def test_client_jwks_of_another_client_is_not_used(oauth, app, jwks_site) -> None:
    await accepted(app)
    other = await register_app_with_jwks_uri(
        oauth, f"https://{SITE_NAME}:{jwks_site.port}/andere", client_name="Andere app"
    )
    jwks_site.answer = jwks_response(ROTATED_KEYS)
    assert not await accepted(other)
    assert await accepted(app)


async def test_enumeration_client_without_fetched_jwks_looks_like_unknown_client(oauth, app, jwks_site) -> None:
    jwks_site.answer = make_http_response("500 Oops", b"")
    replace_services(oauth.service, practice=False)  # outside practice errors are uniform
    refused = await app.post("/revoke", TOKEN)
    app.client_id = "bestaat-niet"
    unknown = await app.post("/revoke", TOKEN)
    assert (refused.status_code, refused.json()) == (unknown.status_code, unknown.json())
    assert await oauth.lines("token:geweigerd") == []


async def test_client_jwks_fetched_from_a_replaced_uri_is_discarded(oauth, app, jwks_site) -> None:
    keys = oauth.service.state.services.published_keys
    await keys.refresh_jwks(
        JwksFetchRequired(app.client_id, f"https://{SITE_NAME}:{jwks_site.port}/eerder"), oauth.clock.now()
    )
    assert (await row_of(oauth, app)).fetched_jwks is None
    assert jwks_site.asked == []
