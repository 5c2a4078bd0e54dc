"""The assembled service (`create_app`): session ends create logout notices, and a background task sends them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI

from machtiging.crypto.keyring import KeyRing
from machtiging.identity.session import EndedSession
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import PersonId
from machtiging.oauth.register_client import register_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import copy_application, replace_services
from tests.builders.client import make_app_metadata
from tests.builders.keys import make_key_directory
from tests.builders.machtiging import Committed
from tests.builders.people import make_broker, start_login_session
from tests.builders.portal import assemble_service
from tests.builders.rows import LOGOUT_NOTICES
from tests.builders.server import make_full_application_world
from tests.builders.tokens import insert_grant
from tests.protocol.backchannel_logout.logout_receiver import LogoutReceiver


@pytest.fixture
async def person_id(database):
    return (await Committed.begin(database)).people.mother


@pytest.fixture
def application(database, clock, tmp_path) -> FastAPI:
    """The assembled application, not started, on the database of this test."""
    made = copy_application(
        assemble_service(),
        clock=clock,
        keyring=KeyRing.load(make_key_directory(tmp_path / "keys")),
        sessions=database.sessions,
        sealer_engine=database.sealer,
        engines=(),
    )
    replace_services(made, broker=make_broker(None))
    return made


async def store_app_consent(application: FastAPI, person: PersonId, sid: UUID, uri: str) -> None:
    """Store a consent of this session for a client with this backchannel_logout_uri."""
    at = application.state.services.clock.now()
    async with unit_of_work(application.state.services.sessions) as session:
        metadata = make_app_metadata(None, backchannel_logout_uri=uri)
        client = (await register_client(session, metadata, detail_type="berichtenbox", oin=None, at=at, practice=True))[
            "client_id"
        ]
        await insert_grant(session, client, person, None, at=at, session_id=sid)


async def logs_in(application: FastAPI, person: PersonId, sid: UUID) -> None:
    await start_login_session(application.state.services, person, Assurance.HIGH, sid=sid)


async def session_ends(application: FastAPI, person: PersonId, sid: UUID) -> None:
    async with unit_of_work(application.state.services.sessions) as session:
        await application.state.services.on_session_end(
            session, EndedSession(person, sid), at=application.state.services.clock.now()
        )


async def await_logout_token(receiver: LogoutReceiver) -> None:
    async with asyncio.timeout(60):
        await receiver.arrived.wait()
    assert receiver.came[0].keys() == {"logout_token"}


async def wait_for_logout_notice(application: FastAPI) -> None:
    """Wait until a logout notice is stored."""
    async with asyncio.timeout(60), application.state.services.sessions() as session:
        while not await LOGOUT_NOTICES.count(session):
            await session.rollback()
            await asyncio.sleep(0.005)


async def test_service_at_startup_sends_pending_logout_tokens(application, person_id, receiver) -> None:
    sid = uuid4()
    await store_app_consent(application, person_id, sid, receiver.uri)
    await session_ends(application, person_id, sid)
    async with application.router.lifespan_context(application):
        await await_logout_token(receiver)


async def test_service_at_startup_records_expired_sessions(application, clock, person_id, receiver) -> None:
    sid = uuid4()
    await logs_in(application, person_id, sid)
    await store_app_consent(application, person_id, sid, receiver.uri)
    clock.advance(timedelta(days=1))
    async with application.router.lifespan_context(application):
        await wait_for_logout_notice(application)


@pytest.mark.whole
async def test_running_service_sends_logout_token_after_logout(database, clock, tmp_path, receiver) -> None:
    world, sid = await make_full_application_world(database.url, clock, tmp_path), uuid4()
    async with world.app.router.lifespan_context(world.app):
        await store_app_consent(world.app, world.citizen, sid, receiver.uri)
        await session_ends(world.app, world.citizen, sid)
        await await_logout_token(receiver)


@pytest.mark.whole
async def test_running_service_sends_logout_token_after_session_expiry(database, clock, tmp_path, receiver) -> None:
    world, sid = await make_full_application_world(database.url, clock, tmp_path), uuid4()
    await logs_in(world.app, world.citizen, sid)
    await store_app_consent(world.app, world.citizen, sid, receiver.uri)
    clock.advance(timedelta(days=1))
    async with world.app.router.lifespan_context(world.app):
        await await_logout_token(receiver)
