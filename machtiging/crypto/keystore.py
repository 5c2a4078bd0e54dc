"""Where key material lies: files that only their owner can read, or environment variables `MACHTIGING_KEY_<NAME>`.

An environment variable wins over a file. `MACHTIGING_KEY_MANIFEST` may hold the text of `keys.json`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from machtiging.kernel.errors import Fault

MANIFEST = "keys.json"
ENVIRONMENT_PREFIX = "MACHTIGING_KEY_"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# Windows keeps rights elsewhere; its mode bits say nothing.
_MODES_COUNT = os.name != "nt"


def environment_name(name: str) -> str:
    """The variable that may hold this key: `kek-1` is `MACHTIGING_KEY_KEK_1`."""
    return ENVIRONMENT_PREFIX + name.replace("-", "_").upper()


def check_directory(directory: Path) -> None:
    """Raises Fault `sleutelbos_ontbreekt`, `_van_een_ander` or `_leesbaar_voor_anderen`, with how to mend it."""
    try:
        found = directory.stat()
    except OSError as error:
        how = f"no key directory {directory}: make one with `machtiging keys generate`"
        raise Fault("sleutelbos_ontbreekt", private=how) from error
    _check_rights(directory, found, "enter", "700")


def _check_rights(path: Path, found: os.stat_result, what: str, mode: str) -> None:
    """Whoever owns it can let anybody in, whatever its mode says now; root can do that anyhow."""
    if not _MODES_COUNT:
        return
    ours = os.geteuid()
    if found.st_uid not in {ours, 0}:
        why = f"{path} belongs to user {found.st_uid} and the service runs as {ours}; mend with: chown {ours} {path}"
        raise Fault("sleutelbos_van_een_ander", private=why)
    if found.st_mode & _OTHERS:
        why = f"others can {what} it; mend with: chmod {mode} {path}"
        raise Fault("sleutelbos_leesbaar_voor_anderen", private=why)


def read_file(path: Path) -> bytes:
    """A key file's bytes. Raises Fault when it is missing, is a link, is somebody else's, or is open to others."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        if error.errno == errno.ELOOP:
            why = f"{path} is a symbolic link; mend it by putting the file itself there"
            raise Fault("sleutelbos_verwijst", private=why) from error
        raise Fault("sleutel_ontbreekt", private=f"cannot read {path}: {error.strerror}") from error
    # The rights are asked of the opened file, so that nobody can swap it between the look and the read.
    with os.fdopen(descriptor, "rb") as file:
        _check_rights(path, os.fstat(descriptor), "read", "600")
        return file.read()


def read_manifest(directory: Path, environ: Mapping[str, str]) -> str:
    """The text of the manifest, from the environment or else from the directory."""
    named = environ.get(ENVIRONMENT_PREFIX + "MANIFEST")
    if named is not None:
        return named
    check_directory(directory)
    return read_file(directory / MANIFEST).decode("utf-8", errors="replace")


def stamp(directory: Path, environ: Mapping[str, str]) -> tuple[int, ...]:
    """What tells one manifest from the next without reading it; always the same for one from the environment."""
    if ENVIRONMENT_PREFIX + "MANIFEST" in environ:
        return ()
    try:
        found = (directory / MANIFEST).stat()
    except OSError:
        return (0,)  # whoever reads it next says what is wrong
    return found.st_ino, found.st_size, found.st_mtime_ns


def read_secret(directory: Path, environ: Mapping[str, str], name: str) -> bytes:
    """The material of one key, from the environment or else from its file."""
    named = environ.get(environment_name(name))
    if named is not None:
        return named.encode()
    check_directory(directory)
    return read_file(secret_path(directory, name))


def secret_path(directory: Path, name: str) -> Path:
    """The file of a key."""
    return directory / f"{name}.key"


def write_file(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read: whole or not at all, also when the machine stops half-way."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    if _MODES_COUNT:
        above = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(above)
        finally:
            os.close(above)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make the directory if need be, close it to others, and let one process at a time change it.

    Only our own directory is closed. Raises Fault when it is somebody else's, or root's and open to others.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _MODES_COUNT:
        yield
        return
    import fcntl

    if directory.stat().st_uid == os.geteuid():
        directory.chmod(0o700)
    check_directory(directory)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
