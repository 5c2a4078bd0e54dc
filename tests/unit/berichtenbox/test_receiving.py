"""Taking in an aanlevering: every shape, name and content that is refused, before any database is asked."""

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


def a_request(content: bytes = PDF, filename: bytes = b"brief.pdf", kind: bytes = b"application/pdf") -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="bericht"\r\n\r\n' + json.dumps(BERICHT).encode()
    part = b'\r\n--x\r\nContent-Disposition: form-data; name="bijlage"; filename="' + filename + b'"\r\n'
    return head + part + b"Content-Type: " + kind + b"\r\n\r\n" + content + b"\r\n--x--\r\n"


async def refusal_of(body: bytes, kind: str = MULTIPART, size: int = 1000) -> Refusal:
    with pytest.raises(Refusal) as caught:
        (await receive_aanlevering(kind, in_pieces(body, size))).close()
    return caught.value


@pytest.mark.parametrize("size", [1, 7, 1000, 10**9])
async def test_what_came_in_is_the_same_however_it_was_cut(size):
    received = await receive_aanlevering(MULTIPART, in_pieces(a_request(), size))
    assert json.loads(bytes(received.bericht)) == BERICHT
    assert [(one.naam, b"".join(one.iterate_pieces()), one.size) for one in received.bijlagen] == [
        ("brief.pdf", PDF, len(PDF))
    ]
    received.close()


async def test_a_large_bijlage_comes_back_in_pieces_and_is_sealed_while_it_waits():
    content = PDF[:9] + os.urandom(6 * rules.MIB) + PDF
    received = await receive_aanlevering(MULTIPART, in_pieces(a_request(content), 70_000))
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
async def test_row_58_what_is_no_pdf_is_refused(content, kind):
    for size in (1, 10**9):
        refusal = await refusal_of(a_request(content, kind=kind), size=size)
        assert isinstance(refusal, UnsupportedMedia)
        assert refusal.code == "bijlage_geen_pdf"


NAMES = [b"../brief.pdf", b"/etc/passwd", b"a/b.pdf", b"..", b".", b"", b"nul\x00.pdf", "\u202efdp.exe".encode()]
NAMES += [b"C:x.pdf", b"x" * 256, b"\xff.pdf", b"a|b.pdf", b"$(id)<x>.pdf", b"a\tb.pdf", b"   "]


@pytest.mark.parametrize("name", NAMES, ids=repr)
async def test_row_55_a_name_with_a_path_or_odd_characters_is_refused(name):
    assert (await refusal_of(a_request(filename=name))).code == "bijlage_naam_ongeldig"


@pytest.mark.parametrize("name", ["brief.pdf", "één €.pdf", "x" * 251 + ".pdf", "..brief.pdf"], ids=repr)
async def test_a_plain_name_is_kept(name):
    received = await receive_aanlevering(MULTIPART, in_pieces(a_request(filename=name.encode())))
    assert received.bijlagen[0].naam == name
    received.close()


async def test_a_bijlage_over_the_limit_is_refused_as_soon_as_it_is_seen():
    sent = 0

    async def endless():
        nonlocal sent
        yield a_request()[: a_request().index(b"%PDF")] + b"%PDF-1.7\n"
        while True:
            sent += 1
            yield b"x" * rules.MIB

    with pytest.raises(TooLarge, match="bijlage_te_groot"):
        await receive_aanlevering(MULTIPART, endless())
    assert sent <= 26


def test_the_limit_of_a_bijlage_is_25_mib_to_the_byte():
    bijlage = ReceivedBijlage("brief.pdf", _EncryptedSpool(), size=25 * rules.MIB - 3)
    bijlage.add_content(b"abc")
    with pytest.raises(TooLarge, match="bijlage_te_groot"):
        bijlage.add_content(b"d")
    bijlage.spool.close()


