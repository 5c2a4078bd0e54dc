"""An application with only the two bearer doors; good and forged tokens for them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import FastAPI, Request

from machtiging.access.bearer import Agency, TokenUser
from machtiging.access.guard import issue_permit
from machtiging.access.verdict import AccessTarget
from machtiging.access_tokens.issued_token import IssuedTokenFacts, api_audience
from machtiging.access_tokens.sender_constraint.binding import cnf_claim
from machtiging.access_tokens.tokens import insert_token
from machtiging.berichtenbox.authorization_details.rules import build_authorization_details
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.machtiging_set import read_machtiging_set
from machtiging.delegation.rules import Act, Machtiging
from machtiging.dependencies import attach_services
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import BerichtId, PersonId, TokenId, uuid7
from machtiging.storage.engine import make_engine, make_sessions
from machtiging.storage.unit_of_work import Transaction, unit_of_work
from machtiging.web.errors.handlers import install_error_handlers
from tests.builders.applications import API_ISSUER, copy_application, load_policy, make_services
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import grant_machtiging, make_envelope, make_machtiging
from tests.builders.people import People, add_mother_and_son
from tests.builders.rows import JOURNAL_INTAKE

OIN = "00000099000000001000"
POLICY = load_policy()
READ, DELIVER = "/api/v1/proef/lezen", "/api/v1/proef/aanleveren"


def make_letter_target(of: PersonId | None, **changes: Any) -> AccessTarget:
    """An ordinary letter to this person."""
    bericht_id = BerichtId(uuid7())
    return AccessTarget("bericht", str(bericht_id), bericht_id, of, make_envelope(**changes))


def make_bearer_application(database: Any, clock: Any, mother: PersonId) -> FastAPI:
    """Behind `READ` lies one letter to mother; behind `DELIVER` the OIN of whoever knocks."""
    app = copy_application(_assembled(), sessions=database.sessions, clock=clock)
    app.state.mother = mother
    return app


@functools.cache
def _assembled() -> FastAPI:
    app = FastAPI()
    install_error_handlers(app)
    attach_services(app, make_services(issuer=API_ISSUER, policy=POLICY))

    @app.get(READ)
    async def read(request: Request, actor: TokenUser, session: Transaction) -> dict[str, str]:
        target = make_letter_target(request.app.state.mother)
        permit = await issue_permit(session, POLICY, actor, Act.READ, target, at=request.app.state.services.clock.now())
        return {"wie": str(permit.actor_id), "voor": str(permit.vertegenwoordigde_id), "als": permit.capacity}

    @app.get(DELIVER)
    async def deliver(sender: Agency) -> dict[str, str]:
        return {"oin": sender.oin}

    return app


def make_token_facts(at: datetime = NOON, **changes: Any) -> IssuedTokenFacts:
    """Ten minutes for a reading app. Say whose it is."""
    facts = IssuedTokenFacts(
        id=TokenId(uuid7()),
        client_id="leesapp",
        grant_id=None,
        person_id=None,
        machtiging_id=None,
        oin=None,
        scope="openid",
        acts=frozenset({Act.LIST, Act.READ}),
        assurance=Assurance.SUBSTANTIAL,
        issued_at=at,
        expires_at=at + timedelta(minutes=10),
    )
    return replace(facts, **changes)


def build_token_claims(facts: IssuedTokenFacts) -> dict[str, Any]:
    """The claims of an access token (RFC 9068)."""
    return {
        "iss": API_ISSUER,
        "sub": "pseudoniem",
        "aud": api_audience(API_ISSUER),
        "iat": int(facts.issued_at.timestamp()),
        "exp": int(facts.expires_at.timestamp()),
        "jti": str(facts.id),
        "client_id": facts.client_id,
        "scope": facts.scope,
        **build_grant_claims(facts),
    }


def build_grant_claims(facts: IssuedTokenFacts) -> dict[str, Any]:
    """Claims for the binding, the person and the acts, as in an issued token."""
    claims: dict[str, Any] = {} if facts.oin is None else {"oin": facts.oin}
    if facts.acts:
        several = None if facts.representation_set is None else read_machtiging_set(facts.representation_set)
        claims["authorization_details"] = build_authorization_details(facts.machtiging_id, facts.acts, several)
    return claims | ({"cnf": cnf_claim(facts)} if cnf_claim(facts) else {})


def sign_access_token(
    facts: IssuedTokenFacts, *, keyring: KeyRing | None = None, typ: str = "at+jwt", **claims: Any
) -> str:
    """The token, signed with this key ring or the one of all tests. A claim of `...` is left out."""
    wanted = {**build_token_claims(facts), **claims}
    return (keyring or load_keyring()).sign_jwt(
        {name: value for name, value in wanted.items() if value is not ...}, typ=typ
    )


@dataclass
class BearerWorld:
    """Mother, son, a machtiging between them and an agency, each with a good token."""

    database: Any
    clock: Any
    app: FastAPI
    people: People
    machtiging: Machtiging
    helper: IssuedTokenFacts
    own: IssuedTokenFacts
    agency: IssuedTokenFacts

    @classmethod
    async def build(cls, database: Any, clock: Any, **terms: Any) -> BearerWorld:
        async with unit_of_work(database.sessions) as session:
            people = await add_mother_and_son(session)
            machtiging = await grant_machtiging(session, people, **terms)
            helper = make_token_facts(person_id=people.son, machtiging_id=machtiging.id)
            own = make_token_facts(person_id=people.mother)
            agency = make_token_facts(oin=OIN, acts=frozenset(), scope="aanleveringen:schrijven", client_id="afnemer")
            for facts in (helper, own, agency):
                await insert_token(session, facts)
        app = make_bearer_application(database, clock, people.mother)
        return cls(database, clock, app, people, machtiging, helper, own, agency)

    @classmethod
    def without_database(cls, clock: Any) -> BearerWorld:
        """The same doors before a server that is not there. Whoever gets as far as a statement fails with a 503."""
        nowhere = make_sessions(make_engine("postgresql:///niets?host=/nergens", None, pool_size=1), load_keyring())
        database, people = SimpleNamespace(sessions=nowhere), People(PersonId(uuid7()), PersonId(uuid7()))
        helper, own = make_token_facts(person_id=people.son), make_token_facts(person_id=people.mother)
        app = make_bearer_application(database, clock, people.mother)
        return cls(database, clock, app, people, make_machtiging(), helper, own, make_token_facts(oin=OIN))

    async def ask(
        self, token: str | None = None, path: str = READ, headers: list[tuple[str, str]] | None = None
    ) -> httpx.Response:
        """Knock with a Bearer token, or with these headers."""
        given = headers if headers is not None else [("Authorization", f"Bearer {token}")] if token else []
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=API_ISSUER) as client:
            return await client.get(path, headers=given)

    async def journal(self, act: str) -> list[Any]:
        """Committed lines about this act, oldest first."""
        async with self.database.sessions() as session:
            rows = await JOURNAL_INTAKE.read(session, act=act, order_by="occurred_at, id")
            return [row._mapping for row in rows]


def assert_unauthenticated(answer: httpx.Response, code: str) -> None:
    """A 401 as RFC 6750 wants it."""
    assert answer.status_code == 401, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    # RFC 6750 section 3.1: no error when no credentials came at all.
    assert ('error="invalid_token"' in challenge) == (code != "token_ontbreekt")


def assert_forbidden(answer: httpx.Response, code: str) -> None:
    """A 403 that says why."""
    assert (answer.status_code, answer.json()["code"]) == (403, code), answer.text
    # RFC 6750 section 3.1: insufficient_scope when the token is good, but not for this; nothing about anything else.
    challenge = answer.headers.get("WWW-Authenticate", "")
    assert ('Bearer realm="machtiging", error="insufficient_scope"' in challenge) == (
        code == "token_voor_ander_gebruik"
    ), challenge
