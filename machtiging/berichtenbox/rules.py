"""Rules of the box, pure: how large a letter may be, what a bijlage may be called, what counts as a PDF."""

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
# The JSON part: the text may be one MiB, and escaping can make it several times that on the wire.
BERICHT_PART_BYTES = 8 * MIB
# One aanlevering with everything in it: our own choice, so that one request cannot fill the disk.
AANLEVERING_BYTES = 256 * MIB
PDF = "application/pdf"
BYTES = "application/octet-stream"
# What a bijlage is cut into: a download holds one piece in memory, and the machtiging is looked at before each.
PART_BYTES = MIB
HEADER_BYTES = 8
# How far from the end the trailer of a PDF may lie (ISO 32000-2, annex I: readers look in the last 1024 bytes).
TRAILER_WITHIN = 1024
NO_SUCH_ID = UUID(int=0)


def is_pdf(head: bytes, tail: bytes) -> bool:
    """Whether the content begins and ends as a PDF does.

    The header must be the very first thing: a file that is HTML for a browser and PDF for a lenient reader is none.
    """
    return head.startswith((b"%PDF-1.", b"%PDF-2.")) and b"%%EOF" in tail[-TRAILER_WITHIN:]


def bijlage_naam(offered: str) -> str:
    """The name of a bijlage as it is kept. A name with a path in it is refused, not mended: it is no accident.

    Raises InvalidInput `bijlage_naam_ongeldig`: no plain line, too long, a path, or not ending in what it is.
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
    """In how many pieces content of this size is kept."""
    return max(1, -(-size // PART_BYTES))


def id_from(offered: str) -> UUID:
    """The id in a path. A malformed one becomes an id that no row has, so that both get the very same treatment."""
    try:
        found = UUID(offered)
    except ValueError:
        return NO_SUCH_ID
    return found if str(found) == offered.lower() else NO_SUCH_ID


def place_of_part(bijlage_id: UUID, number: int, parts: int) -> tuple[str, ...]:
    """Where a piece of a bijlage belongs: sealed into it, so that pieces cannot be swapped, left out or repeated."""
    return ("bijlage", str(bijlage_id), str(number), str(parts))
