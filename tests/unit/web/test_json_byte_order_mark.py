"""JSON with a byte order mark, as some .NET and PowerShell programs write it (RFC 8259 section 8.1: may be ignored)."""

from __future__ import annotations

import json
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

import pytest

from machtiging.cli.clients import read_metadata
from machtiging.crypto.jose import parse_strict_json
from machtiging.kernel.errors import InvalidInput, NotAuthenticated
from machtiging.kernel.text import drop_byte_order_mark
from machtiging.oauth.authorization_details.parsing import parse_authorization_details
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.openid.claims_parameter import parse_claims_parameter
from machtiging.oauth.registration.validation import RegistrationRequest, parse_metadata
from machtiging.web.validation import StrictRequestModel, parse_body
from tests.builders.applications import BOX_HANDLER

DETAILS = '[{"type": "berichtenbox", "actions": ["lijst"]}]'
WRONG = [BOM_UTF8 * 2, BOM_UTF16_LE, BOM_UTF16_BE, b"\xff", b"\xef\xbb", b"x"]


class Named(StrictRequestModel):
    naam: str


def test_byte_order_mark_in_api_body_is_ignored() -> None:
    assert parse_body(Named, BOM_UTF8 + '{"naam": "é"}'.encode()).naam == "é"
    assert (
        parse_body(Named, BOM_UTF8 + b' {"naam": "\xef\xbb\xbfa"}').naam == "\ufeffa"
    )  # in a value it is the sender's own
    for wrong in WRONG:
        with pytest.raises(InvalidInput):
            parse_body(Named, wrong + b'{"naam": "a"}')


def test_byte_order_mark_in_registration_is_ignored() -> None:
    body = json.dumps({"client_name": "App"}).encode()
    assert parse_metadata(RegistrationRequest("application/json", BOM_UTF8 + body)) == {"client_name": "App"}
    for wrong in WRONG:
        with pytest.raises(OAuthRefusal, match="clientgegevens_onleesbaar"):
            parse_metadata(RegistrationRequest("application/json", wrong + body))


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
    assert parse_authorization_details(BOX_HANDLER, "\ufeff" + DETAILS) == parse_authorization_details(
        BOX_HANDLER, DETAILS
    )
    assert parse_claims_parameter("\ufeff" + '{"userinfo": {"name": null}}') == parse_claims_parameter(
        '{"userinfo": {"name": null}}'
    )
    with pytest.raises(OAuthRefusal):
        parse_authorization_details(BOX_HANDLER, "\ufeff\ufeff" + DETAILS)


def test_byte_order_mark_in_jwt_part_is_rejected() -> None:
    """A signed text is not changed before it is verified."""
    with pytest.raises(NotAuthenticated):
        parse_strict_json(BOM_UTF8 + b"{}")
    assert parse_strict_json(drop_byte_order_mark(BOM_UTF8 + b"{}")) == {}
