"""Requests that are refused as a whole, and the shape of the refusals."""

import pytest

from machtiging.verification.authzen.rules import MAX_EVALUATIONS
from tests.protocol.authzen.conftest import ALICE, READ, RECORD, question

WHOLE = b'{"subject":{"type":"user","id":"alice"},"action":{"name":"read"},"resource":{"type":"record","id":"record-1"}'


@pytest.mark.parametrize(
    "body",
    [
        WHOLE + b',"subject":{"type":"user","id":"bob"}}',
        WHOLE + b',"context":{"a":1,"\\u0061":2}}',
        WHOLE.replace(b"alice", b"ali\\ud800ce") + b"}",
        WHOLE + b',"context":{"\\udfff":1}}',
        WHOLE + b',"context":{"n":NaN}}',
        WHOLE + b',"context":{"n":1e400}}',
        WHOLE + b',"context":{"n":' + b"9" * 400 + b"}}",
        WHOLE.replace(b"alice", b"ali\xffce") + b"}",
        WHOLE + b',"context":' + b'{"a":' * 33 + b"1" + b"}" * 33 + b"}",
        WHOLE + b',"context":{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}}",
    ],
    ids=[
        "double",
        "double-escaped",
        "surrogate",
        "surrogate-name",
        "nan",
        "infinite",
        "huge",
        "utf-8",
        "deep",
        "deepest",
    ],
)
async def test_json_with_more_than_one_meaning_is_bad_request(pep, body):
    answer = await pep.post_bytes("evaluation", body)
    assert answer.status_code == 400
    assert "authzen_json_ongeldig" in answer.json()


async def test_json_with_a_byte_order_mark_and_a_charset_is_read(pep):
    answer = await pep.post_bytes("evaluation", b"\xef\xbb\xbf" + WHOLE + b"}", "Application/JSON; charset=utf-8")
    assert answer.json() == {"decision": True}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        (question(subject=None), "subject"),
        (question(subject=[]), "subject"),
        (question(subject={"type": "user", "id": 7}), "subject.id"),
        (question(subject=ALICE | {"properties": []}), "subject.properties"),
        (question(action=READ | {"properties": "x"}), "action.properties"),
        (question(resource=RECORD | {"id": None}), "resource.id"),
        (question(context="now"), "context"),
    ],
)
async def test_evaluation_with_a_member_of_a_wrong_type_names_the_member(pep, members, field):
    answer = await pep.post("evaluation", members)
    assert answer.status_code == 400
    assert f" {field} " in answer.json()


@pytest.mark.parametrize(
    "more",
    [
        {"evaluations": {}},
        {"evaluations": "all"},
        {"evaluations": [{}], "options": []},
        {"evaluations": [{}], "options": {"evaluations_semantic": "first"}},
        {"evaluations": [{}], "options": {"evaluations_semantic": True}},
        {"evaluations": [{}], "context": 1},
        {"evaluations": [{}], "subject": "alice"},
        {"evaluations": [{}] * (MAX_EVALUATIONS + 1)},
        {"options": {"evaluations_semantic": "first"}},
    ],
)
async def test_batch_that_is_wrong_as_a_whole_is_bad_request(pep, more):
    assert (await pep.post("evaluations", question(**more))).status_code == 400


async def test_body_beyond_the_limit_is_refused_with_a_message_string(pep):
    answer = await pep.post_bytes("evaluation", WHOLE + b',"context":{"a":"' + b"a" * 300_000 + b'"}}')
    assert answer.status_code == 413
    assert isinstance(answer.json(), str)


async def test_compressed_body_is_bad_request_with_a_message_string(pep):
    path, fields = "/authzen/proef/access/v1/evaluation", {"Content-Encoding": "gzip"}
    answer = await pep.send("POST", path, json=question(), headers=fields)
    assert (answer.status_code, type(answer.json())) == (400, str)


async def test_form_with_another_charset_is_bad_request(pep):
    answer = await pep.post_bytes("evaluation", b"x", "multipart/form-data; boundary=x; charset=latin-1")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/authzen/proef/access/v1/evaluation", 405),
        ("POST", "/authzen/proef/access/v1/evaluation/", 404),
        ("POST", "/authzen/proef/access/v1/search/bericht", 404),
        ("POST", "/authzen/no-such-tenant/access/v1/evaluation", 404),
        ("POST", "/authzen/..%2fproef/access/v1/evaluation", 404),
    ],
)
async def test_unknown_path_or_method_is_refused_with_a_message_string(pep, method, path, status):
    answer = await pep.send(method, path, headers={"Accept": "text/html"}, json=question())
    assert (answer.status_code, type(answer.json())) == (status, str)


@pytest.mark.parametrize("request_id", ["r1", "REQ/2026:7", "A" * 128])
async def test_request_id_of_harmless_text_is_echoed(pep, request_id):
    answer = await pep.post("evaluation", question(), **{"X-Request-ID": request_id})
    assert answer.headers["x-request-id"] == request_id


@pytest.mark.parametrize("request_id", ["<b>", "a b", "A" * 129, '"'])
async def test_request_id_of_unsafe_text_is_replaced(pep, request_id):
    answer = await pep.post("evaluation", question(), **{"X-Request-ID": request_id})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] not in ("", request_id)


async def test_refusal_is_in_the_language_of_the_caller(pep):
    answer = await pep.post("evaluation", {}, **{"Accept-Language": "en"})
    assert answer.json().startswith("The field subject is missing. (authzen_veld_ontbreekt, ")
