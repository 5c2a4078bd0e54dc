"""An application with the Berichtenbox: the real routes, people, a machtiging, tokens and letters."""

from __future__ import annotations

import functools
import io
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.access.actor import Actor
from machtiging.access.policy_engine import Policy
from machtiging.access_tokens.tokens import insert_token
from machtiging.agencies.catalogue import upsert_catalogue
from machtiging.berichtenbox.caseload.routes import router as clienten
from machtiging.berichtenbox.machtigingen.routes import router as machtigingen
from machtiging.berichtenbox.routes import BODY_LIMITS, router
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.machtiging_set import MachtigingSet
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.rules import Act
from machtiging.dependencies import attach_services
from machtiging.identity.people import find_or_create_by_bsn
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.ids import MachtigingId, PersonId, uuid7
from machtiging.web import body_limits, direct_routes, headers, language, openapi
from machtiging.web.errors.handlers import install_error_handlers
from machtiging.web.http_methods import head
from tests.builders.applications import API_ISSUER, POLICIES, copy_application, load_policy, make_services
from tests.builders.bearer import make_token_facts, sign_access_token
from tests.builders.keys import load_keyring
from tests.builders.machtiging import build_relative_row, insert_machtiging, update_machtiging
from tests.builders.organisations import add_employee, add_organisation
from tests.builders.rows import JOURNAL_INTAKE

CITIZEN, HELPER, STRANGER = "999990019", "999990020", "999990044"
UWV, SVB = "00000099000000001000", "00000099000000002000"
HELPING = (Act.LIST, Act.READ, Act.DOWNLOAD)


def make_pdf(size: int = 0) -> bytes:
    """The smallest thing that begins and ends as a PDF, filled up to `size` bytes."""
    start, end = b"%PDF-1.7\n", b"\n%%EOF\n"
    return start + b"%" * max(0, size - len(start) - len(end)) + end


def make_bericht(**changes: Any) -> dict[str, Any]:
    """The JSON part of an aanlevering that is in order."""
    values = {
        "ontvanger": {"type": "BSN", "waarde": CITIZEN},
        "dienst": "ww-uitkering",
        "onderwerp": "Uw uitkering gaat veranderen",
        "inhoud": "Beste mevrouw,\n\nUw uitkering verandert op 1 januari.",
        "kenmerk": f"K-{uuid7()}",
    }
    return {name: value for name, value in {**values, **changes}.items() if value is not ...}


def build_upload_parts(
    bericht: dict[str, Any] | str | bytes, *bijlagen: tuple[str, bytes, str]
) -> list[tuple[str, Any]]:
    """The parts of an aanlevering for httpx. The letter, then (name, content, media type) of each bijlage."""
    content = bericht if isinstance(bericht, str | bytes) else json.dumps(bericht)
    files: list[tuple[str, Any]] = [("bericht", (None, content, "application/json"))]
    return files + [("bijlage", (name, io.BytesIO(data), kind)) for name, data, kind in bijlagen]


