"""Checks of libraries beyond their documentation, one for each interface of `private_interfaces`."""

from __future__ import annotations

import inspect
import logging
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import OAuth2Payload
from casbin.rbac import default_role_manager
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry
from sqlalchemy import ARRAY, Table, Text, bindparam, column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.pool import QueuePool

from machtiging.access.policy_decision import PolicyAllowed
from machtiging.access.policy_engine import Policy
from machtiging.access.policy_request import PolicyRequest, iterate_policy_requests
from machtiging.audit.tables import JournalLine
from machtiging.oauth.protocol import requests, server
from machtiging.storage.columns import table_of
from machtiging.storage.connections.greenlets import await_in_greenlet, run_in_greenlet
from machtiging.storage.postgres_programs import programs_directory
from machtiging.web import framework_internals
from tests.architecture.sources import ROOT


def _find_allowed_request(policy: Policy) -> PolicyRequest:
    return next(one for one in iterate_policy_requests() if isinstance(policy.decide(one), PolicyAllowed))


async def check_casbin_matcher_parsing() -> None:
    policy, parsed = Policy.load(ROOT / "policies"), []
    request = _find_allowed_request(policy)
    enforcer = policy._enforcers[request.capacity, request.act]
    parse = enforcer._get_expression
    enforcer._get_expression = lambda *given: parsed.append(given) or parse(*given)
    enforcer.enforce_ex(*request.casbin_values())
    assert parsed


async def check_casbin_policy_rows() -> None:
    policy = Policy.load(ROOT / "policies")
    request = _find_allowed_request(policy)  # its cells are sets
    enforcer = policy._enforcers[request.capacity, request.act]
    assert enforcer.enforce_ex(*request.casbin_values())[0] is True
    enforcer.model["p"]["p"].policy.clear()
    assert enforcer.enforce_ex(*request.casbin_values())[0] is False


async def check_casbin_loggers() -> None:
    policy, asked = Policy.load(ROOT / "policies"), []
    request = _find_allowed_request(policy)
    enforcer = policy._enforcers[request.capacity, request.act]
    enforcer.logger = SimpleNamespace(isEnabledFor=lambda level: bool(asked.append(level)))
    enforcer.enforce_ex(*request.casbin_values())
    assert asked  # the decision was about to be logged by the logger that we set
    assert enforcer.model["p"]["p"].logger.name == "casbin.policy"
    assert default_role_manager.RoleManager(1).logger.name == "casbin.role"


async def check_joserfc_verification_steps() -> None:
    registry, key = JWSRegistry(algorithms=["ES256"]), ECKey.generate_key("P-256")
    registry.check_header({"alg": "ES256"})
    method = registry.get_alg("ES256")
    method.check_key(key)
    signature = method.sign(b"text", key)
    registry.validate_signature_size(signature)
    assert method.verify(b"text", signature, key) is True
    assert method.verify(b"other", signature, key) is False


async def check_authlib_error_text() -> None:
    with pytest.raises(ValueError, match=f"^{server._FORBIDDEN_CHARACTERS}"):
        OAuth2Error('"')


async def check_authlib_request_payload() -> None:
    request = requests.OAuthRequest("POST", "https://issuer.example/token", {"grant_type": "x", "scope": "a"}, {})
    assert isinstance(request.payload, OAuth2Payload)
    assert (request.payload.grant_type, request.scope) == ("x", "a")
    request.scope = "b"
    assert request.scope == "b"


async def check_uvicorn_loggers() -> None:
    from uvicorn.protocols.http import httptools_impl

    written = inspect.getsource(httptools_impl)
    assert 'getLogger("uvicorn.access")' in written
    assert 'getLogger("uvicorn.error")' in written


async def check_idpyoidc_signed_response() -> None:
    from idpyoidc.client import service

    assert "resp._jws = " in inspect.getsource(service)


async def check_httpx_logger() -> None:
    assert isinstance(logging.root.manager.loggerDict.get("httpx"), logging.Logger)


async def check_aiosmtpd_logger() -> None:
    import aiosmtpd.smtp

    assert aiosmtpd.smtp.log.name == "mail.log"


async def check_postgresql_programs() -> None:
    assert {"initdb", "pg_ctl"} <= {file.name for file in programs_directory().iterdir()}


def _make_observed_application() -> tuple[FastAPI, dict[str, Any]]:
    """An application with one route in an included router, and a request to it."""
    seen: dict[str, Any] = {}
    router = APIRouter(prefix="/letters")

    def door() -> None: ...

    @router.get("/{letter}", dependencies=[Depends(door)])
    async def read(request: Request, letter: str) -> None:
        seen.update(scope=dict(request.scope), read=read, door=door)

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router)
    return app, seen


async def _send_get(app: FastAPI, path: str) -> int:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return (await client.get(path)).status_code


async def check_scope_keys() -> None:
    app, seen = _make_observed_application()
    assert await _send_get(app, "/letters/1") == 200
    assert framework_internals.find_route_template(seen["scope"]) == "/letters/{letter}"
    assert seen["scope"]["endpoint"] is seen["read"]


