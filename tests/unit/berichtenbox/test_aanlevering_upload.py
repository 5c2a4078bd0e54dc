"""Upload of an aanlevering: structure, names and content are validated before the database is used."""

import json
import os

import pytest

from machtiging.berichtenbox import rules
from machtiging.berichtenbox.multipart import ReceivedBijlage, _EncryptedSpool, receive_aanlevering
from machtiging.berichtenbox.schemas import BerichtIn
from machtiging.kernel.errors import InvalidInput, Refusal, TooLarge, UnsupportedMedia
from machtiging.web.validation import parse_body

PDF = b"%PDF-1.7\n%%EOF\n"
MULTIPART = "multipart/form-data; boundary=x"
BERICHT = {
    "ontvanger": {"type": "BSN", "waarde": "999990019"},
    "dienst": "ww-uitkering",
    "onderwerp": "Uw uitkering",
    "inhoud": "Beste mevrouw",
    "kenmerk": "K1",
}


async def in_pieces(body: bytes, size: int = 1000):
    for start in range(0, len(body), size):
        yield body[start : start + size]


def build_upload_body(content: bytes = PDF, filename: bytes = b"brief.pdf", kind: bytes = b"application/pdf") -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="bericht"\r\n\r\n' + json.dumps(BERICHT).encode()
    part = b'\r\n--x\r\nContent-Disposition: form-data; name="bijlage"; filename="' + filename + b'"\r\n'
    return head + part + b"Content-Type: " + kind + b"\r\n\r\n" + content + b"\r\n--x--\r\n"


async def refusal_of(body: bytes, kind: str = MULTIPART, size: int = 1000) -> Refusal:
    with pytest.raises(Refusal) as caught:
        (await receive_aanlevering(kind, in_pieces(body, size))).close()
    return caught.value


@pytest.mark.parametrize("size", [1, 7, 1000, 10**9])
async def test_upload_in_any_chunk_size_is_received_unchanged(size):
    received = await receive_aanlevering(MULTIPART, in_pieces(build_upload_body(), size))
    assert json.loads(bytes(received.bericht)) == BERICHT
    assert [(one.naam, b"".join(one.iterate_pieces()), one.size) for one in received.bijlagen] == [
        ("brief.pdf", PDF, len(PDF))
    ]
    received.close()


async def test_large_bijlage_is_spooled_encrypted_and_read_in_parts():
    content = PDF[:9] + os.urandom(6 * rules.MIB) + PDF
    received = await receive_aanlevering(MULTIPART, in_pieces(build_upload_body(content), 70_000))
    pieces = list(received.bijlagen[0].iterate_pieces())
    assert b"".join(pieces) == content
    assert [len(piece) for piece in pieces[:-1]] == [rules.PART_BYTES] * 6
    received.spool._file.seek(0)
    assert content[1000:1100] not in received.spool._file.read()
    received.close()


HTML = b"<!DOCTYPE html><script>alert(1)</script>"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (HTML, b"text/html"),
        (HTML, b"application/pdf"),
        (SVG, b"image/svg+xml"),
        (SVG, b"application/pdf"),
        (HTML + PDF, b"application/pdf"),
        (b"%PDF-1.7\n" + HTML, b"application/pdf"),
        (PDF + b" " * 1024, b"application/pdf"),
        (PDF, b"text/html"),
        (b"", b"application/pdf"),
        (b"%%EOF", b"application/pdf"),
        (b" " + PDF, b"application/pdf"),
        (b"%PDF-3.0\n%%EOF", b"application/pdf"),
    ],
    ids=lambda value: repr(value[:12] + value[-6:]),
)
async def test_row_58_bijlage_that_is_not_pdf_is_rejected(content, kind):
    for size in (1, 10**9):
        refusal = await refusal_of(build_upload_body(content, kind=kind), size=size)
        assert isinstance(refusal, UnsupportedMedia)
        assert refusal.code == "bijlage_geen_pdf"


