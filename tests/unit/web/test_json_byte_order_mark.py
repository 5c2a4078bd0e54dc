"""JSON with a byte order mark, as some .NET and PowerShell programs write it (RFC 8259 section 8.1: may be ignored)."""

from __future__ import annotations

import json
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

import pytest

from machtiging.cli.clients import read_metadata
from machtiging.crypto.jose import strict_json
from machtiging.kernel.errors import InvalidInput, NotAuthenticated
from machtiging.kernel.text import drop_byte_order_mark
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.openid.claims import claims_from
from machtiging.oauth.registration.judge import Said, metadata_in
from machtiging.oauth.rules import wanted_from
from machtiging.web.validation import Strict, parsed

DETAILS = '[{"type": "berichtenbox", "actions": ["lijst"]}]'
WRONG = [BOM_UTF8 * 2, BOM_UTF16_LE, BOM_UTF16_BE, b"\xff", b"\xef\xbb", b"x"]


class Named(Strict):
    naam: str


def test_byte_order_mark_in_api_body_is_ignored() -> None:
    assert parsed(Named, BOM_UTF8 + '{"naam": "é"}'.encode()).naam == "é"
    assert (
        parsed(Named, BOM_UTF8 + b' {"naam": "\xef\xbb\xbfa"}').naam == "\ufeffa"
    )  # in a value it is the sender's own
    for wrong in WRONG:
        with pytest.raises(InvalidInput):
            parsed(Named, wrong + b'{"naam": "a"}')


def test_byte_order_mark_in_registration_is_ignored() -> None:
    body = json.dumps({"client_name": "App"}).encode()
    assert metadata_in(Said("application/json", BOM_UTF8 + body)) == {"client_name": "App"}
    for wrong in WRONG:
        with pytest.raises(OAuthRefusal, match="clientgegevens_onleesbaar"):
            metadata_in(Said("application/json", wrong + body))


def test_byte_order_mark_in_metadata_file_is_ignored(tmp_path) -> None:
    file = tmp_path / "client.json"
    for mark in (b"", BOM_UTF8):
        file.write_bytes(mark + '{"client_name": "Één"}'.encode())
        assert read_metadata(file) == {"client_name": "Één"}
    for wrong in WRONG:
        file.write_bytes(wrong + b"{}")
        with pytest.raises(InvalidInput):
            read_metadata(file)


def test_byte_order_mark_in_json_parameter_is_ignored() -> None:
    assert wanted_from("\ufeff" + DETAILS) == wanted_from(DETAILS)
    assert claims_from("\ufeff" + '{"userinfo": {"name": null}}') == claims_from('{"userinfo": {"name": null}}')
    with pytest.raises(OAuthRefusal):
        wanted_from("\ufeff\ufeff" + DETAILS)


def test_byte_order_mark_in_jwt_part_is_rejected() -> None:
    """A signed text is not changed before it is verified."""
    with pytest.raises(NotAuthenticated):
        strict_json(BOM_UTF8 + b"{}")
    assert strict_json(drop_byte_order_mark(BOM_UTF8 + b"{}")) == {}