async def check_listed_routes() -> None:
    app, seen = _make_observed_application()
    ((path, route),) = framework_internals.list_routes(app)
    assert isinstance(route, APIRoute)
    assert path == "/letters/{letter}"
    await _send_get(app, "/letters/1")
    assert [one.call for one in route.dependant.dependencies] == [seen["door"]]


async def check_route_matching() -> None:
    app, _ = _make_observed_application()
    ((_, route),) = framework_internals.list_routes(app)
    scope = {"type": "http", "method": "GET", "path": "/letters/1", "root_path": "", "headers": []}
    found = framework_internals.match_route(app.routes[0], scope)
    assert found is not None
    assert framework_internals.match_route(app.routes[0], scope | {"method": "PUT"}) is None
    assert framework_internals.match_route(app.routes[0], scope | {"path": "/other"}) is None
    assert framework_internals.has_path_parameters(route)


async def check_slash_redirects() -> None:
    app, _ = _make_observed_application()
    assert await _send_get(app, "/letters/1/") == 307
    framework_internals.disable_slash_redirects(app)
    assert await _send_get(app, "/letters/1/") == 404


async def check_middleware_order() -> None:
    app, _ = _make_observed_application()
    order: list[str] = []

    def noting(inner: Any, *, name: str) -> Any:
        async def run(scope: Any, receive: Any, send: Any) -> None:
            order.append(name)
            await inner(scope, receive, send)

        return run

    framework_internals.add_innermost_middleware(app, noting, name="first")
    framework_internals.add_innermost_middleware(app, noting, name="innermost")
    app.add_middleware(noting, name="outermost")
    await _send_get(app, "/letters/1")
    assert order == ["outermost", "first", "innermost"]


async def check_middleware_stack_rebuild() -> None:
    app, _ = _make_observed_application()
    await _send_get(app, "/letters/1")
    built = app.middleware_stack
    assert built is not None
    app.middleware_stack = None
    await _send_get(app, "/letters/1")
    assert app.middleware_stack not in (None, built)


async def check_exception_handler_lookup() -> None:
    app = FastAPI(openapi_url=None)

    async def handle(request: Request, error: Exception) -> None: ...

    app.add_exception_handler(LookupError, handle)
    assert framework_internals.find_exception_handler(app, LookupError) is handle


async def check_greenlet_await() -> None:
    async def answer() -> int:
        return 7

    assert await run_in_greenlet(lambda: await_in_greenlet(answer())) == 7


def _make_engine() -> AsyncEngine:
    return create_async_engine("postgresql+asyncpg://")


async def check_session_factory_arguments() -> None:
    class Sessions(async_sessionmaker[Any]):
        """As `SessionsWithReserve`: it passes an engine on."""

    engine = _make_engine()
    sessions = Sessions(engine, info={"a": 1})
    assert (sessions.kw["bind"], sessions.kw["info"]) == (engine, {"a": 1})


async def check_driver_error_sqlstate() -> None:
    error = _make_engine().dialect.loaded_dbapi.Error("text", SimpleNamespace(sqlstate="23505"))
    assert isinstance(error, Exception)
    assert error.sqlstate == "23505"


async def check_dialect_connect_function() -> None:
    given: list[Any] = []

    class Stopped(Exception): ...

    async def connect(*arguments: Any, **named: Any) -> None:
        given.append((arguments, named))
        raise Stopped

    def connect_with_dialect() -> None:
        # The two other arguments are documented; they are for the dialect, not for the driver.
        _make_engine().dialect.connect(
            async_creator_fn=connect, prepared_statement_cache_size=0, prepared_statement_name_func=str
        )

    with pytest.raises(Stopped):
        await run_in_greenlet(connect_with_dialect)
    assert given == [((), {})]


async def check_rollback_without_waiting() -> None:
    """With no transaction begun by SQLAlchemy: outside a greenlet, waiting would raise MissingGreenlet."""

    async def connect() -> SimpleNamespace:
        return SimpleNamespace()

    adapted = await run_in_greenlet(lambda: _make_engine().dialect.connect(async_creator_fn=connect))
    adapted.rollback()


async def check_statement_compilation() -> None:
    dialect = asyncpg_dialect()
    made = select(column("a")).where(column("b") == bindparam("x"), column("c") == 5).compile(dialect=dialect)
    assert [made.binds[name].required for name in made.positiontup] == [True, False]
    assert made.binds[made.positiontup[1]].value == 5
    assert ("$1" in str(made), "$2" in str(made)) == (True, True)
    json, texts = JSONB().dialect_impl(dialect), ARRAY(Text).dialect_impl(dialect)
    assert json.bind_processor(dialect)({"a": 1}) == '{"a": 1}'
    assert json.result_processor(dialect, None) is None  # the codec on the connection decodes it
    assert texts.result_processor(dialect, None)(["a"]) == ["a"]


async def check_pool_counts() -> None:
    pool = create_async_engine("postgresql+asyncpg://", pool_size=3).sync_engine.pool
    assert isinstance(pool, QueuePool)
    assert (pool.size(), pool.checkedout()) == (3, 0)


async def check_model_table() -> None:
    assert isinstance(table_of(JournalLine), Table)
