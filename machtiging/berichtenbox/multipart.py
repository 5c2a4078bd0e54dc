"""Parse an aanlevering as multipart/form-data (RFC 7578) in a stream, never whole in memory.

Content beyond the memory limit goes to an unnamed temporary file. Each piece is encrypted with a key of this request
only, so no plaintext reaches the disk. An aborted request leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from machtiging.berichtenbox import rules
from machtiging.berichtenbox.content_disposition import read_file_name
from machtiging.crypto.envelope_encryption import KEY_BYTES, DataKey
from machtiging.kernel.errors import InvalidInput, TooLarge, UnsupportedMedia

_MAX_MEMORY_BYTES = 4 * rules.MIB
_SPOOL_CONTEXT = ("aanlevering",)
_INCOMPLETE = "aanlevering_onvolledig"


class _EncryptedSpool:
    """Encrypted temporary storage for pieces of bytes."""

    def __init__(self) -> None:
        self._key = DataKey(secrets.token_bytes(KEY_BYTES))
        self._file = SpooledTemporaryFile(max_size=_MAX_MEMORY_BYTES)  # noqa: SIM115 (closed with the request)

    def append_piece(self, piece: bytes) -> tuple[int, int]:
        sealed = self._key.encrypt(piece, *_SPOOL_CONTEXT)
        self._file.seek(0, 2)
        where = self._file.tell()
        self._file.write(sealed)
        return where, len(sealed)

    def read_piece(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._key.decrypt(self._file.read(length), *_SPOOL_CONTEXT)

    def close(self) -> None:
        self._file.close()


@dataclass
class ReceivedBijlage:
    """A received bijlage: a valid file name and PDF content."""

    naam: str
    spool: _EncryptedSpool
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    pieces: list[tuple[int, int]] = field(default_factory=list)
    buffer: bytearray = field(default_factory=bytearray)
    head: bytes = b""
    tail: bytes = b""

    def add_content(self, data: bytes) -> None:
        """Add content. Raises TooLarge `bijlage_te_groot`."""
        self.size += len(data)
        if self.size > rules.MAX_BIJLAGE_BYTES:
            raise TooLarge("bijlage_te_groot")
        self.digest.update(data)
        self.head = (self.head + data[: rules.PDF_HEADER_BYTES])[: rules.PDF_HEADER_BYTES]
        self.tail = (self.tail + data)[-rules.PDF_TRAILER_WINDOW :]
        self.buffer += data
        while len(self.buffer) >= rules.PART_BYTES:
            self._spool_piece(rules.PART_BYTES)

    def check_complete(self) -> None:
        """Check the complete content and store the rest of the buffer. Raises UnsupportedMedia `bijlage_geen_pdf`."""
        if not rules.is_pdf(self.head, self.tail):
            raise UnsupportedMedia("bijlage_geen_pdf")
        if self.buffer:
            self._spool_piece(len(self.buffer))

    def _spool_piece(self, length: int) -> None:
        self.pieces.append(self.spool.append_piece(bytes(self.buffer[:length])))
        del self.buffer[:length]

    def iterate_pieces(self) -> Iterator[bytes]:
        """Iterate over the content, in pieces of at most PART_BYTES."""
        for where, length in self.pieces:
            yield self.spool.read_piece(where, length)


@dataclass
class ReceivedAanlevering:
    """A received aanlevering. The caller must `close` it."""

    spool: _EncryptedSpool
    bericht: bytearray | None = None
    bijlagen: list[ReceivedBijlage] = field(default_factory=list)

    def close(self) -> None:
        """Delete the temporary file."""
        self.spool.close()


class _MultipartHandler:
    """Callbacks of the multipart parser, for headers and data of each part."""

    def __init__(self, received: ReceivedAanlevering) -> None:
        self._received = received
        self._headers: dict[bytes, bytes] = {}
        self._name = bytearray()
        self._value = bytearray()
        self._bijlage: ReceivedBijlage | None = None
        self.ended = False

    def on_part_begin(self) -> None:
        self._headers = {}

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def on_headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        kind, options = parse_options_header(disposition)
        name = options.get(b"name")
        if kind != b"form-data" or name not in {b"bericht", b"bijlage"}:
            raise InvalidInput("onderdeel_onbekend")
        self._bijlage = self._new_bijlage(disposition, options) if name == b"bijlage" else None
        if name == b"bericht":
            if self._received.bericht is not None:
                raise InvalidInput("bericht_dubbel")
            self._received.bericht = bytearray()

    def _new_bijlage(self, disposition: bytes, options: dict[bytes, bytes]) -> ReceivedBijlage:
        if len(self._received.bijlagen) >= rules.MAX_BIJLAGEN:
            raise TooLarge("te_veel_bijlagen")
        declared = self._headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if declared not in {b"application/pdf", b"application/octet-stream", b""}:
            raise UnsupportedMedia("bijlage_geen_pdf")
        try:
            offered = read_file_name(disposition, options)
        except ValueError:
            raise InvalidInput("bijlage_naam_ongeldig", message="bijlage_naam_ongeldig.unreadable") from None
        bijlage = ReceivedBijlage(rules.validate_bijlage_naam(offered), self._received.spool)
        self._received.bijlagen.append(bijlage)
        return bijlage

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._bijlage is not None:
            self._bijlage.add_content(data[start:end])
            return
        assert self._received.bericht is not None  # noqa: S101 (a part is one of the two)
        self._received.bericht += data[start:end]
        if len(self._received.bericht) > rules.MAX_BERICHT_PART_BYTES:
            raise TooLarge("bericht_te_groot")

    def on_part_end(self) -> None:
        if self._bijlage is not None:
            self._bijlage.check_complete()

    def on_end(self) -> None:
        self.ended = True


_CALLBACKS = ("part_begin", "header_field", "header_value", "header_end", "headers_finished", "part_data", "part_end")


async def receive_aanlevering(content_type: str, body: AsyncIterable[bytes]) -> ReceivedAanlevering:
    """Parse and check the whole request, part by part. The caller closes the result.

    Raises InvalidInput, TooLarge or UnsupportedMedia at once, without reading the rest.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise UnsupportedMedia("soort_niet_ondersteund")
    received = ReceivedAanlevering(_EncryptedSpool())
    reader = _MultipartHandler(received)
    callbacks: Any = {f"on_{name}": getattr(reader, f"on_{name}") for name in (*_CALLBACKS, "end")}
    with ExitStack() as stack:
        stack.callback(received.close)
        await _parse_body(options[b"boundary"], callbacks, body)
        if not reader.ended:
            raise InvalidInput(_INCOMPLETE)
        if received.bericht is None:
            raise InvalidInput("bericht_ontbreekt")
        stack.pop_all()  # all is well: from here on the caller closes it
    return received


async def _parse_body(boundary: bytes, callbacks: Any, body: AsyncIterable[bytes]) -> None:
    try:
        parser = MultipartParser(boundary, callbacks)
        async for chunk in body:
            parser.write(chunk)
        parser.finalize()
    except FormParserError:
        raise InvalidInput(_INCOMPLETE) from None
