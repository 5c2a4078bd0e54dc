"""Tamper evidence outside the database: copies of the last signed head.

The copy is in a file or at a URL.

If somebody cuts off the end of the journal together with its heads, the rest still verifies. Only a head stored outside
the database reveals the truncation.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from machtiging.audit.rules import HEAD_TYPE
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import Fault, NotAuthenticated
from machtiging.web.outbound.http_client import OutboundHttpClient, OutboundRequestFailed

_HEAD_NOT_STORED = "kop_niet_bewaard"


@dataclass(frozen=True)
class HeadAnchor:
    """External storage of signed heads: a file, a URL, both or neither."""

    keyring: KeyRing
    file: Path | None = None
    url: str | None = None
    outbound: OutboundHttpClient = field(default_factory=OutboundHttpClient)

    async def store_head(self, head: str) -> None:
        """Write the signed head to the file and post it to the URL. Raises Fault `kop_niet_bewaard`.

        A head with a higher number in the file is not overwritten: it proves that the journal was longer. With several
        sealers, the newer of two heads may arrive first.
        """
        if self.file is not None:
            self._write_head(self.file, head)
        if self.url is not None:
            await self._post_head(self.url, head)

    def _write_head(self, file: Path, head: str) -> None:
        beside = file.with_name(f"{file.name}.{os.getpid()}.new")
        try:
            if file.exists() and self._parse_head_seq(read_head(file)) > self._parse_head_seq(head):
                return
            beside.write_text(head + "\n", encoding="ascii")
            beside.replace(file)
        except (OSError, ValueError) as error:
            raise Fault(_HEAD_NOT_STORED, private=f"{file}: {type(error).__name__}") from error

    def _parse_head_seq(self, head: str) -> int:
        """Return the last line number of a head. 0 if it is not a valid head of ours."""
        try:
            seq = self.keyring.verify_own_statement(head.strip(), typ=HEAD_TYPE).get("seq")
        except NotAuthenticated:
            return 0
        return seq if isinstance(seq, int) else 0

    async def _post_head(self, url: str, head: str) -> None:
        try:
            answer = await self.outbound.post(url, {"head": head})
        except OutboundRequestFailed as error:
            raise Fault(_HEAD_NOT_STORED, private=f"{error.code} {error.private}") from error
        if not 200 <= answer.status < 300:
            raise Fault(_HEAD_NOT_STORED, private=f"the address answers {answer.status}")


def read_head(file: Path) -> str:
    """Read the head in a file. Bytes that are not ASCII are replaced, and then fail verification. Raises OSError."""
    return file.read_bytes()[:16_384].decode("ascii", errors="replace").strip()
