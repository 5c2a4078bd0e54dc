"""Parse a PostgreSQL URL (libpq, section 34.1.1.2) for asyncpg; refuse unsupported parameters by name.

No message quotes a part of the URL: an unescaped password can end up in any part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from machtiging.kernel.errors import Fault

_SCHEME = re.compile(r"(postgres|postgresql)(\+[a-z0-9]+)?")
# As in SQLAlchemy: the password may contain anything but an @.
_USERINFO = re.compile(r"(?P<user>[^:/@]*)(?::(?P<password>[^@]*))?@")
_HOST = re.compile(r"[\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}(%[\w.-]+)?\]|/.*")
_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_TLS_VERSIONS = frozenset({"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"})
_DEFAULT_PORT = 5432
_DEFAULT_CONNECT_TIMEOUT = 10
# Parameters that asyncpg reads from a URL, with their allowed values (None: any).
_DRIVER_PARAMETERS: Mapping[str, frozenset[str] | None] = {
    "sslmode": _SSL_MODES,
    "sslcert": None,
    "sslkey": None,
    "sslrootcert": None,
    "sslcrl": None,
    "sslpassword": None,
    "sslnegotiation": frozenset({"postgres", "direct"}),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "target_session_attrs": frozenset({"any", "primary", "read-write"}),
    "passfile": None,
    "krbsrvname": None,
    "gsslib": frozenset({"gssapi", "sspi"}),
}
_FILE_PARAMETERS = ("sslcert", "sslkey", "sslrootcert", "sslcrl", "passfile")
# Parameters that have no effect with these values, because that is the behaviour anyway.
_NEUTRAL_PARAMETERS: Mapping[str, frozenset[str]] = {
    "channel_binding": frozenset({"disable", "prefer"}),
    "gssencmode": frozenset({"disable", "prefer"}),
    "client_encoding": frozenset({"utf8", "utf-8", "UTF8", "UTF-8", "auto"}),
    "sslcompression": frozenset({"0"}),
    "load_balance_hosts": frozenset({"disable"}),
    "replication": frozenset({"false", "off", "no", "0"}),
    "gssdelegation": frozenset({"0"}),
    "sslsni": frozenset({"1"}),
    "sslcertmode": frozenset({"allow"}),
}
# libpq parameters that are not supported, and the alternative.
_UNSUPPORTED_PARAMETERS: Mapping[str, str] = {
    "options": "Set such values for the login: ALTER ROLE ... SET name = value.",
    "hostaddr": "Name the address as host.",
    "service": "Write what the service file says into the URL.",
    "servicefile": "Write what the service file says into the URL.",
    "require_auth": "Choose the method on the server, in pg_hba.conf.",
    "requirepeer": "Use a socket directory that only the server's user can write in.",
    "ssl_crldir": "Use sslcrl with one file.",
    "sslcrldir": "Use sslcrl with one file.",
    "sslkeylogfile": "Leave it out.",
    "requiressl": "Use sslmode=require.",
    "keepalives": "Set the system's TCP keep-alive instead.",
    "keepalives_idle": "Set the system's TCP keep-alive instead.",
    "keepalives_interval": "Set the system's TCP keep-alive instead.",
    "keepalives_count": "Set the system's TCP keep-alive instead.",
    "tcp_user_timeout": "Set the system's TCP keep-alive instead.",
    "min_protocol_version": "Leave it out.",
    "max_protocol_version": "Leave it out.",
    "scram_client_key": "Use password.",
    "scram_server_key": "Use password.",
    "oauth_issuer": "Use a password or a certificate.",
    "oauth_client_id": "Use a password or a certificate.",
    "oauth_client_secret": "Use a password or a certificate.",
    "oauth_scope": "Use a password or a certificate.",
}
_ESCAPE_HINT = "In a password write %40 for @, %2F for /, %3F for ?, %23 for # and %25 for %."


@dataclass(frozen=True, slots=True, repr=False)
class DatabaseUrl:
    """The decoded parts of a database URL. It has no repr, because one is the password."""

    hosts: tuple[str, ...]
    ports: tuple[int, ...]
    user: str | None
    password: str | None
    database: str | None
    parameters: Mapping[str, str] = field(default_factory=dict)
    application_name: str = "machtiging"
    connect_timeout: int = _DEFAULT_CONNECT_TIMEOUT

    @property
    def is_own_socket(self) -> bool:
        """True for a server on a unix socket without a password: the embedded one."""
        return not self.password and bool(self.hosts) and all(host.startswith("/") for host in self.hosts)

    def driver_arguments(self) -> dict[str, Any]:
        """Return the arguments of `asyncpg.connect`. Nothing is left for the driver to parse."""
        found: dict[str, Any] = {
            "dsn": "postgresql://" + (f"?{urlencode(self.parameters)}" if self.parameters else ""),
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "timeout": self.connect_timeout,
        }
        if self.hosts:
            found |= {"host": list(self.hosts), "port": list(self.ports)}
        return found


def parse_database_url(url: str) -> DatabaseUrl:
    """Parse a URL. Raises Fault `database_url_ongeldig`, with a message that quotes nothing of it."""
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        raise _invalid_url("It must begin with postgresql://.")
    if any(character < " " or character == "\x7f" for character in url):
        raise _invalid_url("It holds a line end or another control character.")
    login = _USERINFO.match(rest)
    user, password = (login["user"], login["password"]) if login else (None, None)
    rest = rest[login.end() :] if login else rest
    place, _, query = rest.partition("?")
    if "@" in place or "#" in rest:
        raise _invalid_url(f"It holds an @ or a # in a place where none can be. {_ESCAPE_HINT}")
    hostspec, _, database = place.partition("/")
    words = _read_parameters(query)
    host_words = words.pop("host", "")
    hosts, ports = _read_hosts(hostspec or host_words, "" if hostspec else words.pop("port", ""))
    words.pop("port", None)
    named = words.pop("dbname", "") or words.pop("database", "")
    user = words.pop("user", "") or _decode_part(user)
    password = words.pop("password", "") or _decode_part(password)
    patience = _read_connect_timeout(words.pop("connect_timeout", ""))
    # fallback_application_name is used only without application_name.
    name = words.pop("application_name", "") or words.pop("fallback_application_name", "") or "machtiging"
    words.pop("fallback_application_name", None)
    return DatabaseUrl(
        hosts, ports, user or None, password or None, _decode_part(database) or named or None, words, name, patience
    )


def _invalid_url(sentence: str) -> Fault:
    return Fault("database_url_ongeldig", private=sentence)


def _decode_part(part: str | None) -> str:
    try:
        found = unquote(part or "", errors="strict")
    except UnicodeDecodeError:
        raise _invalid_url(f"A part of it is no UTF-8. {_ESCAPE_HINT}") from None
    if "\0" in found:
        raise _invalid_url("It holds a zero byte.")
    return found


def _read_parameters(query: str) -> dict[str, str]:
    """Read and check the query parameters. `ssl` is asyncpg's own name for sslmode."""
    found: dict[str, str] = {}
    for piece in query.split("&") if query else ():
        raw_name, is_given, raw_value = piece.partition("=")
        name, value = _decode_part(raw_name), _decode_part(raw_value)
        name = "sslmode" if name == "ssl" else name
        if name == "host" and "host" in found:
            value = f"{found.pop('host')},{value}"
        if not is_given or not value or name in found:
            is_known = name in _DRIVER_PARAMETERS or name in _NEUTRAL_PARAMETERS or name in _OWN_PARAMETERS
            raise _invalid_url(f"{name if is_known else 'A word'} after the ? has no value, or is there twice.")
        if _check_parameter(name, value):
            found[name] = value
    return found


