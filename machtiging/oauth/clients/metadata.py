"""Client metadata (RFC 7591 section 2): find errors and add defaults. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from machtiging.kernel.text import plain_line
from machtiging.oauth.client import (
    BY_AUTHORITY,
    BY_ITSELF,
    CIBA,
    CLIENT_CREDENTIALS,
    CODE,
    EXCHANGE,
    LOOPBACK,
    PRIVATE_KEY_JWT,
    PUBLIC,
    REFRESH,
)
from machtiging.oauth.clients import backchannel, bound, openid, resource
from machtiging.oauth.rules import MANAGEMENT, SCOPES_OF, TYPE

KNOWN = (bound.MEMBERS | openid.KNOWN | resource.MEMBERS) | frozenset(
    {
        "authorization_details_types",
        "backchannel_authentication_request_signing_alg",
        "backchannel_token_delivery_mode",
        "backchannel_user_code_parameter",
        "client_id",
        "client_name",
        "client_uri",
        "contacts",
        "grant_types",
        "id_token_signed_response_alg",
        "introspection_signed_response_alg",
        "jwks",
        "jwks_uri",
        "policy_uri",
        "redirect_uris",
        "require_pushed_authorization_requests",
        "resource_server",
        "response_types",
        "scope",
        "software_id",
        "software_version",
        "subject_type",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        "tos_uri",
    }
)
_ONE_OF: Mapping[str, tuple[Any, ...]] = {
    bound.CERTIFICATE_BOUND: (True, False),
    bound.DPOP_BOUND: (True, False),
    "authorization_details_types": ([TYPE],),
    "backchannel_authentication_request_signing_alg": ("ES256", "PS256"),
    "backchannel_token_delivery_mode": ("poll",),
    "backchannel_user_code_parameter": (False,),
    "id_token_signed_response_alg": ("PS256", "RS256", "ES256"),
    "userinfo_signed_response_alg": ("PS256", "RS256", "ES256"),
    "backchannel_logout_session_required": (True, False),
    "introspection_signed_response_alg": ("PS256", "RS256", "ES256"),
    **resource.ONE_OF,
    "require_pushed_authorization_requests": (True,),
    "resource_server": (True, False),
    "subject_type": ("pairwise",),
    "token_endpoint_auth_signing_alg": ("ES256", "PS256"),
}
_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}")
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_PRINTABLE = re.compile(r"[!-~]{1,512}")
_OURS = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})
# One grant type; a refresh token only continues the grant of the code.
CODE_FLOW = ([CODE], [CODE, REFRESH])
MACHINES = ([CLIENT_CREDENTIALS], [EXCHANGE], [CIBA])  # no browser takes part in these
_MOST_URIS = 10
_LONGEST_NAME = 80
_PUNCTUATION = frozenset(" !&'()+,-./:0123456789’–")


def faults_in(metadata: Mapping[str, Any], *, practice: bool) -> dict[str, str]:
    """Find the errors, by member, each with a text that helps to correct it."""
    faults = dict.fromkeys(sorted(metadata.keys() - KNOWN), "Dit gegeven kennen wij niet.")
    for name, allowed in _ONE_OF.items():
        if name in metadata and not any(metadata[name] == one and type(metadata[name]) is type(one) for one in allowed):
            faults[name] = "Kies uit: " + ", ".join(map(str, allowed)) + "."
    checks = {
        "client_id": _fault_in_id(metadata.get("client_id"), practice=practice),
        "client_name": fault_in_name(metadata.get("client_name")),
        "token_endpoint_auth_method": _fault_in_method(metadata),
        "grant_types": _fault_in_grant_types(metadata.get("grant_types")),
        "response_types": _fault_in_response_types(metadata),
        "redirect_uris": _fault_in_redirect_uris(metadata, practice=practice),
        "scope": _fault_in_scope(metadata),
        **{name: _fault_in_text(metadata.get(name)) for name in ("software_id", "software_version")},
        **{name: _fault_in_page(metadata.get(name)) for name in ("client_uri", "policy_uri", "tos_uri")},
        "jwks_uri": _fault_in_jwks_uri(metadata, practice=practice),
        "contacts": _fault_in_contacts(metadata.get("contacts", [])),
        **backchannel.faults_in(metadata),
        **bound.faults_in(metadata),
        **resource.faults_in(metadata, lambda uri: fault_in_redirect_uri(uri, practice=practice)),
        **openid.faults_in(metadata, lambda uri: fault_in_redirect_uri(uri, practice=practice)),
    }
    return faults | {name: fault for name, fault in checks.items() if fault is not None}


def completed(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Add the defaults and drop the client id, which is the key of the row."""
    code_flow = metadata["grant_types"] in CODE_FLOW
    defaults: dict[str, Any] = {
        "response_types": ["code"] if code_flow else [],
        "scope": "",
        "subject_type": "pairwise",
        "resource_server": False,
    }
    if code_flow:
        # Clients rely on RS256, the default of OpenID Connect registration.
        defaults |= {
            "id_token_signed_response_alg": "RS256",
            "authorization_details_types": [TYPE],
            "require_pushed_authorization_requests": True,
        }
    if metadata["grant_types"] == [CIBA]:
        defaults |= {"id_token_signed_response_alg": "PS256", "authorization_details_types": [TYPE]}
    return {name: value for name, value in (defaults | dict(metadata)).items() if name != "client_id"}


