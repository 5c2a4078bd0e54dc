"""An authorization server seen from outside. HTTP and its discovery document, and nothing else of it.

Where the server is, which clients it knows and how a person logs in there stands in a JSON file. Nothing in here
imports the service, so the same tests can be held against any other server.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeySet

from tests.builders.messages import (
    ASSERTION_TYPE,
    Pkce,
    encode_base64url,
    make_unsigned_jwt,
    read_header,
    read_query,
    sign_raw,
)

_FORM = re.compile(r"<form\b(.*?)>(.*?)</form>", re.DOTALL | re.IGNORECASE)
_FIELD = re.compile(r"<(?:input|button)\b([^>]*)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([\w-]+)\s*=\s*["']([^"']*)["']""")
_STEPS = 15


def make_dpop_proof(key: ECKey, method: str, address: str, *, token: str | None = None, **changes: Any) -> str:
    """A DPoP proof (RFC 9449 4.2). `header` changes the header; other changes are claims (None: left out)."""
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)} | changes.pop("header", {})
    claims: dict[str, Any] = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": address, "iat": int(time.time())}
    if token is not None:
        claims["ath"] = encode_base64url(hashlib.sha256(token.encode()).digest())
    payload = {name: value for name, value in (claims | changes).items() if value is not None}
    signing_input = make_unsigned_jwt(header, payload).removesuffix(".")
    signature = sign_raw("ES256", signing_input.encode(), key)
    return f"{signing_input}.{encode_base64url(signature)}"