_OWN_PARAMETERS = frozenset(
    {
        "host",
        "port",
        "user",
        "password",
        "dbname",
        "database",
        "connect_timeout",
        "application_name",
        "fallback_application_name",
    }
)


def _check_parameter(name: str, value: str) -> bool:
    """Return True to keep a parameter, False if it has no effect. Raises Fault if unsupported."""
    if name in _UNSUPPORTED_PARAMETERS:
        raise _invalid_url(f"{name} is not supported. {_UNSUPPORTED_PARAMETERS[name]}")
    if name in _NEUTRAL_PARAMETERS:
        if value in _NEUTRAL_PARAMETERS[name]:
            return False
        raise _invalid_url(f"{name} can only be {' or '.join(sorted(_NEUTRAL_PARAMETERS[name]))} here.")
    if name in _OWN_PARAMETERS:
        return True
    if name not in _DRIVER_PARAMETERS:
        raise _invalid_url(f"After the ? is a word that PostgreSQL does not know. {_ESCAPE_HINT}")
    possible = _DRIVER_PARAMETERS[name]
    if possible is not None and value not in possible:
        raise _invalid_url(f"{name} must be one of: {', '.join(sorted(possible))}.")
    if name in _FILE_PARAMETERS:
        _check_file(name, value)
    return True


def _check_file(name: str, value: str) -> None:
    if name == "sslrootcert" and value == "system":
        raise _invalid_url(
            "sslrootcert=system is not supported. Name the file with the certificates of the authorities."
        )
    try:
        with Path(value).expanduser().open("rb"):
            pass
    except (OSError, ValueError, RuntimeError) as error:
        raise _invalid_url(f"The file that {name} names cannot be read ({type(error).__name__}).") from None


def _read_hosts(hostspec: str, ports: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Read the comma-separated hosts and ports. No host: the driver's default."""
    if not hostspec:
        if ports:
            return ("localhost",), (_read_port(ports),)
        return (), ()
    found, given_ports = [], []
    for piece in hostspec.split(","):
        host, port = _split_host(piece)
        host = _decode_part(host) or "localhost"
        if not _HOST.fullmatch(host):
            raise _invalid_url(f"A host in it is not possible. {_ESCAPE_HINT}")
        found.append(host.strip("[]"))
        given_ports.append(port)
    listed = [one for one in ports.split(",") if one]
    if len(listed) not in {0, 1, len(found)}:
        raise _invalid_url("It names another number of ports than of hosts.")
    beside = listed * len(found) if len(listed) == 1 else listed or [""] * len(found)
    return tuple(found), tuple(_read_port(own or other) for own, other in zip(given_ports, beside, strict=True))


def _split_host(piece: str) -> tuple[str, str]:
    if piece.startswith("["):
        host, bracket, rest = piece.partition("]")
        return host + bracket, rest.removeprefix(":")
    if piece.startswith("/"):
        return piece, ""
    host, _, port = piece.partition(":")
    return host, port


def _read_port(text: str) -> int:
    if not text:
        return _DEFAULT_PORT
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise _invalid_url(f"The port must be a number from 1 to 65535. {_ESCAPE_HINT}")
    return int(text)


def _read_connect_timeout(text: str) -> int:
    """Read `connect_timeout` in whole seconds; empty, zero or less is our default, as in libpq."""
    if not text:
        return _DEFAULT_CONNECT_TIMEOUT
    if not re.fullmatch(r"-?[0-9]{1,4}", text, re.ASCII):
        raise _invalid_url("connect_timeout must be a whole number of seconds.")
    return min(int(text), 600) if int(text) > 0 else _DEFAULT_CONNECT_TIMEOUT
