"""Rules of the box: size limits, file names, and recognition of PDF. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.text import require_plain_line

MIB = 1024 * 1024
MAX_ONDERWERP_LENGTH = 255
MAX_INHOUD_BYTES = MIB
MAX_MAP_LENGTH = 128
MAX_NAAM_LENGTH = 255
MAX_KENMERK_LENGTH = 255
MAX_BIJLAGE_BYTES = 25 * MIB
MAX_BIJLAGEN = 100
# The JSON part: the text is at most 1 MiB, and JSON escaping can make it several times larger.
MAX_BERICHT_PART_BYTES = 8 * MIB
# A whole aanlevering. Our own choice, so that one request cannot fill the disk.
MAX_AANLEVERING_BYTES = 256 * MIB
PDF_MEDIA_TYPE = "application/pdf"
OCTET_STREAM = "application/octet-stream"
# The size of a part. A download has one part in memory, and checks the machtiging before each.
PART_BYTES = MIB
PDF_HEADER_BYTES = 8
# Bytes at the end to search for the PDF trailer (ISO 32000-2, annex I: readers search the last 1024 bytes).
PDF_TRAILER_WINDOW = 1024
NO_SUCH_ID = UUID(int=0)
# A letter is in one folder at most. The archive is a folder too, so the API shows and sets it as any other.
ARCHIVE_FOLDER = "Archief"


@dataclass(frozen=True, slots=True)
class BoxFilter:
    """A filter on the list of letters; by default every letter. Folders and archive exist in the own box only."""

    unread: bool = False
    folder: str | None = None
    without_archive: bool = False


WHOLE_BOX = BoxFilter()


def is_pdf(head: bytes, tail: bytes) -> bool:
    """Return whether the content begins and ends like a PDF.

    The header must be at the very start. Otherwise a polyglot file could be HTML in a browser and PDF in a lenient
    reader.
    """
    return head.startswith((b"%PDF-1.", b"%PDF-2.")) and b"%%EOF" in tail[-PDF_TRAILER_WINDOW:]


def validate_bijlage_naam(file_name: str) -> str:
    """Validate the file name of a bijlage. A path traversal is refused and never repaired.

    Raises InvalidInput `bijlage_naam_ongeldig`: not a plain line, too long, with a path, or without `.pdf`.
    """
    try:
        name = require_plain_line(file_name)
    except ValueError:
        name = ""
    if not name.strip(".") or len(name) > MAX_NAAM_LENGTH or any(letter in name for letter in '/\\:*?"<>|'):
        raise InvalidInput("bijlage_naam_ongeldig")
    if not name[:-4].strip(". ") or name[-4:].lower() != ".pdf":
        raise InvalidInput("bijlage_naam_ongeldig", message="bijlage_naam_ongeldig.suffix")
    return name


def count_parts(size: int) -> int:
    """Return the number of parts for content of this size."""
    return max(1, -(-size // PART_BYTES))


def parse_id(text: str) -> UUID:
    """Parse an id in a path. A malformed id becomes `NO_SUCH_ID`, which gives the same response."""
    try:
        found = UUID(text)
    except ValueError:
        return NO_SUCH_ID
    return found if str(found) == text.lower() else NO_SUCH_ID


def build_part_context(bijlage_id: UUID, number: int, parts: int) -> tuple[str, ...]:
    """Return the encryption context of a part, which prevents swapping, dropping or repeating parts."""
    return ("bijlage", str(bijlage_id), str(number), str(parts))