def _fault_in_id(value: object, *, practice: bool) -> str | None:
    if value is None:
        return None
    if not practice:
        return "Het client_id wordt door ons gegeven. Alleen in een oefenomgeving kunt u het kiezen."
    right = isinstance(value, str) and _CLIENT_ID.fullmatch(value) is not None
    return None if right else "Een client_id heeft 3 tot 64 letters, cijfers, punten, strepen."


def fault_in_name(value: object) -> str | None:
    """Check the name on the consent page: Latin letters only, against look-alikes.

    Mixed scripts, confusables, invisible and bidirectional characters are refused (Unicode TR 36 and 39).
    """
    if not isinstance(value, str) or not 2 <= len(value) <= _LONGEST_NAME:
        return f"Een naam heeft 2 tot {_LONGEST_NAME} tekens."
    if unicodedata.normalize("NFKC", value) != value or " ".join(value.split()) != value:
        return "De naam heeft tekens in een bijzondere vorm, of spaties te veel."
    if not all(letter in _PUNCTUATION or _plain_latin(letter) for letter in value):
        return "De naam mag alleen gewone Latijnse letters, cijfers en leestekens hebben."
    return None if any(letter.isalpha() for letter in value) else "De naam moet letters hebben."


def _plain_latin(letter: str) -> bool:
    # Base letters a-z with or without accents. Confusables such as dotless i and alpha do not decompose to those.
    base = unicodedata.normalize("NFD", letter)[0]
    return base.isascii() and base.isalpha() and letter.isalpha()


def _fault_in_method(metadata: Mapping[str, Any]) -> str | None:
    method = metadata.get("token_endpoint_auth_method")
    if method not in (PRIVATE_KEY_JWT, PUBLIC, BY_AUTHORITY, BY_ITSELF):
        return f"Kies {PRIVATE_KEY_JWT}, of {PUBLIC} voor een app zonder geheim. Gedeelde geheimen zijn er niet."
    if method == PUBLIC and metadata.get("grant_types") in MACHINES:
        return f"Met deze grant_types hoort {PRIVATE_KEY_JWT}."
    if method == PUBLIC and metadata.get("resource_server") is True:
        return f"Een resource server bewijst wie hij is: {PRIVATE_KEY_JWT}."
    return None


def _fault_in_grant_types(value: object) -> str | None:
    right = value in (*CODE_FLOW, *MACHINES)
    several = f"{CODE} (eventueel met {REFRESH}), {CLIENT_CREDENTIALS}, {EXCHANGE} of {CIBA}"
    return None if right else f"Kies er precies een: {several}."


def _fault_in_response_types(metadata: Mapping[str, Any]) -> str | None:
    wanted = ["code"] if metadata.get("grant_types") in CODE_FLOW else []
    return None if metadata.get("response_types", wanted) == wanted else f"Hier hoort {wanted}."


