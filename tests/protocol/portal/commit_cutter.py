"""A way to the database that breaks at COMMIT. Before it arrives, or once it was carried out and before its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url


@dataclass
class CommitCutter:
    """A proxy that passes bytes on until it is armed and a COMMIT comes.

    It is armed with `carried_out`."""

    behind: str
    url: str
    carried_out: bool | None = None
    cut: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        up, down = await asyncio.open_unix_connection(self.behind)
        back = asyncio.create_task(_pass_on(up, writer))
        try:
            while data := await reader.read(65536):
                if self.carried_out is not None and b"COMMIT" in data:
                    self.cut += 1
                    back.cancel()
                    if self.carried_out:
                        await asyncio.wait([back])
                        down.write(data)
                        await up.read(65536)  # the answer, which goes no further
                    break
                down.write(data)
                await down.drain()
        finally:
            back.cancel()
            for end in (writer, down):
                end.close()

    async def stop(self) -> None:
        """End every connection that is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def _pass_on(up: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await up.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def commit_cutter(url: str, place: Path) -> AsyncIterator[CommitCutter]:
    """Listen beside the socket of this database. Connect to `url` of what it gives."""
    parsed = make_url(url)
    socket = f".s.PGSQL.{parsed.port or 5432}"
    beside = parsed.set(query={**parsed.query, "host": str(place)}).render_as_string(hide_password=False)
    cutter = CommitCutter(f"{parsed.query['host']}/{socket}", beside)
    server = await asyncio.start_unix_server(cutter.serve, str(place / socket))
    try:
        yield cutter
    finally:
        server.close()
        await cutter.stop()
