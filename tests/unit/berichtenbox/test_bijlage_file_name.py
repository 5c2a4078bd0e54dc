"""The file name of a bijlage in the encodings of HTTP clients, and rejected names."""

import pytest

from machtiging.berichtenbox.multipart import receive_aanlevering
from machtiging.kernel.errors import InvalidInput
from tests.unit.berichtenbox.test_aanlevering_upload import MULTIPART, PDF, build_upload_body, in_pieces

PLAIN = b'filename="brief.pdf"'


async def name_of(written: bytes) -> str:
    """The stored name of a bijlage with this `filename` parameter."""
    received = await receive_aanlevering(MULTIPART, in_pieces(build_upload_body(PDF).replace(PLAIN, written)))
    received.close()
    return received.bijlagen[0].naam


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (b"filename=brief.pdf; filename*=utf-8''brief.pdf", "brief.pdf"),  # .NET
        (b"filename=\"=?utf-8?B?Y2Fmw6kucGRm?=\"; filename*=utf-8''caf%C3%A9.pdf", "café.pdf"),  # .NET
        (b'filename="=?utf-8?B?Y2Fmw6kucGRm?="', "café.pdf"),
        (b'filename="=?UTF-8?Q?caf=C3=A9.pdf?="', "café.pdf"),
        (b'filename="=?utf-8?Q?caf?= =?utf-8?Q?=C3=A9.pdf?="', "café.pdf"),
        (b"filename*=utf-8''caf%C3%A9.pdf", "café.pdf"),  # urllib3 before 2
        (b"filename*=UTF-8''caf%C3%A9.pdf", "café.pdf"),
        (b"filename*=utf-8'nl'caf%C3%A9.pdf", "café.pdf"),
        (b"filename*=iso-8859-1''caf%E9.pdf", "café.pdf"),
        (b"filename*=utf-8''cafe%CC%81.pdf", "café.pdf"),
        (b"filename*=utf-8''brief%3B%20deel%201.pdf", "brief; deel 1.pdf"),
        (b'filename="caf\xc3\xa9.pdf"', "café.pdf"),  # urllib3 2, browsers, httpx
        (b"filename*=utf-8''a.pdf; filename=\"b.pdf\"", "a.pdf"),
        (b'filename="BRIEF.PDF"', "BRIEF.PDF"),
        (b"filename=\"it; filename*=utf-8''x.pdf\"", None),
        (b'filename="100%25.pdf"', "100%25.pdf"),
        (b'filename="caf%C3%A9.pdf"', "caf%C3%A9.pdf"),
        (b'filename="=?brief?=.pdf"', None),
        (b'filename="v1.2 brief.van.mij.pdf"', "v1.2 brief.van.mij.pdf"),
    ],
)
async def test_file_name_in_any_client_encoding_is_read(written, name):
    if name is None:  # looks like an encoded word, but is a name with characters that are not allowed
        with pytest.raises(InvalidInput, match="bijlage_naam_ongeldig"):
            await name_of(written)
    else:
        assert await name_of(written) == name


@pytest.mark.parametrize(
    "written",
    [
        b"filename*=utf-8''%FF.pdf",
        b"filename*=utf-16''a.pdf",
        b"filename*=abc.pdf",
        b"filename*=utf-8''",
        b"filename*=''a.pdf",
        b"filename*=utf-8''..%2Fa.pdf",
        b"filename*=utf-8''a%00.pdf",
        b"filename*=utf-8''a%E2%80%AEfdp.pdf",
        b"filename*=utf-8''a%0D%0Ab.pdf",
        b'filename*0="a"; filename*1=".pdf"',
        b"filename*=utf-8''a.exe; filename=\"a.pdf\"",
        b'filename="=?utf-8?B?////?="',
        b'filename="=?utf-8?B?!!!!?="',
        b'filename="=?nonsense?Q?a.pdf?="',
        b'filename="=?utf-8?Q?=2E=2E=2Fa.pdf?="',
        b'filename="a%22b.pdf"',
        b'filename="a%0D%0Ab.pdf"',
        b'filename="\xff.pdf"',
        b"",
    ],
)
async def test_file_name_unreadable_or_unsafe_is_rejected(written):
    with pytest.raises(InvalidInput, match="bijlage_naam_ongeldig"):
        await name_of(written)


@pytest.mark.parametrize(
    "name", ["brief", "brief.exe", "brief.pdf.exe", "brief.pdf ", ".pdf", "..pdf", " .pdf", "brief.pdf."]
)
async def test_file_name_without_pdf_extension_is_rejected(name):
    if name.strip() == "brief.pdf":
        assert await name_of(b'filename="' + name.encode() + b'"') == "brief.pdf"
        return
    with pytest.raises(InvalidInput, match="bijlage_naam_ongeldig"):
        await name_of(b'filename="' + name.encode() + b'"')
