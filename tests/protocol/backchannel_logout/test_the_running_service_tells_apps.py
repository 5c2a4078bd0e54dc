"""What `create_app` joins: the end of a session reaches the authorization server, and a sender runs beside it."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from sqlalchemy import text

from machtiging.identity.session import Over
from machtiging.oauth.register_client import register
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.oauth import code_client
from tests.builders.openid import Receiver
from tests.builders.real_server import an_assembled_world

GRANT = """
INSERT INTO oauth_grant (id, client_id, person_id, authorization_details, scope, assurance, authenticated_at,
                         created_at, session_id)
VALUES (gen_random_uuid(), :client, :who, '[]', 'openid', 'substantieel', :at, :at, :sid)
"""


async def test_an_app_hears_of_a_logout_from_the_service_as_it_is_run(database, clock, tmp_path) -> None:
    receiver = await Receiver().open()
    world = await an_assembled_world(database.url, clock, tmp_path)
    over, at = Over(world.citizen, uuid4()), clock.now()
    async with world.app.router.lifespan_context(world.app):
        async with unit_of_work(world.sessions) as session:
            metadata = code_client(None, backchannel_logout_uri=receiver.uri)
            client = (await register(session, metadata, oin=None, at=at, practice=True))["client_id"]
            await session.execute(text(GRANT), {"client": client, "who": over.person_id, "at": at, "sid": over.sid})
            await world.app.state.on_session_end(session, over, at=at)
        async with asyncio.timeout(10):
            await receiver.arrived.wait()
    assert receiver.came[0].keys() == {"logout_token"}
    await receiver.close()