async def test_100_bijlagen_are_taken_in_and_the_one_after_them_is_refused():
    start, rest = a_request().split(b'--x\r\nContent-Disposition: form-data; name="bijlage"')
    one = b'--x\r\nContent-Disposition: form-data; name="bijlage"' + rest.removesuffix(b"--x--\r\n")
    received = await receive_aanlevering(MULTIPART, in_pieces(start + 100 * one + b"--x--\r\n"))
    assert len(received.bijlagen) == 100
    received.close()
    assert (await refusal_of(start + 101 * one)).code == "te_veel_bijlagen"


async def test_a_text_part_over_the_limit_is_refused_as_soon_as_it_is_seen():
    head = b'--x\r\nContent-Disposition: form-data; name="bericht"\r\n\r\n'
    refusal = await refusal_of(head + b"x" * (rules.MAX_BERICHT_PART_BYTES + 1), size=rules.MIB)
    assert refusal.code == "bericht_te_groot"


@pytest.mark.parametrize("upto", [*range(1, len(a_request()) - 4, 37), -5])
async def test_half_a_letter_is_no_letter(upto):
    assert (await refusal_of(a_request()[:upto])).code in {"aanlevering_onvolledig", "bericht_ontbreekt"}


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
    ids=["nothing", "rubbish", "other part", "no form-data", "no name", "long header", "two letters"],
)
async def test_a_request_of_another_shape_is_refused(body, code):
    assert (await refusal_of(body)).code == code


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/mixed; boundary=x", "multipart/form-data", "", "x" * 9999]
)
async def test_another_content_type_is_refused(kind):
    assert isinstance(await refusal_of(a_request(), kind), UnsupportedMedia)


@pytest.mark.parametrize("boundary", ["x" * 10_000, "é", "=?utf-8?q?x?=", '"a b"'])
async def test_an_odd_boundary_is_refused(boundary):
    refusal = await refusal_of(a_request(), f"multipart/form-data; boundary={boundary}")
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
def test_row_7_every_field_is_of_its_own_kind_and_size(wrong):
    changed = {name: value for name, value in {**BERICHT, **wrong}.items() if value is not ...}
    with pytest.raises(InvalidInput) as caught:
        bericht_of(json.dumps(changed).encode())
    assert next(iter(caught.value.fields)).split(".")[0] == next(iter(wrong))


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "null", '"x"', "[" * 100_000, '{"a":' * 50_000, "\ufeff{}", b"\xff\xfe", '{"onderwerp":"\\ud800"}'],
    ids=["cut", "list", "null", "text", "deep lists", "deep objects", "bom", "not utf-8", "lone surrogate"],
)
def test_row_63_json_that_is_none_or_too_deep_is_refused(content):
    with pytest.raises(InvalidInput, match="bericht_ongeldig"):
        bericht_of(content if isinstance(content, bytes) else content.encode())


def test_a_bericht_does_not_print_the_number_it_is_for():
    assert "999990019" not in repr(bericht_of(json.dumps(BERICHT).encode()))
    with pytest.raises(InvalidInput) as caught:
        bericht_of(json.dumps(BERICHT | {"ontvanger": {"type": "BSN", "waarde": "9999900199"}}).encode())
    assert "999990019" not in repr(caught.value.fields) + str(caught.value)


@pytest.mark.parametrize(("size", "parts"), [(1, 1), (rules.MIB, 1), (rules.MIB + 1, 2), (25 * rules.MIB, 25)])
def test_in_how_many_pieces(size, parts):
    assert rules.count_parts(size) == parts


ID = "019ab0c4-7a5e-7c3e-9f1a-123456789012"


@pytest.mark.parametrize(
    "offered",
    ["", "1", "999990019", ID[:-1], ID + "0", "{" + ID + "}", "urn:uuid:" + ID, ID.replace("-", ""), "é" * 36],
)
def test_an_id_that_is_malformed_is_an_id_that_nothing_has(offered):
    assert rules.parse_id(offered) == rules.NO_SUCH_ID


@pytest.mark.parametrize("offered", [ID, ID.upper()])
def test_an_id_is_taken_in_its_plain_form(offered):
    assert str(rules.parse_id(offered)) == ID