@dataclass
class BerichtenboxWorld:
    """One application on one database, with the clock in hand."""

    app: FastAPI
    sessions: async_sessionmaker[AsyncSession]
    clock: Any
    keyring: KeyRing
    policy: Policy
    citizen: PersonId
    helper: PersonId

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """Somebody who asks, with this token."""
        given = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=API_ISSUER, headers=given)

    async def issue_token(
        self,
        person: PersonId | None = None,
        *,
        under: MachtigingId | None = None,
        oin: str | None = None,
        acts: tuple[Act, ...] = tuple(Act),
        assurance: Assurance = Assurance.SUBSTANTIAL,
        organisation_kvk: str | None = None,
        several: MachtigingSet | None = None,
    ) -> str:
        """An access token as the authorization server would issue it. `several`: for these machtigingen."""
        facts = make_token_facts(
            self.clock.now(),
            client_id=f"client-{oin or 'app'}",
            person_id=person,
            machtiging_id=under,
            oin=oin,
            scope="aanleveringen:schrijven" if oin else "berichten:lezen",
            acts=frozenset(acts),
            assurance=assurance,
            organisation_kvk=organisation_kvk,
            **({} if several is None else {"representation_set": several.to_json(), "grant_id": uuid7()}),
        )
        async with self.sessions.begin() as session:
            await insert_token(session, facts)
        return sign_access_token(facts, keyring=self.keyring, nbf=int(facts.issued_at.timestamp()))

    async def grant_machtiging(self, kvk: str | None = None, **changes: Any) -> MachtigingId:
        """An active machtiging from citizen to helper, for all that is at most sensitive.

        With `kvk` to a recognised organisation, and assigned to helper. Returns what helper holds.
        """
        machtiging_id = MachtigingId(uuid7())
        row = self.machtiging_row(machtiging_id) | changes
        async with self.sessions.begin() as session:
            if kvk is None:
                await insert_machtiging(session, **row)
                return machtiging_id
            organisation_id = await add_organisation(session, kvk)
            employee_id = await add_employee(session, organisation_id, self.helper, starts_at=row["offered_at"])
            await insert_machtiging(session, **(row | {"gemachtigde_id": organisation_id}))
            link = {"id": uuid7(), "parent_id": machtiging_id, "gemachtigde_id": None, "employee_id": employee_id}
            return await insert_machtiging(session, **(row | link))

    def machtiging_row(self, machtiging_id: UUID) -> dict[str, Any]:
        """The values of an active machtiging from citizen to helper."""
        return {"id": machtiging_id, **build_relative_row(self.citizen, self.helper, self.clock.now())}

    async def revoke(self, machtiging_id: MachtigingId) -> None:
        """End the machtiging, as the citizen does, and nothing else."""
        ending = {"state": "ended", "ended_at": self.clock.now(), "end_reason": "ingetrokken"}
        async with self.sessions.begin() as session:
            await update_machtiging(session, machtiging_id, **ending)

    async def pause(self, machtiging_id: MachtigingId) -> None:
        """Pause the machtiging, as the citizen does, and nothing else."""
        async with self.sessions.begin() as session:
            await update_machtiging(session, machtiging_id, state="paused", paused_at=self.clock.now())

    async def resume(self, machtiging_id: MachtigingId) -> None:
        """Resume the machtiging, as the citizen does, and nothing else."""
        async with self.sessions.begin() as session:
            await update_machtiging(session, machtiging_id, state="active", paused_at=None)

    async def issue_helper_token(self, **changes: Any) -> str:
        """A token of the helper under a fresh machtiging."""
        return await self.issue_token(self.helper, under=await self.grant_machtiging(**changes), acts=HELPING)

    async def actor(self, machtiging_id: MachtigingId, acts: tuple[Act, ...] = HELPING) -> Actor:
        """The helper under this machtiging, without a token."""
        async with self.sessions.begin() as session:
            held = await load_authority(session, machtiging_id)
        return Actor(self.helper, held, Assurance.SUBSTANTIAL, frozenset(acts), "client-app", None)

    async def deliver_letter(self, *bijlagen: tuple[str, bytes, str], oin: str = UWV, **changes: Any) -> str:
        """Deliver a letter over HTTP; returns its id."""
        async with self.client(await self.issue_token(oin=oin)) as client:
            answer = await client.post(
                "/api/v1/aanleveringen", files=build_upload_parts(make_bericht(**changes), *bijlagen)
            )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["berichtId"])

    async def reasons(self, act: str) -> list[str]:
        """The reasons in the journal for this act, oldest first."""
        return await JOURNAL_INTAKE.read_column(self, "reason", act=act)


async def make_api_world(database: Any, clock: Any, *, worker: str = "") -> BerichtenboxWorld:
    """An application with a citizen and a helper, the catalogue loaded, the real policy.

    `worker`: with routes and a policy that only this worker has, and not the other applications in this process.
    """
    keyring, sessions = load_keyring(), database.sessions
    async with sessions.begin() as session:
        await upsert_catalogue(session)
        citizen = await find_or_create_by_bsn(session, keyring, Bsn(CITIZEN), at=clock.now())
        helper = await find_or_create_by_bsn(session, keyring, Bsn(HELPER), at=clock.now())
    app = copy_application(_assembled(worker), sessions=sessions, clock=clock)
    return BerichtenboxWorld(app, sessions, clock, keyring, app.state.services.policy, citizen, helper)


@functools.cache
def _assembled(worker: str) -> FastAPI:
    app = FastAPI(openapi_url=None)
    attach_services(app, make_services(issuer=API_ISSUER, policy=Policy.load(POLICIES) if worker else load_policy()))
    app.include_router(router)
    app.include_router(machtigingen)
    app.include_router(clienten)
    openapi.install(app, issuer=API_ISSUER)
    install_error_handlers(app)
    body_limits.install(app, max_bytes_by_path=BODY_LIMITS)
    direct_routes.install(app)
    head.install(app)
    language.install(app)
    headers.install(app, issuer=API_ISSUER)
    return app