NAMES = [b"../brief.pdf", b"/etc/passwd", b"a/b.pdf", b"..", b".", b"", b"nul\x00.pdf", "\u202efdp.exe".encode()]
NAMES += [b"C:x.pdf", b"x" * 256, b"\xff.pdf", b"a|b.pdf", b"$(id)<x>.pdf", b"a\tb.pdf", b"   "]


@pytest.mark.parametrize("name", NAMES, ids=repr)
async def test_row_55_file_name_with_path_traversal_or_control_characters_is_rejected(name):
    assert (await refusal_of(build_upload_body(filename=name))).code == "bijlage_naam_ongeldig"


@pytest.mark.parametrize("name", ["brief.pdf", "één €.pdf", "x" * 251 + ".pdf", "..brief.pdf"], ids=repr)
async def test_plain_file_name_is_accepted(name):
    received = await receive_aanlevering(MULTIPART, in_pieces(build_upload_body(filename=name.encode())))
    assert received.bijlagen[0].naam == name
    received.close()


async def test_bijlage_over_size_limit_is_rejected_while_streaming():
    sent = 0

    async def endless():
        nonlocal sent
        yield build_upload_body()[: build_upload_body().index(b"%PDF")] + b"%PDF-1.7\n"
        while True:
            sent += 1
            yield b"x" * rules.MIB

    with pytest.raises(TooLarge, match="bijlage_te_groot"):
        await receive_aanlevering(MULTIPART, endless())
    assert sent <= 26


def test_bijlage_size_limit_is_exactly_25_mib():
    bijlage = ReceivedBijlage("brief.pdf", _EncryptedSpool(), size=25 * rules.MIB - 3)
    bijlage.add_content(b"abc")
    with pytest.raises(TooLarge, match="bijlage_te_groot"):
        bijlage.add_content(b"d")
    bijlage.spool.close()


async def test_bijlage_number_101_is_rejected():
    start, rest = build_upload_body().split(b'--x\r\nContent-Disposition: form-data; name="bijlage"')
    one = b'--x\r\nContent-Disposition: form-data; name="bijlage"' + rest.removesuffix(b"--x--\r\n")
    received = await receive_aanlevering(MULTIPART, in_pieces(start + 100 * one + b"--x--\r\n"))
    assert len(received.bijlagen) == 100
    received.close()
    assert (await refusal_of(start + 101 * one)).code == "te_veel_bijlagen"


async def test_bericht_part_over_size_limit_is_rejected_while_streaming():
    head = b'--x\r\nContent-Disposition: form-data; name="bericht"\r\n\r\n'
    refusal = await refusal_of(head + b"x" * (rules.MAX_BERICHT_PART_BYTES + 1), size=rules.MIB)
    assert refusal.code == "bericht_te_groot"


@pytest.mark.parametrize("upto", [*range(1, len(build_upload_body()) - 4, 37), -5])
async def test_truncated_upload_is_rejected(upto):
    assert (await refusal_of(build_upload_body()[:upto])).code in {"aanlevering_onvolledig", "bericht_ontbreekt"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"--x--\r\n", "bericht_ontbreekt"),
        (b"rommel", "aanlevering_onvolledig"),
        (b'--x\r\nContent-Disposition: form-data; name="anders"\r\n\r\nx\r\n--x--\r\n', "onderdeel_onbekend"),
        (b'--x\r\nContent-Disposition: attachment; name="bericht"\r\n\r\nx\r\n--x--\r\n', "onderdeel_onbekend"),
        (b"--x\r\nA: b\r\n\r\nx\r\n--x--\r\n", "onderdeel_onbekend"),
        (b"--x\r\nA: " + b"b" * 10_000 + b"\r\n\r\nx\r\n--x--\r\n", "aanlevering_onvolledig"),
        ((b'--x\r\nContent-Disposition: form-data; name="bericht"\r\n\r\n{}\r\n' * 2) + b"--x--\r\n", "bericht_dubbel"),
    ],
    ids=["empty", "no multipart", "other part", "no form-data", "no name", "long header", "two berichten"],
)
async def test_multipart_with_wrong_structure_is_rejected(body, code):
    assert (await refusal_of(body)).code == code


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/mixed; boundary=x", "multipart/form-data", "", "x" * 9999]
)
async def test_upload_with_wrong_content_type_is_rejected(kind):
    assert isinstance(await refusal_of(build_upload_body(), kind), UnsupportedMedia)


