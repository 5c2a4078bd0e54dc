"""Rules of the box: size limits, file names, and recognition of PDF. Pure."""

from __future__ import annotations

from uuid import UUID

from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.text import plain_line

MIB = 1024 * 1024
ONDERWERP_LENGTH = 255
INHOUD_BYTES = MIB
MAP_LENGTH = 128
NAAM_LENGTH = 255
KENMERK_LENGTH = 255
BIJLAGE_BYTES = 25 * MIB
BIJLAGEN = 100
# The JSON part: the text is at most 1 MiB, and JSON escaping can make it several times larger.
BERICHT_PART_BYTES = 8 * MIB
# A whole aanlevering. Our own choice, so that one request cannot fill the disk.
AANLEVERING_BYTES = 256 * MIB
PDF = "application/pdf"
BYTES = "application/octet-stream"
# The size of a part. A download has one part in memory, and checks the machtiging before each.
PART_BYTES = MIB
HEADER_BYTES = 8
# Bytes at the end to search for the PDF trailer (ISO 32000-2, annex I: readers search the last 1024 bytes).
TRAILER_WITHIN = 1024
NO_SUCH_ID = UUID(int=0)


def is_pdf(head: bytes, tail: bytes) -> bool:
    """Return whether the content begins and ends like a PDF.

    The header must be at the very start. Otherwise a polyglot file could be HTML in a browser and PDF in a lenient
    reader.
    """
    return head.startswith((b"%PDF-1.", b"%PDF-2.")) and b"%%EOF" in tail[-TRAILER_WITHIN:]


def bijlage_naam(offered: str) -> str:
    """Validate the file name of a bijlage. A path traversal is refused and never repaired.

    Raises InvalidInput `bijlage_naam_ongeldig`: not a plain line, too long, with a path, or without `.pdf`.
    """
    try:
        name = plain_line(offered)
    except ValueError:
        name = ""
    if not name.strip(".") or len(name) > NAAM_LENGTH or any(letter in name for letter in '/\\:*?"<>|'):
        raise InvalidInput(
            "bijlage_naam_ongeldig", "De naam van deze bijlage kan niet: gebruik een gewone bestandsnaam."
        )
    if not name[:-4].strip(". ") or name[-4:].lower() != ".pdf":
        raise InvalidInput("bijlage_naam_ongeldig", "De naam van een bijlage eindigt op .pdf, want dat is zij.")
    return name


def parts_of(size: int) -> int:
    """Return the number of parts for content of this size."""
    return max(1, -(-size // PART_BYTES))


def id_from(offered: str) -> UUID:
    """Parse an id in a path. A malformed id becomes `NO_SUCH_ID`, which gives the same response."""
    try:
        found = UUID(offered)
    except ValueError:
        return NO_SUCH_ID
    return found if str(found) == offered.lower() else NO_SUCH_ID


def place_of_part(bijlage_id: UUID, number: int, parts: int) -> tuple[str, ...]:
    """Return the encryption context of a part, which prevents swapping, dropping or repeating parts."""
    return ("bijlage", str(bijlage_id), str(number), str(parts))
