"""A signed file of register events: only the register's own key opens it."""

import json

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from machtiging.kernel.errors import Fault, InvalidInput
from machtiging.registers.signed_file import FILE_TYPE, read_register_keys, verify_signed_file
from tests.builders.rows import MACHTIGINGEN, REGISTER_EVENTS
from tests.protocol.registers.conftest import REGISTER_OIN, make_item

KEY, OTHER_KEY = ECKey.generate_key("P-256", {"kid": "r1"}), ECKey.generate_key("P-256", {"kid": "r1"})
KEYS = {REGISTER_OIN: {"keys": [KEY.as_dict(private=False)]}}


def sign(payload, key=KEY, **header):
    fields = {"alg": "ES256", "kid": "r1", "typ": FILE_TYPE, **header}
    fields = {name: value for name, value in fields.items() if value is not ...}
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return jws.serialize_compact(fields, content, key, algorithms=["ES256"]).encode()


def test_array_and_json_lines_give_the_same_events():
    items = [make_item(), make_item(gebeurtenisId="g2")]
    lines = "\n".join(map(json.dumps, items)).encode()
    assert verify_signed_file(sign(items), KEYS) == verify_signed_file(sign(lines), KEYS) == (REGISTER_OIN, items)


def spoil(signed):
    head, payload, signature = signed.split(b".")
    return b".".join((head, payload[:-4] + b"AAAA", signature))


BAD = [
    lambda: b"",
    lambda: b"{}",
    lambda: "é".encode(),
    lambda: spoil(sign([make_item()])),
    lambda: sign([make_item()], OTHER_KEY),
    lambda: sign([make_item()], kid="r2"),
    lambda: sign([make_item()], kid=...),
    lambda: sign([make_item()], typ="jwt"),
    lambda: sign([make_item()], typ=...),
    lambda: sign(b"[1]"),
    lambda: sign(b"[{]"),
    lambda: sign(b'{"a":1,"a":2}'),
]


@pytest.mark.parametrize("make", BAD)
def test_file_that_is_not_properly_signed_is_refused(make):
    with pytest.raises(InvalidInput, match="registerbestand_ongeldig"):
        verify_signed_file(make(), KEYS)


def test_key_that_two_registers_share_is_refused():
    both = KEYS | {"00000099000000003000": KEYS[REGISTER_OIN]}
    with pytest.raises(InvalidInput, match="registerbestand_ongeldig"):
        verify_signed_file(sign([make_item()]), both)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"1":{"keys":[]}}', '{"00000099000000002000":{}}'])
def test_unreadable_keys_are_a_fault(tmp_path, text):
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(Fault, match="registersleutels_onleesbaar"):
        read_register_keys(tmp_path / "keys.json")


@pytest.fixture
def files(tmp_path, monkeypatch):
    (tmp_path / "keys.json").write_text(json.dumps(KEYS))
    monkeypatch.setenv("MACHTIGING_REGISTER_KEYS_FILE", str(tmp_path / "keys.json"))
    return tmp_path


async def test_import_stores_each_event_and_repeated_changes_nothing(register, run_command, files):
    (files / "events.jws").write_bytes(sign([make_item(), make_item(gebeurtenisId="g2", soort="voogdij")]))
    first = await run_command("register-events", "import", str(files / "events.jws"))
    assert first.code == 1, first
    assert "soort_onbekend" in first.out
    await run_command("register-events", "import", str(files / "events.jws"))
    assert (await MACHTIGINGEN.count(register), await REGISTER_EVENTS.count(register)) == (1, 1)


async def test_dry_run_shows_the_results_and_stores_nothing(register, run_command, files):
    (files / "events.jws").write_bytes(sign([make_item()]))
    ended = await run_command("register-events", "import", str(files / "events.jws"), "--dry-run")
    assert (ended.code, "verwerkt" in ended.out) == (0, True)
    assert await REGISTER_EVENTS.count(register) == 0


async def test_import_of_a_file_with_another_signature_is_refused(register, run_command, files):
    (files / "events.jws").write_bytes(sign([make_item()], OTHER_KEY))
    ended = await run_command("register-events", "import", str(files / "events.jws"))
    assert ended.code == 1
    assert await REGISTER_EVENTS.count(register) == 0


async def test_import_without_keys_in_the_settings_is_refused(register, run_command, tmp_path):
    (tmp_path / "events.jws").write_bytes(sign([make_item()]))
    assert (await run_command("register-events", "import", str(tmp_path / "events.jws"))).code != 0