@pytest.mark.parametrize("boundary", ["x" * 10_000, "é", "=?utf-8?q?x?=", '"a b"'])
async def test_multipart_with_invalid_boundary_is_rejected(boundary):
    refusal = await refusal_of(build_upload_body(), f"multipart/form-data; boundary={boundary}")
    assert refusal.code == "aanlevering_onvolledig"


def bericht_of(content: bytes) -> BerichtIn:
    return parse_body(BerichtIn, content, "bericht_ongeldig")


@pytest.mark.parametrize(
    "wrong",
    [
        {"onderwerp": 0},
        {"inhoud": False},
        {"kenmerk": 12},
        {"ontvanger": "999990019"},
        {"ontvanger": {"type": "BSN", "waarde": 999990019}},
        {"ontvanger": {"type": "OIN", "waarde": "999990019"}},
        {"publicatietijdstip": 1700000000},
        {"publicatietijdstip": "2026-11-23T12:00:00"},
        {"publicatietijdstip": "2026-11-23"},
        {"dienst": ["ww-uitkering"]},
        {"dienst": "WW/../uitkering"},
        {"onderwerp": ""},
        {"onderwerp": "x" * 256},
        {"onderwerp": "Regel\r\nBcc: x"},
        {"kenmerk": "nul\x00"},
        {"kenmerk": "x" * 256},
        {"inhoud": "é" * (512 * 1024) + "x"},
        {"inhoud": ...},
    ],
    ids=lambda wrong: f"{next(iter(wrong))} {str(next(iter(wrong.values())))[:20]!r}",
)
def test_row_7_bericht_field_of_wrong_type_or_size_is_rejected(wrong):
    changed = {name: value for name, value in {**BERICHT, **wrong}.items() if value is not ...}
    with pytest.raises(InvalidInput) as caught:
        bericht_of(json.dumps(changed).encode())
    assert next(iter(caught.value.fields)).split(".")[0] == next(iter(wrong))


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "null", '"x"', "[" * 100_000, '{"a":' * 50_000, "\ufeff{}", b"\xff\xfe", '{"onderwerp":"\\ud800"}'],
    ids=["truncated", "list", "null", "text", "deep lists", "deep objects", "bom", "not utf-8", "lone surrogate"],
)
def test_row_63_malformed_or_deeply_nested_json_is_rejected(content):
    with pytest.raises(InvalidInput, match="bericht_ongeldig"):
        bericht_of(content if isinstance(content, bytes) else content.encode())


def test_bsn_is_absent_from_bericht_repr_and_errors():
    assert "999990019" not in repr(bericht_of(json.dumps(BERICHT).encode()))
    with pytest.raises(InvalidInput) as caught:
        bericht_of(json.dumps(BERICHT | {"ontvanger": {"type": "BSN", "waarde": "9999900199"}}).encode())
    assert "999990019" not in repr(caught.value.fields) + str(caught.value)


@pytest.mark.parametrize(("size", "parts"), [(1, 1), (rules.MIB, 1), (rules.MIB + 1, 2), (25 * rules.MIB, 25)])
def test_bijlage_size_gives_number_of_parts(size, parts):
    assert rules.count_parts(size) == parts


ID = "019ab0c4-7a5e-7c3e-9f1a-123456789012"


@pytest.mark.parametrize(
    "offered",
    ["", "1", "999990019", ID[:-1], ID + "0", "{" + ID + "}", "urn:uuid:" + ID, ID.replace("-", ""), "é" * 36],
)
def test_malformed_bericht_id_is_treated_as_unknown(offered):
    assert rules.parse_id(offered) == rules.NO_SUCH_ID


@pytest.mark.parametrize("offered", [ID, ID.upper()])
def test_uuid_bericht_id_is_accepted(offered):
    assert str(rules.parse_id(offered)) == ID
