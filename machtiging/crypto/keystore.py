"""Storage of key material: owner-only files, or environment variables `MACHTIGING_KEY_<NAME>`.

An environment variable has priority over a file. `MACHTIGING_KEY_MANIFEST` may hold the text of `keys.json`.
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
# On Windows the mode bits do not describe the permissions.
_MODES_COUNT = os.name != "nt"


def environment_name(name: str) -> str:
    """Return the environment variable of a key: `kek-1` is `MACHTIGING_KEY_KEK_1`."""
    return ENVIRONMENT_PREFIX + name.replace("-", "_").upper()


def check_directory(directory: Path) -> None:
    """Check that the key directory exists, is ours and is closed to others.

    Raises Fault `sleutelbos_ontbreekt`, `_van_een_ander` or `_leesbaar_voor_anderen`, with the command that repairs it.
    """
    try:
        found = directory.stat()
    except OSError as error:
        how = f"no key directory {directory}: make one with `machtiging keys generate`"
        raise Fault("sleutelbos_ontbreekt", private=how) from error
    _check_rights(directory, found, "enter", "700")


def _check_rights(path: Path, found: os.stat_result, what: str, mode: str) -> None:
    """Check owner and mode of a file or directory.

    The owner must be this user or root: any other owner can change the mode at will.
    """
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
    """Read a key file. Raises Fault if missing, a link, another user's, or open to others."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        if error.errno == errno.ELOOP:
            why = f"{path} is a symbolic link; mend it by putting the file itself there"
            raise Fault("sleutelbos_verwijst", private=why) from error
        raise Fault("sleutel_ontbreekt", private=f"cannot read {path}: {error.strerror}") from error
    # Check the opened descriptor, so that the file cannot be swapped between check and read (TOCTOU).
    with os.fdopen(descriptor, "rb") as file:
        _check_rights(path, os.fstat(descriptor), "read", "600")
        return file.read()


def read_manifest(directory: Path, environ: Mapping[str, str]) -> str:
    """Read the text of the manifest from the environment, else from the directory."""
    named = environ.get(ENVIRONMENT_PREFIX + "MANIFEST")
    if named is not None:
        return named
    check_directory(directory)
    return read_file(directory / MANIFEST).decode("utf-8", errors="replace")


def stamp(directory: Path, environ: Mapping[str, str]) -> tuple[int, ...]:
    """Return a fingerprint of the manifest file, to detect a change without reading it.

    Constant for a manifest from the environment.
    """
    if ENVIRONMENT_PREFIX + "MANIFEST" in environ:
        return ()
    try:
        found = (directory / MANIFEST).stat()
    except OSError:
        return (0,)  # the next read raises the Fault
    return found.st_ino, found.st_size, found.st_mtime_ns


def read_secret(directory: Path, environ: Mapping[str, str], name: str) -> bytes:
    """Read the material of one key from the environment, else from its file."""
    named = environ.get(environment_name(name))
    if named is not None:
        return named.encode()
    check_directory(directory)
    return read_file(secret_path(directory, name))


def secret_path(directory: Path, name: str) -> Path:
    """Return the file of a key."""
    return directory / f"{name}.key"


def write_file(path: Path, content: bytes) -> None:
    """Write an owner-only file atomically, also if the machine stops halfway."""
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
    """Create the key directory if needed and lock it for one process.

    The directory is closed to others.

    Only our own directory is closed. Raises Fault if it belongs to another user, or to root and is open to others.
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