def _fault_in_scope(metadata: Mapping[str, Any]) -> str | None:
    scope, types = metadata.get("scope", ""), metadata.get("grant_types")
    allowed = SCOPES_OF[types[0]] if types in (*CODE_FLOW, *MACHINES) else ()
    if types in CODE_FLOW and metadata.get("token_endpoint_auth_method") != PUBLIC:
        allowed += tuple(sorted(MANAGEMENT))
    if not isinstance(scope, str) or not set(scope.split()) <= set(allowed) or " ".join(scope.split()) != scope:
        return "Met deze grant_types mag de scope bestaan uit: " + (" ".join(allowed) or "niets") + "."
    return None


def _fault_in_redirect_uris(metadata: Mapping[str, Any], *, practice: bool) -> str | None:
    uris = metadata.get("redirect_uris")
    if metadata.get("grant_types") in MACHINES:
        return None if uris in (None, []) else "Met deze grant_types zijn er geen redirect_uris."
    if not isinstance(uris, list) or not 0 < len(uris) <= _MOST_URIS:
        return f"Geef 1 tot {_MOST_URIS} redirect_uris."
    fault = next((fault for uri in uris if (fault := fault_in_redirect_uri(uri, practice=practice)) is not None), None)
    if fault is not None:
        return fault
    # The pairwise subject depends on the host, and sector_identifier_uri is not supported yet (OIDC Core 8.1).
    return None if len({urlsplit(uri).hostname for uri in uris}) == 1 else "Alle redirect_uris horen op dezelfde host."


def fault_in_redirect_uri(uri: object, *, practice: bool) -> str | None:
    """Check a URI: absolute, https, and unambiguous for every parser.

    Sources: RFC 6749 3.1.2, RFC 9700 4.1.
    """
    if not isinstance(uri, str) or _PRINTABLE.fullmatch(uri) is None or set(uri) & set("\\*<>\"'`{}|^#;,"):
        return "Een redirect_uri is een adres zonder #, *, aanhalingstekens of andere bijzondere tekens."
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "Een redirect_uri is een volledig adres."
    if parts.netloc != (host if port is None else f"{host}:{port}") or parts.geturl() != uri:
        return "Een redirect_uri heeft geen gebruikersnaam, en staat in de gewone schrijfwijze (kleine letters)."
    loopback = practice and host in LOOPBACK
    if parts.scheme != "https" and not (loopback and parts.scheme == "http"):
        return "Een redirect_uri begint met https://. In een oefenomgeving mag http://localhost ook."
    if not loopback and _HOST.fullmatch(host) is None:
        return "Een redirect_uri heeft een gewone hostnaam, geen IP-adres of jokerteken."
    if {"..", "."} & set(parts.path.lower().replace("%2e", ".").split("/")) or "%2f" in parts.path.lower():
        return "Een redirect_uri heeft geen .. of %2F in het pad."
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return f"Een redirect_uri bevat geen {', '.join(sorted(names & _OURS))}." if names & _OURS else None


def _fault_in_text(value: object) -> str | None:
    fault = "Hier hoort een korte tekst."
    if value is None or value == "":
        return None
    try:
        return None if isinstance(value, str) and len(value) <= 128 and plain_line(value) else fault
    except ValueError:
        return fault


def _fault_in_page(value: object) -> str | None:
    return None if value is None else fault_in_redirect_uri(value, practice=False)


def _fault_in_jwks_uri(metadata: Mapping[str, Any], *, practice: bool) -> str | None:
    """Check the URI as a redirect URI. The SSRF guard checks its address at every fetch."""
    if "jwks_uri" not in metadata:
        return None
    fault = fault_in_redirect_uri(metadata["jwks_uri"], practice=practice)
    return None if fault is None else fault.replace("redirect_uri", "jwks_uri")


def _fault_in_contacts(value: object) -> str | None:
    right = isinstance(value, list) and len(value) <= 10 and all(_fault_in_text(one) is None and one for one in value)
    return None if right else "Hier horen hoogstens 10 e-mailadressen."
