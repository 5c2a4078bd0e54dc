"""The parts that clients play in the black-box tests, as RFC 7591 metadata."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

DELIVERING = "aanleveringen:schrijven"
POST_LOGOUT_MEMBER = "post_logout_redirect_uri"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CIBA = "urn:openid:params:grant-type:ciba"


def _box(**members: Any) -> str:
    return json.dumps([{"type": "berichtenbox", **members}])


# What may be asked of the person's own box: something, less than that, more than that, and somebody else's.
DETAILS = {
    "some": _box(actions=["lijst", "lezen"]),
    "less": _box(actions=["lijst"]),
    "more": _box(actions=["lijst", "lezen", "downloaden"]),
    "elsewhere": _box(actions=["lijst"], machtiging=str(uuid4())),
}


def clients(home: str, refreshing: str = "openid") -> dict[str, dict[str, Any]]:
    """Every part that a client plays in the tests of any server. `refreshing`: the scope that goes with refreshing."""

    def app(name: str, path: str, **more: Any) -> dict[str, Any]:
        made = {"client_name": name, "redirect_uris": [home + path], "grant_types": ["authorization_code"]}
        return made | {"scope": "openid", "token_endpoint_auth_method": "private_key_jwt"} | more

    def machine(name: str, scope: str, **more: Any) -> dict[str, Any]:
        made = {"client_name": name, "grant_types": ["client_credentials"], "scope": scope}
        return made | {"token_endpoint_auth_method": "private_key_jwt"} | more

    def desk(name: str, **more: Any) -> dict[str, Any]:
        made = {"client_name": name, "grant_types": [CIBA], "backchannel_token_delivery_mode": "poll"}
        return made | {"scope": "openid", "token_endpoint_auth_method": "private_key_jwt"} | more

    again = {"grant_types": ["authorization_code", "refresh_token"], "scope": refreshing}
    return {
        "app": app("Leesapp", "/terug"),
        "other": app("Andere app", "/anders"),
        "refreshing": app("App die bijblijft", "/ververs", **again),
        "keeping": app("Andere app die bijblijft", "/bewaar", **again),
        "phone": app("App op een telefoon die bijblijft", "/mobiel", **again, token_endpoint_auth_method="none"),
        "signing": app("App die tekent", "/teken", require_signed_request_object=True),
        "public": app("App op een telefoon", "/publiek", token_endpoint_auth_method="none"),
        "machine": machine("Postkamer", DELIVERING),
        "resource": machine("Bron", "", resource_server=True),
        "desk": desk("Bibliotheek Oost"),
        "desk_too": desk("Bibliotheek West"),
        "signing_desk": desk("Balie die tekent", backchannel_authentication_request_signing_alg="ES256"),
    }


def clients_beyond(home: str) -> dict[str, dict[str, Any]]:
    """The same for parts that only ours knows, or that others register otherwise."""
    code = {"grant_types": ["authorization_code"], "scope": "openid", "token_endpoint_auth_method": "private_key_jwt"}
    guarded = f"{home}/{uuid4().hex[:8]}"  # a resource has one server, and some databases serve many tests
    house, archive, depot = (f"{guarded}/{name}" for name in ("huis", "archief", "depot"))

    def service(name: str, resource: str | None, *targets: str, **more: Any) -> dict[str, Any]:
        made = {"client_name": name, "token_endpoint_auth_method": "private_key_jwt", "resource_server": True}
        made |= {"resource": resource} if resource else {}
        made |= {"grant_types": [EXCHANGE], "exchange_targets": [*targets]} if targets else {}
        return {"grant_types": ["client_credentials"], "scope": ""} | made | more

    return {
        "leaving": {
            **code,
            "client_name": "App met uitgang",
            "redirect_uris": [f"{home}/weg"],
            "post_logout_redirect_uris": [f"{home}/tot-ziens"],
        },
        "exchanger": service("Huisdienst", house, archive, depot, house),
        "archive": service("Archief", archive),
        "depot": service("Depot", depot, house),
        "gateway": service("Poort", None, archive),
        "signed": service("Bron die tekent", None, introspection_signed_response_alg="PS256"),
    }
