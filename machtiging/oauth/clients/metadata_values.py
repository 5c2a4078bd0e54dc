"""Checks of one value in client metadata: names, addresses, short texts, certificate names. Pure.

Each check returns the message of the error, or None.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import parse_qsl, urlsplit

from machtiging.crypto import certificates
from machtiging.kernel.errors import Message
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


def check_client_id(value: object, *, practice: bool) -> Message | None:
    """Check a chosen client id: in practice only."""
    if value is None:
        return None
    if not practice:
        return Message("metadata.client_id_is_ours")
    right = isinstance(value, str) and _CLIENT_ID.fullmatch(value) is not None
    return None if right else Message("metadata.client_id_format")


def check_client_name(value: object) -> Message | None:
    """Check the name on the consent page: Latin letters only, against look-alikes.

    Mixed scripts, confusables, invisible and bidirectional characters are refused (Unicode TR 36 and 39).
    """
    if not isinstance(value, str) or not 2 <= len(value) <= _MAX_NAME_LENGTH:
        return Message("metadata.name_length", {"max_name_length": _MAX_NAME_LENGTH})
    if unicodedata.normalize("NFKC", value) != value or " ".join(value.split()) != value:
        return Message("metadata.name_normal_form")
    if not all(letter in _PUNCTUATION or _is_plain_latin(letter) for letter in value):
        return Message("metadata.name_script")
    return None if any(letter.isalpha() for letter in value) else Message("metadata.name_letters")


def _is_plain_latin(letter: str) -> bool:
    # Base letters a-z with or without accents. Confusables such as dotless i and alpha do not decompose to those.
    base = unicodedata.normalize("NFD", letter)[0]
    return base.isascii() and base.isalpha() and letter.isalpha()


def check_uri(uri: object, *, practice: bool, member: str = "redirect_uri") -> Message | None:
    """Check a URI: absolute, https, and unambiguous for every parser. The message names the `member`.

    Sources: RFC 6749 3.1.2, RFC 9700 4.1.
    """
    if not isinstance(uri, str) or _URI_CHARACTERS.fullmatch(uri) is None or set(uri) & set("\\*<>\"'`{}|^#;,"):
        return Message("metadata.uri_characters", {"member": member})
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return Message("metadata.uri_absolute", {"member": member})
    if parts.netloc != (host if port is None else f"{host}:{port}") or parts.geturl() != uri:
        return Message("metadata.uri_normal_form", {"member": member})
    loopback = practice and host in LOOPBACK_HOSTS
    if parts.scheme != "https" and not (loopback and parts.scheme == "http"):
        return Message("metadata.uri_scheme", {"member": member})
    if not loopback and _HOST.fullmatch(host) is None:
        return Message("metadata.uri_host", {"member": member})
    if {"..", "."} & set(parts.path.lower().replace("%2e", ".").split("/")) or "%2f" in parts.path.lower():
        return Message("metadata.uri_path", {"member": member})
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return (
        Message(
            "metadata.uri_response_parameters",
            {"member": member, "names": ", ".join(sorted(names & _RESPONSE_PARAMETERS))},
        )
        if names & _RESPONSE_PARAMETERS
        else None
    )


def check_page_uri(value: object) -> Message | None:
    """Check the address of a web page, where one is given."""
    return None if value is None else check_uri(value, practice=False)


def check_resource_uri(resource: object, *, practice: bool) -> Message | None:
    """Check a resource indicator (RFC 8707 section 2): a URI without a query."""
    error = check_uri(resource, practice=practice, member="resource")
    return error or (Message("metadata.resource_query") if "?" in str(resource) else None)


def check_short_text(value: object) -> Message | None:
    """Check one short line of text, where one is given."""
    error = Message("metadata.short_text")
    if value is None or value == "":
        return None
    try:
        return None if isinstance(value, str) and len(value) <= 128 and require_plain_line(value) else error
    except ValueError:
        return error


def check_contacts(value: object) -> Message | None:
    """Check the list of e-mail addresses."""
    right = (
        isinstance(value, list)
        and len(value) <= _MAX_CONTACTS
        and all(check_short_text(one) is None and one for one in value)
    )
    return None if right else Message("metadata.contacts", {"max_contacts": _MAX_CONTACTS})


def is_certificate_name(kind: str, value: object) -> bool:
    """Return whether this name can stand in a certificate (RFC 8705 section 2.1.2)."""
    if kind == "subject_dn":
        return certificates.is_distinguished_name(value)
    if kind == "san_ip":
        return certificates.is_ip_address(value)
    return isinstance(value, str) and _CERTIFICATE_NAMES[kind].fullmatch(value) is not None
