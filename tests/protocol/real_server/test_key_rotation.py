"""Key rotation under a running service. Earlier tokens stay valid, new tokens use the new key, no restart."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from machtiging.crypto.key_manifest import KeyKind
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.rotation import MIN_PUBLICATION_TIME, rotate_key
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Fault
from machtiging.oauth.register_client import register_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import copy_application
from tests.builders.client import make_agency_metadata, make_app_metadata, make_client_assertion, make_client_keys
from tests.builders.keys import make_key_directory
from tests.builders.letters import UWV
from tests.builders.messages import ASSERTION_TYPE
from tests.builders.portal import assemble_service
from tests.builders.server import (
    make_certificate_authority,
    make_full_application_world,
    make_json_response,
    serve_application,
    serve_site,
)
from tests.protocol.real_server.serve_process import wait_until

PAIR = make_client_keys()


async def world_with_an_agency(database, place, **settings):
    world = await make_full_application_world(database.url, SystemClock(), place, **settings)
    async with unit_of_work(world.sessions) as session:
        metadata = make_agency_metadata(PAIR, client_id="postkamer")
        await register_client(
            session, metadata, detail_type="berichtenbox", oin=UWV, at=world.clock.now(), practice=True
        )
    return world


def credentials(world, client_id="postkamer"):
    proof = make_client_assertion(PAIR, client_id, world.clock, aud=world.app.state.services.issuer)
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": proof}


async def request_token(service_client, world) -> str:
    answer = await service_client.post("/token", data={"grant_type": "client_credentials", **credentials(world)})
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def kid_of(token) -> str:
    part = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["kid"]


@pytest.fixture
def keyring(tmp_path):
    return KeyRing.load(make_key_directory(tmp_path / "keys"))


@pytest.fixture
async def service_client(database, keyring):
    app = copy_application(assemble_service(), keyring=keyring, sessions=database.sessions, clock=SystemClock())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=app.state.services.issuer) as opened:
        yield opened


async def test_jwks_cache_lifetime_is_shorter_than_publication_before_signing(service_client):
    kept = (await service_client.get("/jwks")).headers["cache-control"].rpartition("max-age=")[2]
    assert timedelta(seconds=int(kept)) < MIN_PUBLICATION_TIME


async def test_rotated_key_was_published_before_it_signs(service_client, keyring, tmp_path):
    published = {key["kid"] for key in (await service_client.get("/jwks")).json()["keys"]}
    before = kid_of(keyring.sign_jwt({}, typ="at+jwt", alg="ES256"))
    rotate_key(tmp_path / "keys", KeyKind.ES256, datetime.now(UTC))
    keyring.reload_if_changed()
    after = kid_of(keyring.sign_jwt({}, typ="at+jwt", alg="ES256"))
    assert {before, after} <= published
    assert before != after
    assert published < {key["kid"] for key in (await service_client.get("/jwks")).json()["keys"]}


async def test_unreadable_keyring_is_a_warning_and_service_stays_ready(service_client, keyring, tmp_path):
    manifest = tmp_path / "keys" / "keys.json"
    whole = manifest.read_text()
    no_worker = (await service_client.get("/health/ready")).json()["waarschuwingen"]
    assert no_worker.keys() == {"werker"}  # none runs here
    manifest.write_text("{")
    with pytest.raises(Fault, match="sleutelbos_onleesbaar"):
        keyring.reload_if_changed()
    told = await service_client.get("/health/ready")
    assert told.status_code == 200
    unreadable = {"sleutels": "de nieuwe zijn niet leesbaar (sleutelbos_onleesbaar)"}
    assert told.json()["waarschuwingen"] == no_worker | unreadable
    manifest.write_text(whole)
    keyring.reload_if_changed()
    assert (await service_client.get("/health/ready")).json()["waarschuwingen"] == no_worker


@pytest.mark.whole
async def test_token_signed_before_rotation_stays_valid(database, tmp_path):
    world = await world_with_an_agency(database, tmp_path)
    async with serve_application(world.app) as service, service.client() as http:
        answer = await http.get("/jwks")
        published = {key["kid"] for key in answer.json()["keys"]}
        kept = timedelta(seconds=int(answer.headers["cache-control"].rpartition("max-age=")[2]))
        assert kept < MIN_PUBLICATION_TIME, "nobody's copy is older than a key that signs"
        before = await request_token(http, world)

        async def active(token) -> bool:
            answer = await http.post("/introspect", data={"token": token, **credentials(world)})
            return answer.json()["active"]

        assert await active(before)
        rotate_key(tmp_path / "keys", KeyKind.ES256, datetime.now(UTC))

        async def rotated() -> bool:
            return kid_of(await request_token(http, world)) != kid_of(before)

        await wait_until(rotated)
        after = await request_token(http, world)
        assert kid_of(after) in published
        assert await active(before)
        assert await active(after)
        now = {key["kid"] for key in (await http.get("/jwks")).json()["keys"]}
        assert published < now, "all of before, and the next one"


@pytest.mark.whole
async def test_broken_keyring_under_running_service_is_reported_by_health(database, tmp_path):
    world = await world_with_an_agency(database, tmp_path)
    async with serve_application(world.app) as service, service.client() as http:
        assert "waarschuwingen" not in (await http.get("/health/ready")).json()
        manifest = tmp_path / "keys" / "keys.json"
        whole = manifest.read_text()
        manifest.write_text("{")

        async def warned() -> bool:
            return "waarschuwingen" in (await http.get("/health/ready")).json()

        await wait_until(warned)
        told = await http.get("/health/ready")
        assert told.status_code == 200, "with the older keys everything still works"
        assert told.json()["waarschuwingen"] == {"sleutels": "de nieuwe zijn niet leesbaar (sleutelbos_onleesbaar)"}
        assert await request_token(http, world)
        manifest.write_text(whole)

        async def mended() -> bool:
            return not await warned()

        await wait_until(mended)


@pytest.mark.whole
async def test_assembled_service_fetches_client_jwks(database, tmp_path):
    """Over TLS with a configured CA, from loopback, which a setting allows."""
    changes = {"fetch_ca_file": make_certificate_authority().file, "allowed_fetch_networks": "127.0.0.0/8, ::1/128"}
    world = await world_with_an_agency(database, tmp_path, **changes)
    async with (
        serve_site("localhost", answer=make_json_response(PAIR.jwks)) as site,
        serve_application(world.app) as service,
        service.client() as http,
    ):
        metadata = make_app_metadata(PAIR, client_id="leesapp", jwks_uri=f"https://localhost:{site.port}/jwks")
        del metadata["jwks"]
        async with unit_of_work(world.sessions) as session:
            await register_client(
                session, metadata, detail_type="berichtenbox", oin=None, at=world.clock.now(), practice=True
            )
        for _ in range(2):
            answer = await http.post("/revoke", data={"token": "x", **credentials(world, "leesapp")})
            assert answer.status_code == 200, answer.text
        assert len(site.asked) == 1