@dataclass(frozen=True)
class BlackBoxClient:
    """A client as the server knows it. Without `key` it is public."""

    client_id: str
    redirect_uri: str = ""
    scope: str = ""
    key: ECKey | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    resource: str = ""

    @staticmethod
    def read(told: Mapping[str, Any]) -> BlackBoxClient:
        jwk = told.get("jwk")
        return BlackBoxClient(
            told["client_id"],
            told.get("redirect_uri", ""),
            told.get("scope", ""),
            None if jwk is None else ECKey.import_key(jwk),
            told.get("extra", {}),
            told.get("resource", ""),
        )

    def assertion(self, audience: str, **changes: Any) -> str:
        """A client assertion. `header` changes the header, `key` the key; other changes are claims (None: left out)."""
        now = int(time.time())
        key = changes.pop("key", self.key)
        header = {"alg": "ES256", "kid": self.key.kid} | changes.pop("header", {})
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": audience, "iat": now, "exp": now + 60}
        claims |= {"jti": secrets.token_urlsafe(24)} | changes
        header = {name: value for name, value in header.items() if value is not None}
        payload = {name: value for name, value in claims.items() if value is not None}
        if header["alg"] == "none":
            return make_unsigned_jwt(header, payload)
        return jws.serialize_compact(header, json.dumps(payload).encode(), key, algorithms=[header["alg"]])

    def credentials(self, audience: str, **changes: Any) -> dict[str, str]:
        """The form fields that say, and for a confidential client prove, who asks."""
        if self.key is None:
            return {"client_id": self.client_id}
        proof = self.assertion(audience, **changes)
        return {"client_id": self.client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": proof}


class BlackBoxPerson:
    """A browser without JavaScript that fills in forms with the given answers."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        # Kept by hand: browsers take loopback for a safe place and send Secure cookies there over http; httpx does not.
        self.cookies: dict[str, dict[str, str]] = {}
        self.http = httpx.AsyncClient(headers={"Accept": "text/html"}, trust_env=False, timeout=60)
        self.answers = answers
        self.pages: list[httpx.Response] = []

    async def ask(self, method: str, url: str, **options: Any) -> httpx.Response:
        """One request with the cookies of that place; nothing is followed."""
        jar = self.cookies.setdefault(urlsplit(url).netloc, {})
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}
        response = await self.http.request(method, url, headers=headers | options.pop("headers", {}), **options)
        self.http.cookies.clear()
        for line in response.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                jar[name] = morsel.value
                if not morsel.value or morsel["max-age"] == "0" or "1970" in morsel["expires"]:
                    del jar[name]
        return response

    async def go(self, url: str, home: str, **answers: str) -> httpx.Response:
        """Follow redirects and forms from `url`, until `home` or a page without a form."""
        response = await self.ask("GET", url)
        for _ in range(_STEPS):
            location = response.headers.get("location")
            if location is not None:
                location = urljoin(str(response.url), location)
                if home and location.startswith(home):
                    return response
                response = await self.ask("GET", location)
            elif (link := self._link(response, answers)) is not None:
                response = await self.ask("GET", link)
            elif response.status_code < 400 and (form := _FORM.findall(response.text)):
                self.pages.append(response)
                response = await self._submit(str(response.url), form, {**self.answers, **answers})
            else:
                return response
        raise AssertionError(f"no end to it: {response.url}")

    async def press(self, url: str, action: str, **answers: str) -> httpx.Response:
        """Open a page (after login) and send its form that goes to `action`."""
        page = await self.ask("GET", url)
        forms = [form for form in _FORM.findall(page.text) if dict(_ATTRIBUTE.findall(form[0])).get("action") == action]
        assert forms, (page.status_code, page.text)
        return await self._submit(str(page.url), forms[:1], answers)

    def _link(self, response: httpx.Response, answers: Mapping[str, str]) -> str | None:
        """The address of the link to follow, if the page has it. Answer `link`: how the address ends."""
        end = {**self.answers, **answers}.get("link")
        found = [href for href in re.findall(r'href="([^"]+)"', response.text) if end and href.endswith(end)]
        return urljoin(str(response.url), html.unescape(found[0])) if found else None

    async def _submit(self, page: str, forms: list[tuple[str, str]], answers: Mapping[str, str]) -> httpx.Response:
        attributes, inside = next((f for f in forms if _names(f[1]) & set(answers)), forms[-1])
        told = dict(_ATTRIBUTE.findall(attributes))
        values = {name: value for name, value, kind in _fields(inside) if kind == "hidden"}
        values |= {name: answers[name] for name in _names(inside) if name in answers}
        target = urljoin(page, html.unescape(told.get("action", "")) or page)
        if told.get("method", "get").lower() == "get":
            return await self.ask("GET", target, params=values)
        parts = urlsplit(page)
        return await self.ask("POST", target, data=values, headers={"Origin": f"{parts.scheme}://{parts.netloc}"})


def _fields(inside: str) -> list[tuple[str, str, str]]:
    told = [dict(_ATTRIBUTE.findall(attributes)) for attributes in _FIELD.findall(inside)]
    return [(one["name"], html.unescape(one.get("value", "")), one.get("type", "")) for one in told if "name" in one]


def _names(inside: str) -> set[str]:
    return {name for name, _, kind in _fields(inside) if kind != "hidden"}


@dataclass
class BlackBoxServer:
    """The server under test."""

    told: dict[str, Any]
    metadata: dict[str, Any]
    http: httpx.AsyncClient
    jwks: dict[str, Any]
    people: list[BlackBoxPerson] = field(default_factory=list)

    @staticmethod
    async def at(told: dict[str, Any]) -> BlackBoxServer:
        """Discover what the description does not say."""
        http = httpx.AsyncClient(trust_env=False, timeout=60)
        found = await http.get(told["issuer"].rstrip("/") + "/.well-known/openid-configuration")
        metadata = found.raise_for_status().json()
        keys = await http.get(metadata["jwks_uri"])
        return BlackBoxServer(told, metadata, http, keys.raise_for_status().json())

    @property
    def issuer(self) -> str:
        return self.told["issuer"]

    def client(self, name: str) -> BlackBoxClient:
        """The client that plays this part: see tests/protocol/black_box/conftest.py."""
        return BlackBoxClient.read(self.told["clients"][name])

    def needs(self, *names: str) -> None:
        """Skip the test if this server's description has no such client or member."""
        for name in names:
            if name not in self.told["clients"] and name not in self.told:
                pytest.skip(f"the server has no {name}")

    def details(self, name: str) -> str:
        """`authorization_details` as text: `some`, `less` than those, `more` than those, or `elsewhere`."""
        self.needs("details")
        return self.told["details"][name]

    def spent(self, kind: str, why: str) -> str:
        """A token of this kind that is over, and what ended it."""
        self.needs("spent")
        return self.told["spent"][kind][why]

    def person(self, **answers: str) -> BlackBoxPerson:
        """A person with a browser, who answers as described, or as in `answers`."""
        self.people.append(BlackBoxPerson({**self.told["login"], **answers}))
        return self.people[-1]

    async def close(self) -> None:
        for http in (self.http, *(person.http for person in self.people)):
            await http.aclose()

    async def post(
        self, endpoint: str, client: BlackBoxClient | None, form: Mapping[str, Any], **changes: Any
    ) -> httpx.Response:
        """Post a form to an endpoint by its name in the metadata. None leaves a parameter out."""
        shown = {} if client is None else client.credentials(self.issuer)
        merged = {**shown, **form, **changes}
        body = {name: value for name, value in merged.items() if value is not None}
        return await self.http.post(self.metadata[endpoint], data=body)

    async def raw(self, endpoint: str, pairs: list[tuple[str, str]], **headers: str) -> httpx.Response:
        """Post exactly these pairs."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.http.post(self.metadata[endpoint], content=urlencode(pairs), headers=form | headers)

    async def introspect(self, token: str, by: str = "resource", **more: str) -> dict[str, Any]:
        """Introspect a token at the server."""
        answer = await self.post("introspection_endpoint", self.client(by), {"token": token, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def active(self, token: str) -> bool:
        """Tell if a token is active. Some servers refuse to introspect what cannot be a token."""
        answer = await self.post("introspection_endpoint", self.client("resource"), {"token": token})
        assert answer.status_code in (200, 400), answer.text
        return answer.status_code == 200 and answer.json()["active"]

    async def revoke(self, token: str, by: str = "app", **more: str) -> httpx.Response:
        return await self.post("revocation_endpoint", self.client(by), {"token": token, **more})

    async def userinfo(self, token: str | None) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.http.get(self.metadata["userinfo_endpoint"], headers=headers)

    def verified(self, token: str) -> dict[str, Any]:
        """The claims of a JWT whose signature one of the published keys made."""
        algorithms = ["RS256", "PS256", "ES256", "EdDSA"]
        keys = {"keys": [key for key in self.jwks["keys"] if key.get("kid") == read_header(token).get("kid")]}
        found = jws.deserialize_compact(token, KeySet.import_key_set(keys), algorithms=algorithms)
        return json.loads(found.payload)


@dataclass
class Attempt:
    """One walk through the code flow, every part of it to be changed."""

    server: BlackBoxServer
    client: BlackBoxClient
    person: BlackBoxPerson
    pkce: Pkce = field(default_factory=Pkce)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def again(self, **changes: Any) -> Attempt:
        """Another walk of the same person, with fresh secrets."""
        fresh = {"pkce": Pkce(), "state": secrets.token_urlsafe(24), "nonce": secrets.token_urlsafe(24)}
        return replace(self, **{**fresh, **changes})

    def parameters(self, **changes: Any) -> dict[str, Any]:
        made = {
            "client_id": self.client.client_id,
            "response_type": "code",
            "redirect_uri": self.client.redirect_uri,
            "scope": self.client.scope,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.pkce.challenge,
            "code_challenge_method": "S256",
            **self.client.extra,
        }
        return {name: value for name, value in (made | changes).items() if value is not None}

    async def push(self, **changes: Any) -> httpx.Response:
        endpoint = "pushed_authorization_request_endpoint"
        return await self.server.post(endpoint, self.client, self.parameters(**changes))

    async def pushed(self, **changes: Any) -> str:
        answer = await self.push(**changes)
        assert answer.status_code == 201, answer.text
        return answer.json()["request_uri"]

    def address(self, request_uri: str, **changes: str) -> str:
        query = {"client_id": self.client.client_id, "request_uri": request_uri} | changes
        return f"{self.server.metadata['authorization_endpoint']}?{urlencode(query)}"

    async def visit(self, request_uri: str, **changes: str) -> httpx.Response:
        """The person is sent to the server with this reference, logs in and agrees."""
        return await self.person.go(self.address(request_uri, **changes), self.client.redirect_uri)

    async def answer(self, **changes: Any) -> dict[str, str]:
        """Up to what comes back to the client."""
        response = await self.visit(await self.pushed(**changes))
        location = response.headers.get("location", "")
        assert location.startswith(self.client.redirect_uri), (response.status_code, str(response.url), response.text)
        return read_query(location)

    async def code(self, **changes: Any) -> str:
        return (await self.answer(**changes))["code"]

    async def redeem(self, code: str, **changes: Any) -> httpx.Response:
        client = changes.pop("client", self.client)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": self.pkce.verifier,
        }
        return await self.server.post("token_endpoint", client, form, **changes)

    async def tokens(self, **changes: Any) -> dict[str, Any]:
        response = await self.redeem(await self.code(**changes))
        assert response.status_code == 200, response.text
        return response.json()


def assert_refused(response: httpx.Response, *errors: str) -> None:
    """A refusal in the words of RFC 6749 5.2. A client's fault, with one of these errors, and nothing handed out."""
    assert 400 <= response.status_code < 500, (response.status_code, response.text)
    body = response.json()
    assert not errors or body.get("error") in errors, body
    assert not body.keys() & {"access_token", "id_token", "refresh_token", "request_uri", "code"}


def assert_nothing_issued(response: httpx.Response, home: str) -> None:
    """The browser ends on an error page, or at the client with an error. In no case with a code or a token."""
    location = response.headers.get("location", "")
    if location.startswith(home):
        told = read_query(location) | dict(parse_qsl(urlsplit(location).fragment))
        assert "error" in told, location
        assert not told.keys() & {"code", "access_token", "id_token"}
    else:
        assert 400 <= response.status_code < 500, (response.status_code, str(response.url), response.text[:500])
        assert not location
