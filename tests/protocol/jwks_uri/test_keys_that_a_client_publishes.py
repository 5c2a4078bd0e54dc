"""`jwks_uri`: keys are fetched when they are needed, kept for a while, and never trusted longer than that."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from machtiging.app import outbound_of
from machtiging.oauth.clients.fetched import KeysWanted
from machtiging.oauth.registration.published import PublishedKeys
from machtiging.settings import Environment, Settings
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.clients import assertion, code_client, make_client_keys
from tests.builders.request_object import request_object
from tests.builders.sites import NAME, Names, a_site, a_visitor, an_authority, http, json_answer

ONE, OTHER = make_client_keys(), make_client_keys()
TOKEN = {"token": "x"}


def published(*pairs, names=("app-1", "app-2")) -> bytes:
    keys = [pair.jwks["keys"][0] | {"kid": name} for pair, name in zip(pairs, names, strict=False)]
    return json_answer({"keys": keys})


@pytest.fixture
async def site():
    async with a_site(answer=published(ONE)) as opened:
        yield opened


@pytest.fixture
async def app(oauth, site):
    """An app that publishes its keys at a site that may be visited."""
    oauth.service.state.published_keys = PublishedKeys(oauth.sessions, a_visitor())
    return await publishing(oauth, f"https://{NAME}:{site.port}/jwks")


async def publishing(oauth, uri, **changes):
    metadata = code_client(ONE, jwks_uri=uri, **changes)
    del metadata["jwks"]
    return await oauth.add(metadata, ONE)


async def accepted(app, **changes) -> bool:
    answer = await app.post("/revoke", TOKEN, **changes)
    if answer.status_code != 200:
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    return answer.status_code == 200


async def row_of(oauth, app):
    async with unit_of_work(oauth.sessions) as session:
        wanted = text("SELECT fetched_jwks, fetched_at, fetch_failed_at FROM oauth_client WHERE client_id = :id")
        return (await session.execute(wanted, {"id": app.client_id})).one()


async def test_the_first_time_they_are_fetched_and_after_that_they_are_at_hand(oauth, app, site) -> None:
    assert [await accepted(app) for _ in range(3)] == [True, True, True]
    assert len(site.asked) == 1
    assert site.asked[0].startswith("GET /jwks ")
    assert (await row_of(oauth, app)).fetch_failed_at is None


@pytest.mark.parametrize("path", ["/token", "/par", "/introspect", "/revoke"])
async def test_every_endpoint_fetches_them(app, site, path) -> None:
    answer = await app.post(path, {"token": "x", "grant_type": "authorization_code", "code": "x"})
    assert answer.status_code in (200, 400), answer.text
    assert len(site.asked) == 1


async def test_a_whole_flow_with_published_keys(oauth, app) -> None:
    flow = await oauth.flow(app)
    assert "access_token" in await flow.tokens()


async def test_a_request_object_is_checked_with_published_keys_too(oauth, app, site) -> None:
    flow = await oauth.request(app)
    assert await accepted(app)
    oauth.later(minutes=2)
    site.answer = published(ONE, OTHER)
    made = request_object(flow, header={"kid": "app-2"}, key=OTHER.private)
    answer = await app.post("/par", {"request": made})
    assert answer.status_code == 201, answer.text
    assert len(site.asked) == 2
    forged = request_object(flow, header={"kid": "app-2"}, key=ONE.private)
    assert (await app.post("/par", {"request": forged})).json()["error"] == "invalid_request_object"


async def test_a_new_key_is_found_because_its_kid_is_unknown(oauth, app, site) -> None:
    assert await accepted(app)
    oauth.later(minutes=2)
    site.answer = published(ONE, OTHER)
    app.keys = OTHER
    proof = assertion(OTHER, app.client_id, oauth.clock, header={"kid": "app-2"})
    assert await accepted(app, client_assertion=proof)
    assert len(site.asked) == 2


async def test_who_makes_up_kids_makes_us_look_once_a_minute_and_no_more(oauth, app, site) -> None:
    assert await accepted(app)
    for _ in range(3):
        proof = assertion(ONE, app.client_id, oauth.clock, header={"kid": "verzonnen"})
        assert not await accepted(app, client_assertion=proof)
    assert len(site.asked) == 1
    oauth.later(seconds=60)
    for _ in range(3):
        proof = assertion(ONE, app.client_id, oauth.clock, header={"kid": "verzonnen"})
        assert not await accepted(app, client_assertion=proof)
    assert len(site.asked) == 2


async def test_a_key_that_was_taken_down_is_good_for_a_day_at_most(oauth, app, site) -> None:
    assert await accepted(app)
    site.answer = published(OTHER, names=("app-9",))
    oauth.later(hours=23, minutes=59)
    assert await accepted(app)
    oauth.later(minutes=1)
    assert not await accepted(app)
    assert len(site.asked) == 2


async def test_a_site_that_is_away_is_forgiven_for_a_day_and_then_nothing_is_trusted(oauth, app, site) -> None:
    assert await accepted(app)
    site.answer = http("503 Service Unavailable", b"")
    oauth.later(hours=25)
    assert [await accepted(app) for _ in range(3)] == [True, True, True]
    assert len(site.asked) == 2, "a failure too is tried again after a minute only"
    oauth.later(hours=22, minutes=59)
    assert await accepted(app)
    oauth.later(minutes=2)
    assert not await accepted(app)
    site.answer = published(ONE)
    oauth.later(minutes=2)
    assert await accepted(app)


async def test_a_site_that_was_away_the_first_time_is_asked_again_after_a_minute(oauth, app, site) -> None:
    site.answer = http("500 Oops", b"")
    assert [await accepted(app) for _ in range(2)] == [False, False]
    assert len(site.asked) == 1
    site.answer = published(ONE)
    oauth.later(minutes=1)
    assert await accepted(app)


@pytest.mark.parametrize(
    "answer",
    [
        http("200 OK", b"geen json"),
        http("200 OK", b"[]"),
        http("200 OK", b'{"keys": [], "keys": []}'),
        http("200 OK", b"[" * 60_000),
        http("404 Not Found", published(ONE).split(b"\r\n\r\n", 1)[1]),
        http("302 Found", b"", "Location: https://elders.example/"),
        json_answer({}),
        json_answer({"keys": []}),
        json_answer({"keys": "x"}),
        json_answer({"keys": [1, None, []]}),
        json_answer({"keys": [{"kty": []}]}),
        json_answer({"keys": [{"kty": "oct", "k": "AAAA"}, ONE.jwks["keys"][0]]}),
        json_answer({"keys": [ONE.private.as_dict(private=True) | {"kid": "app-1"}]}),
        json_answer({"keys": [ONE.jwks["keys"][0], OTHER.jwks["keys"][0]]}),
        json_answer({"keys": [ONE.jwks["keys"][0]] * 11}),
        json_answer({"keys": [ONE.jwks["keys"][0] | {"use": "enc"}]}),
        json_answer({"keys": [ONE.jwks["keys"][0] | {"alg": "HS256"}]}),
        http("200 OK", b" " * 65537),
    ],
)
async def test_what_is_no_set_of_keys_that_we_can_use_is_not_used(oauth, app, site, answer) -> None:
    site.answer = answer
    assert not await accepted(app)
    row = await row_of(oauth, app)
    assert (row.fetched_jwks, row.fetch_failed_at) == (None, oauth.clock.now())


async def test_keys_for_other_uses_and_members_we_do_not_read_are_left_out(oauth, app, site) -> None:
    ours = ONE.jwks["keys"][0]
    others = [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "o"}, ours | {"kid": "v", "use": "enc"}]
    site.answer = json_answer({"keys": [*others, ours | {"x5t": "abc", "iat": 1}], "meer": 1})
    assert await accepted(app)
    assert (await row_of(oauth, app)).fetched_jwks == {"keys": [ours]}


async def test_where_and_under_which_authority_they_are_fetched_is_said_by_the_settings(oauth) -> None:
    among = {"fetch_ca_file": an_authority().file, "allowed_fetch_networks": "127.0.0.0/8, ::1/128"}
    async with a_site("localhost", answer=published(ONE)) as site:
        app = await publishing(oauth, f"https://localhost:{site.port}/jwks")
        for changes, trusted in ((among, True), (among | {"fetch_ca_file": None}, False)):
            outbound = outbound_of(Settings(env=Environment.PRODUCTION, **changes))
            oauth.service.state.published_keys = PublishedKeys(oauth.sessions, outbound)
            oauth.later(hours=49)
            assert await accepted(app) is trusted


@pytest.mark.parametrize("address", ["10.0.0.7", "169.254.169.254", "::1", "::ffff:127.0.0.1", "0.0.0.0"])
async def test_an_address_inside_is_never_visited(oauth, app, site, address) -> None:
    oauth.service.state.published_keys = PublishedKeys(oauth.sessions, a_visitor(address))
    assert not await accepted(app)
    assert site.connections == 0


async def test_a_name_that_turns_inside_on_the_second_look_leads_nowhere(oauth, app, site) -> None:
    names = Names([["127.0.0.1"], ["169.254.169.254"]])
    oauth.service.state.published_keys = PublishedKeys(oauth.sessions, a_visitor(resolve=names))
    assert await accepted(app)
    assert names.asked == 1
    oauth.later(hours=25)
    assert await accepted(app), "the older copy still does"
    assert (names.asked, len(site.asked)) == (2, 1)


async def test_many_at_once_make_one_visit(app, site) -> None:
    assert await asyncio.gather(*(accepted(app) for _ in range(6))) == [True] * 6
    assert len(site.asked) == 1


class Watched(PublishedKeys):
    """Tells how many came to it."""

    def __init__(self, *given) -> None:
        super().__init__(*given)
        self.came = asyncio.Semaphore(0)

    async def look(self, wanted, at) -> None:
        self.came.release()
        await super().look(wanted, at)


async def test_who_comes_while_somebody_is_on_his_way_waits_for_him(oauth, app, site) -> None:
    oauth.service.state.published_keys = keys = Watched(oauth.sessions, a_visitor())
    site.silent = True
    first = asyncio.create_task(accepted(app))
    await site.called.wait()
    others = [asyncio.create_task(accepted(app)) for _ in range(2)]
    for _ in range(3):
        await keys.came.acquire()
    site.over.set()
    assert await asyncio.gather(first, *others) == [True] * 3
    assert len(site.asked) == 1


async def test_who_has_an_older_copy_that_still_does_waits_for_nobody(oauth, app, site) -> None:
    assert await accepted(app)
    oauth.later(hours=25)
    site.called.clear()
    site.silent = True
    first = asyncio.create_task(accepted(app))
    await site.called.wait()
    assert await accepted(app)
    assert not first.done()
    site.over.set()
    assert await first


async def test_of_two_workers_one_goes(oauth, app, site) -> None:
    await accepted(app)
    oauth.later(hours=25)
    workers = [PublishedKeys(oauth.sessions, a_visitor()) for _ in range(2)]
    wanted = KeysWanted(app.client_id, f"https://{NAME}:{site.port}/jwks")
    await asyncio.gather(*(worker.look(wanted, oauth.clock.now()) for worker in workers))
    assert len(site.asked) == 2


async def test_while_a_site_keeps_silent_no_connection_to_the_database_is_held(oauth, database, app, site) -> None:
    oauth.service.state.published_keys = keys = Watched(oauth.sessions, a_visitor())
    site.silent, site.answer = True, b""
    waiting = [asyncio.create_task(accepted(app)) for _ in range(4)]
    for _ in range(4):
        await keys.came.acquire()
    await site.called.wait()
    assert database.service.sync_engine.pool.checkedout() == 0
    site.over.set()
    assert await asyncio.gather(*waiting) == [False] * 4


async def test_who_hangs_up_does_not_take_the_answer_from_the_others(oauth, app, site) -> None:
    keys = oauth.service.state.published_keys
    wanted = KeysWanted(app.client_id, f"https://{NAME}:{site.port}/jwks")
    first = asyncio.create_task(keys.look(wanted, oauth.clock.now()))
    second = asyncio.create_task(keys.look(wanted, oauth.clock.now()))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert (await row_of(oauth, app)).fetched_jwks is not None


async def test_a_refused_visit_uses_nothing_up(oauth, app, site) -> None:
    """The assertion that could not be checked was not taken either: the same one is good when the site is back."""
    site.answer = http("500 Oops", b"")
    proof = assertion(ONE, app.client_id, oauth.clock, exp=int(oauth.clock.now().timestamp()) + 200)
    assert not await accepted(app, client_assertion=proof)
    site.answer = published(ONE)
    oauth.later(minutes=1)
    assert await accepted(app, client_assertion=proof)
    assert not await accepted(app, client_assertion=proof)


async def test_one_clients_keys_are_no_use_for_another(oauth, app, site) -> None:
    await accepted(app)
    other = await publishing(oauth, f"https://{NAME}:{site.port}/andere", client_name="Andere app")
    site.answer = published(OTHER)
    assert not await accepted(other)
    assert await accepted(app)


async def test_a_client_without_keys_at_hand_looks_like_an_unknown_one(oauth, app, site) -> None:
    site.answer = http("500 Oops", b"")
    oauth.service.state.practice = False  # where no answer tells which clients exist
    refused = await app.post("/revoke", TOKEN)
    app.client_id = "bestaat-niet"
    unknown = await app.post("/revoke", TOKEN)
    assert (refused.status_code, refused.json()) == (unknown.status_code, unknown.json())
    assert await oauth.lines("token:geweigerd") == []


async def test_a_visit_that_ends_after_the_address_changed_is_not_kept(oauth, app, site) -> None:
    keys = oauth.service.state.published_keys
    await keys.look(KeysWanted(app.client_id, f"https://{NAME}:{site.port}/eerder"), oauth.clock.now())
    assert (await row_of(oauth, app)).fetched_jwks is None
    assert site.asked == []
