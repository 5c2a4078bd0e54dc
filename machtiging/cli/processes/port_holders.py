"""Find the processes that hold a port. Reads `/proc` (proc(5)); systems without it, such as macOS, show none."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_LISTEN_STATE = "0A"  # TCP_LISTEN, as /proc/net/tcp writes it


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    name: str
    command_line: tuple[str, ...]
    environment: frozenset[str]
    parent_pid: int

    @property
    def is_worker(self) -> bool:
        return any("multiprocessing" in word for word in self.command_line)

    @property
    def is_ours(self) -> bool:
        """Recognise our process by its command line, or a worker by its environment."""
        if any(word.rpartition("/")[2] == "machtiging" for word in self.command_line[:4]):
            return True
        return self.is_worker and "MACHTIGING_PROCESSES" in self.environment


def describe_holders(port: int) -> str:
    """Describe the processes that listen on a port, and the command that ends our own."""
    holders = _find_holders(port)
    ours = [process for process in holders if process.is_ours]
    if not holders:
        return "another program listens there, of another user or not to be seen."
    numbers = " ".join(str(process.pid) for process in ours or holders)
    if not ours:
        return f"another program listens there: {holders[0].name} (process {numbers})."
    if all(_is_orphan(process) for process in ours):
        return (
            "workers of an earlier serve still listen there, and the process that started them is gone. "
            f"End them: kill {numbers}"
        )
    return f"machtiging already runs there (process {numbers}). Stop that first: kill {numbers}"


def _find_holders(port: int) -> list[_Process]:
    sockets = _find_listening_sockets(port)
    pids = sorted(int(entry.name) for entry in _PROC.glob("[0-9]*")) if sockets else []
    found = [_read_process(pid) for pid in pids if _holds_socket(pid, sockets)]
    return [process for process in found if process is not None]


def _find_listening_sockets(port: int) -> frozenset[str]:
    """Return the listening TCP sockets on a port, by their names in `/proc/PID/fd`."""
    found = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                _, local_address, _, state, _, _, _, _, _, inode, *_ = line.split()
                if state == _LISTEN_STATE and int(local_address.rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{inode}]")
    return frozenset(found)


def _holds_socket(pid: int, sockets: frozenset[str]) -> bool:
    """Return true when one of the sockets is open in this process. Processes of other users do not show theirs."""
    with contextlib.suppress(OSError):
        for link in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                if str(link.readlink()) in sockets:
                    return True
    return False


def _read_process(pid: int) -> _Process | None:
    """Read what is known of a process. Returns None when it has ended or belongs to another user."""
    try:
        words = _read_text(pid, "cmdline").split("\0")
        variables = (part.partition("=")[0] for part in _read_text(pid, "environ").split("\0"))
        # The name stands between brackets and may hold any character. The state and the parent follow it.
        name, _, rest = _read_text(pid, "stat").partition(" (")[2].rpartition(") ")
        return _Process(pid, name, tuple(words), frozenset(variables), int(rest.split()[1]))
    except OSError:
        return None


def _read_text(pid: int, file: str) -> str:
    return (_PROC / str(pid) / file).read_text(encoding="utf-8", errors="replace")


def _is_orphan(process: _Process) -> bool:
    parent = _read_process(process.parent_pid)
    return process.is_worker and (parent is None or not parent.is_ours)
