"""The dialogue with a third-party client in a process of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

_PATIENCE = 60
HOME = "http://localhost:9"  # the redirect URI, where nothing listens
Answers = Mapping[str, Callable[[str], Awaitable[dict[str, Any]]]]


async def talk(command: list[str], cwd: Path, answers: Answers) -> dict[str, Any]:
    """Run the client until its result. `answers` maps each request of the client to a handler."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=cwd, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _until_done(process, answers)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _until_done(process: asyncio.subprocess.Process, answers: Answers) -> dict[str, Any]:
    assert process.stdin
    assert process.stdout
    while line := await process.stdout.readline():
        said = json.loads(line)
        if "done" in said:
            return said["done"]
        assert "failed" not in said, said
        (wish, given) = next(iter(said.items()))
        process.stdin.write(json.dumps(await answers[wish](given)).encode() + b"\n")
    assert process.stderr
    raise AssertionError((await process.stderr.read()).decode()[-2000:])
