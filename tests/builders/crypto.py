"""A key ring for tests: made once per process, since RSA keys take long to find."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from machtiging.crypto.keyring import KeyRing, generate_key_ring

MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)


@functools.cache
def a_new_ring() -> Path:
    """The directory that was made where there was none. To look at: whoever changes a ring takes `a_key_directory`."""
    place = Path(tempfile.mkdtemp(prefix="machtiging-keys-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    generate_key_ring(place / "deep" / "keys", MADE_AT)
    return place / "deep" / "keys"


@functools.cache
def _contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in a_new_ring().iterdir()}


def a_key_directory(directory: Path) -> Path:
    """A directory with a ring in it, to rotate or to damage."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    for name, content in _contents().items():
        with open(directory / name, "wb", opener=_closed_to_others) as file:
            file.write(content)
    return directory


def _closed_to_others(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


@functools.cache
def a_keyring() -> KeyRing:
    """The same ring each time it is asked for."""
    place = Path(tempfile.mkdtemp(prefix="machtiging-keys-"))
    try:
        return KeyRing.load(a_key_directory(place))
    finally:
        shutil.rmtree(place)
