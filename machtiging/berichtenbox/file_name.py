"""Parse the file name in a Content-Disposition header, in all forms that clients send.

Sources: RFC 7578 section 4.2 (plain UTF-8), RFC 8187 (`filename*`: forbidden by RFC 7578, but sent by .NET and
urllib3), RFC 2047 (encoded words, which .NET sends beside it), the HTML standard (`%22`, `%0D` and `%0A` of browsers).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header
from urllib.parse import unquote_to_bytes

_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_EXTENDED_NAME = re.compile(rb";\s*filename\*[^;]*", re.IGNORECASE)
_EXTENDED_VALUE = re.compile(
    rb";\s*filename\*\s*=\s*([a-z0-9-]+)'[a-z0-9-]*'([a-z0-9!#$&+.^_`|~%-]+)\s*", re.IGNORECASE
)
_CHARSETS = frozenset({"utf-8", "iso-8859-1"})
_ENCODED_WORD = re.compile(r"(?:=\?[^?\s]+\?[BbQq]\?[^?\s]*\?=\s*)+")
_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}


def read_file_name(header: bytes, options: Mapping[bytes, bytes]) -> str:
    """Return the file name of a part, or an empty string. `options` are the parsed parameters of `header`.

    `filename*` takes precedence (RFC 6266 section 4.3). Raises ValueError for an unsupported charset.
    """
    # Empty the quoted values, which may contain text that looks like a parameter.
    extended = _EXTENDED_NAME.search(_QUOTED.sub(b'""', header))
    if extended is not None:
        return _decode_extended(extended[0])
    name = options.get(b"filename", b"").decode()
    if _ENCODED_WORD.fullmatch(name):
        return _decode_words(name)
    for escape, letter in _ESCAPES.items():
        name = name.replace(escape, letter).replace(escape.lower(), letter)
    return name


def _decode_extended(parameter: bytes) -> str:
    found = _EXTENDED_VALUE.fullmatch(parameter)
    charset = "" if found is None else found[1].decode().lower()
    if found is None or charset not in _CHARSETS:
        raise ValueError("filename* is no ext-value (RFC 8187)")
    return unquote_to_bytes(found[2]).decode(charset)


def _decode_words(name: str) -> str:
    try:
        parts = decode_header(name)
        return "".join(part if isinstance(part, str) else part.decode(charset or "ascii") for part, charset in parts)
    except (HeaderParseError, LookupError) as error:
        raise ValueError("an encoded word that cannot be read") from error
