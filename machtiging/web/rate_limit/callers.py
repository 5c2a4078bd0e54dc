"""Identify the callers of a request for rate limiting: token, person or address.

Only a verified token or session counts as a caller; a client that sends random ones is counted by address. Tokens count
only on paths where they are the credential, else each token would add a quota for the login page. The doors report the
person by `note_person`; it is cached for a while.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from machtiging.web.rate_limit.client_address import ClientAddressResolver
from machtiging.web.rate_limit.limiter import Caller, CallerKind

# Verifies a token without a database, with the application's state: returns its jti if we signed it and it has not
# expired, else None.
VerifyToken = Callable[[Starlette, str], str | None]
_PERSON_CACHE_SECONDS = 300.0
_PERSON_CACHE_SIZE = 20_000
_MAX_COOKIE_LENGTH = 128
_PERSON_SCOPE_KEY = "machtiging.person"
_TOKEN_SCHEMES = (b"bearer", b"dpop")


def note_person(scope: Scope, person_id: UUID | None) -> None:
    """Record the person of this token or session; None if the session is invalid."""
    scope[_PERSON_SCOPE_KEY] = person_id


class CallerIdentifier:
    """Identifies the callers of a request and caches the person found by the doors.

    `token_paths` are the path prefixes where our access token is the credential.
    """

    def __init__(
        self,
        verify_token: VerifyToken,
        addresses: ClientAddressResolver,
        *,
        session_cookie: str,
        token_paths: Collection[str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verify_token = verify_token
        self._addresses = addresses
        self._session_cookie = session_cookie
        self._token_paths = tuple(token_paths)
        self._now = now
        self._person_cache: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def identify_callers(self, scope: Scope) -> tuple[tuple[Caller, ...], bytes | None]:
        """Return the callers, and the credential's fingerprint for `remember_person`."""
        authorization = _read_credential_header(scope, b"authorization")
        if authorization is not None and self._is_token_path(scope["path"]):
            jti = self._read_jti(scope, authorization)
            if jti is None:
                return self._identify_by_address(scope), None
            fingerprint = jti.encode()
            person = self._find_person(fingerprint)
            token = (CallerKind.TOKEN, jti)
            # Counted apart, so that a flood by an app does not stop its user from logging in and revoking it.
            callers = (token,) if person is None else (token, (CallerKind.PERSON, f"token:{person}"))
            return callers, fingerprint
        fingerprint_of_session = self._hash_session_cookie(scope)
        person = None if fingerprint_of_session is None else self._find_person(fingerprint_of_session)
        if person is None:
            return self._identify_by_address(scope), fingerprint_of_session
        return ((CallerKind.PERSON, f"session:{person}"),), fingerprint_of_session

    def _is_token_path(self, path: str) -> bool:
        return any(path == token_path or path.startswith(token_path + "/") for token_path in self._token_paths)

    def remember_person(self, scope: Scope, fingerprint: bytes | None) -> None:
        """Cache the person of a credential, or drop it when a door rejected the credential."""
        if fingerprint is None or _PERSON_SCOPE_KEY not in scope:
            return
        person: UUID | None = scope[_PERSON_SCOPE_KEY]
        if person is None:
            self._person_cache.pop(fingerprint, None)
            return
        self._person_cache[fingerprint] = (str(person), self._now() + _PERSON_CACHE_SECONDS)
        self._person_cache.move_to_end(fingerprint)
        if len(self._person_cache) > _PERSON_CACHE_SIZE:
            self._person_cache.popitem(last=False)

    def _identify_by_address(self, scope: Scope) -> tuple[Caller, ...]:
        address = self._addresses.resolve_client_address(scope)
        return () if address is None else ((CallerKind.ADDRESS, address),)

    def _read_jti(self, scope: Scope, authorization: bytes) -> str | None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() not in _TOKEN_SCHEMES:
            return None
        return self._verify_token(HTTPConnection(scope).app, token.strip().decode("latin-1"))

    def _hash_session_cookie(self, scope: Scope) -> bytes | None:
        if not any(name == b"cookie" for name, _ in scope["headers"]):
            return None
        cookie = Request(scope).cookies.get(self._session_cookie)
        return hashlib.sha256(cookie.encode()).digest() if cookie and len(cookie) <= _MAX_COOKIE_LENGTH else None

    def _find_person(self, fingerprint: bytes) -> str | None:
        person, until = self._person_cache.get(fingerprint, (None, 0.0))
        return person if self._now() < until else None


def _read_credential_header(scope: Scope, header_name: bytes) -> bytes | None:
    """Return a header's value; None if absent, empty bytes (no credential) if repeated."""
    found = [value for name, value in scope["headers"] if name == header_name]
    return found[0] if len(found) == 1 else b"" if found else None
