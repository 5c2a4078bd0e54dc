"""Keeping the last signed head outside the database: in a file, or at an address of somebody who keeps it.

A journal that is cut off at the end, heads and all, looks whole from inside. Against a head that was kept elsewhere it
does not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from machtiging.audit.rules import HEAD_TYPE
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import Fault, NotAuthenticated
from machtiging.web.outbound.visit import NotVisited, Outbound

_NOT_KEPT = "kop_niet_bewaard"


@dataclass(frozen=True)
class HeadKeeper:
    """Keeper of signed heads outside the database: a file, an address, both or none."""

    keyring: KeyRing
    file: Path | None = None
    url: str | None = None
    outbound: Outbound = field(default_factory=Outbound)

    async def keep(self, head: str) -> None:
        """Put this signed head in the file and bring it to the address. Raises Fault `kop_niet_bewaard`.

        A head in the file that says more is left there: it proves that the journal was longer. Several sealers take
        turns, so of two heads the newer may come first.
        """
        if self.file is not None:
            self._write(self.file, head)
        if self.url is not None:
            await self._post_head(self.url, head)

    def _write(self, file: Path, head: str) -> None:
        beside = file.with_name(f"{file.name}.{os.getpid()}.new")
        try:
            if file.exists() and self._place_of(read_head(file)) > self._place_of(head):
                return
            beside.write_text(head + "\n", encoding="ascii")
            beside.replace(file)
        except (OSError, ValueError) as error:
            raise Fault(_NOT_KEPT, private=f"{file}: {type(error).__name__}") from error

    def _place_of(self, head: str) -> int:
        """Up to which line it speaks; 0 for what is no head of ours, so that a real one takes its place."""
        try:
            seq = self.keyring.verify_own_statement(head.strip(), typ=HEAD_TYPE).get("seq")
        except NotAuthenticated:
            return 0
        return seq if isinstance(seq, int) else 0

    async def _post_head(self, url: str, head: str) -> None:
        try:
            answer = await self.outbound.post(url, {"head": head})
        except NotVisited as error:
            raise Fault(_NOT_KEPT, private=f"{error.code} {error.private}") from error
        if not 200 <= answer.status < 300:
            raise Fault(_NOT_KEPT, private=f"the address answers {answer.status}")


def read_head(file: Path) -> str:
    """The head in a file; nothing that is no text passes for one. Raises OSError."""
    return file.read_bytes()[:16_384].decode("ascii", errors="replace").strip()
