"""Find the processes that hold a port."""

from __future__ import annotations

import psutil


def describe_holders(port: int) -> str:
    """Describe the processes that listen on a port, and the command that ends our own."""
    holders = _holders(port)
    ours = [process for process in holders if _is_ours(process)]
    if not holders:
        return "another program listens there, of another user or not to be seen."
    numbers = " ".join(str(process.pid) for process in ours or holders)
    if not ours:
        return f"another program listens there: {_name(holders[0])} (process {numbers})."
    if all(_is_orphan(process) for process in ours):
        return (
            "workers of an earlier serve still listen there, and the process that started them is gone. "
            f"End them: kill {numbers}"
        )
    return f"machtiging already runs there (process {numbers}). Stop that first: kill {numbers}"


def _holders(port: int) -> list[psutil.Process]:
    try:
        found = psutil.net_connections("tcp")
        pids = {one.pid for one in found if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid}
        return [psutil.Process(pid) for pid in sorted(pids)]
    except (psutil.Error, OSError):  # on macOS only root may list them
        return []


def _is_ours(process: psutil.Process) -> bool:
    """Recognise our process by its command line, or a worker by its environment."""
    try:
        words = process.cmdline()
        if any(word.rpartition("/")[2] in {"machtiging", "machtiging.exe"} for word in words[:4]):
            return True
        return any("multiprocessing" in word for word in words) and "MACHTIGING_PROCESSES" in process.environ()
    except (psutil.Error, OSError):
        return False


def _is_orphan(process: psutil.Process) -> bool:
    try:
        parent = process.parent()
        is_worker = any("multiprocessing" in word for word in process.cmdline())
        return is_worker and (parent is None or not _is_ours(parent))
    except (psutil.Error, OSError):
        return False


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return "unknown"
