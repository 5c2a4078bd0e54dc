"""`python -m tests.bench [--quick]`. Measure everything in one run, print one table, write it down as JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from tests.bench import caseload, chains, decisions, reading, signing, tokens
from tests.bench.rounds import MeasurementFailed, Row, build_table
from tests.bench.world import database, make_world

_ROOT = Path(__file__).parents[2]
_CACHE = _ROOT / ".cache" / "bench"
_RESULTS = Path(__file__).parent / "results"
_ISSUER = "http://localhost:8000"
_BESIDE = ("cedarpy", "pycasbin", "starlette", "uvicorn", "asyncpg", "sqlalchemy", "fastapi", "joserfc", "cryptography")


async def _measure(*, quick: bool, console: Console) -> tuple[list[Row], list[str]]:
    modules = _CACHE / "peer"
    with console.status("Installing the peer (once) ..."):
        tokens.install_peer(modules)
    with console.status("Deciding ..."):
        rows = await decisions.measure(_ROOT / "policies", quick=quick)
    # On a disk and not in memory: the price of a commit is part of what is measured.
    place = Path(tempfile.mkdtemp(prefix="run-", dir=_CACHE))
    try:
        with console.status("Making the world ...") as status:
            async with database(place) as url:
                world, key = await make_world(url, place, _ISSUER), os.urandom(32)
                status.update("Reading messages ...")
                more, remarks = await reading.measure(world, place, key, quick=quick)
                status.update("Handing out tokens ...")
                token_rows, more_remarks = await tokens.measure(world, modules, place, key, quick=quick)
                rows += more + token_rows + await signing.measure(world.keyring, quick=quick)
                # Last, because it fills the tables.
                status.update("Comparing chains ...")
                rows += await chains.measure(world, place, quick=quick)
                remarks += more_remarks
            # In a database of its own, with many more rows.
            more, more_remarks = await caseload.measure(place, quick=quick, rows=_rows(quick=quick), say=status.update)
            rows, remarks = rows + more, remarks + more_remarks
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return rows, remarks


def _rows(*, quick: bool) -> int:
    """The number of machtigingen to grow to."""
    return 100_000 if quick else caseload.MILLION


def _write(rows: list[Row], remarks: list[str], *, quick: bool, seconds: float) -> Path:
    _RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    told = {
        "at": now.isoformat(timespec="seconds"),
        "quick": quick,
        "seconds": round(seconds, 1),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "versions": {name: version(name) for name in _BESIDE} | _peer_version(),
        "rows": [row.as_json() for row in rows],
        "remarks": remarks,
    }
    file = _RESULTS / f"{now:%Y%m%dT%H%M%S}{'-quick' if quick else ''}.json"
    file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def _peer_version() -> dict[str, str]:
    pinned = json.loads((Path(__file__).parent / "package.json").read_bytes())["dependencies"]
    return {str(name): str(number) for name, number in pinned.items()}


def main() -> None:
    """Measure and tell. No figure makes it fail; a wrong answer from a server does."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a few minutes, less certain")
    quick = parser.parse_args().quick
    os.chdir(_ROOT)
    # Wide enough for every column, also where the output is no terminal.
    console = Console(width=max(Console().width, 170))
    began = time.monotonic()
    try:
        rows, remarks = asyncio.run(_measure(quick=quick, console=console))
    except MeasurementFailed as failed:
        raise SystemExit(f"Nothing was measured: {failed}") from None
    seconds = time.monotonic() - began
    console.print(build_table(rows))
    console.print("\n".join(remarks), highlight=False, markup=False)
    console.print(
        f"{seconds:.0f} s; written to {_write(rows, remarks, quick=quick, seconds=seconds).relative_to(_ROOT)}"
    )


if __name__ == "__main__":
    main()
