"""Checks of one value in client metadata: names, addresses, short texts, certificate names. Pure.

Each check returns the error text, or None.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import parse_qsl, urlsplit

from machtiging.crypto import certificates
from machtiging.kernel.text import require_plain_line
from machtiging.oauth.client import LOOPBACK_HOSTS

MAX_URIS = 10
_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}")
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_URI_CHARACTERS = re.compile(r"[!-~]{1,512}")
_CERTIFICATE_NAMES = {
    "san_dns": _HOST,
    "san_uri": re.compile(r"[a-z][a-z0-9+.-]*:[!-~]{1,500}"),
    "san_email": re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,200}"),
}
_RESPONSE_PARAMETERS = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})
_MAX_NAME_LENGTH = 80
_MAX_CONTACTS = 10
_PUNCTUATION = frozenset(" !&'()+,-./:0123456789’–")


def check_client_id(value: object, *, practice: bool) -> str | None:
    """Check a chosen client id: in practice only."""
    if value is None:
        return None
    if not practice:
        return "Het client_id wordt door ons gegeven. Alleen in een oefenomgeving kunt u het kiezen."
    right = isinstance(value, str) and _CLIENT_ID.fullmatch(value) is not None
    return None if right else "Een client_id heeft 3 tot 64 letters, cijfers, punten, strepen."


def check_client_name(value: object) -> str | None:
    """Check the name on the consent page: Latin letters only, against look-alikes.

    Mixed scripts, confusables, invisible and bidirectional characters are refused (Unicode TR 36 and 39).
    """
    if not isinstance(value, str) or not 2 <= len(value) <= _MAX_NAME_LENGTH:
        return f"Een naam heeft 2 tot {_MAX_NAME_LENGTH} tekens."
    if unicodedata.normalize("NFKC", value) != value or " ".join(value.split()) != value:
        return "De naam heeft tekens in een bijzondere vorm, of spaties te veel."
    if not all(letter in _PUNCTUATION or _is_plain_latin(letter) for letter in value):
        return "De naam mag alleen gewone Latijnse letters, cijfers en leestekens hebben."
    return None if any(letter.isalpha() for letter in value) else "De naam moet letters hebben."


def _is_plain_latin(letter: str) -> bool:
    # Base letters a-z with or without accents. Confusables such as dotless i and alpha do not decompose to those.
    base = unicodedata.normalize("NFD", letter)[0]
    return base.isascii() and base.isalpha() and letter.isalpha()


def check_uri(uri: object, *, practice: bool) -> str | None:
    """Check a URI: absolute, https, and unambiguous for every parser.

    Sources: RFC 6749 3.1.2, RFC 9700 4.1.
    """
    if not isinstance(uri, str) or _URI_CHARACTERS.fullmatch(uri) is None or set(uri) & set("\\*<>\"'`{}|^#;,"):
        return "Een redirect_uri is een adres zonder #, *, aanhalingstekens of andere bijzondere tekens."
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "Een redirect_uri is een volledig adres."
    if parts.netloc != (host if port is None else f"{host}:{port}") or parts.geturl() != uri:
        return "Een redirect_uri heeft geen gebruikersnaam, en staat in de gewone schrijfwijze (kleine letters)."
    loopback = practice and host in LOOPBACK_HOSTS
    if parts.scheme != "https" and not (loopback and parts.scheme == "http"):
        return "Een redirect_uri begint met https://. In een oefenomgeving mag http://localhost ook."
    if not loopback and _HOST.fullmatch(host) is None:
        return "Een redirect_uri heeft een gewone hostnaam, geen IP-adres of jokerteken."
    if {"..", "."} & set(parts.path.lower().replace("%2e", ".").split("/")) or "%2f" in parts.path.lower():
        return "Een redirect_uri heeft geen .. of %2F in het pad."
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return (
        f"Een redirect_uri bevat geen {', '.join(sorted(names & _RESPONSE_PARAMETERS))}."
        if names & _RESPONSE_PARAMETERS
        else None
    )


def check_uri_of_member(uri: object, name: str, *, practice: bool) -> str | None:
    """Check a URI as a redirect URI. The error text says `name`."""
    error = check_uri(uri, practice=practice)
    return None if error is None else error.replace("redirect_uri", name)


def check_page_uri(value: object) -> str | None:
    """Check the address of a web page, where one is given."""
    return None if value is None else check_uri(value, practice=False)


def check_resource_uri(resource: object, *, practice: bool) -> str | None:
    """Check a resource indicator (RFC 8707 section 2): a URI without a query."""
    error = check_uri_of_member(resource, "resource", practice=practice)
    return error or ("Een resource heeft geen ? in het adres." if "?" in str(resource) else None)


def check_short_text(value: object) -> str | None:
    """Check one short line of text, where one is given."""
    error = "Hier hoort een korte tekst."
    if value is None or value == "":
        return None
    try:
        return None if isinstance(value, str) and len(value) <= 128 and require_plain_line(value) else error
    except ValueError:
        return error


def check_contacts(value: object) -> str | None:
    """Check the list of e-mail addresses."""
    right = (
        isinstance(value, list)
        and len(value) <= _MAX_CONTACTS
        and all(check_short_text(one) is None and one for one in value)
    )
    return None if right else f"Hier horen hoogstens {_MAX_CONTACTS} e-mailadressen."


def is_certificate_name(kind: str, value: object) -> bool:
    """Return whether this name can stand in a certificate (RFC 8705 section 2.1.2)."""
    if kind == "subject_dn":
        return certificates.is_distinguished_name(value)
    if kind == "san_ip":
        return certificates.is_ip_address(value)
    return isinstance(value, str) and _CERTIFICATE_NAMES[kind].fullmatch(value) is not None
