"""Who types a command: what the operating system calls whoever logged in to this machine. For the journal."""

from __future__ import annotations

import os
import re

_ODD = re.compile(r"[^a-z0-9._-]")
_LONGEST = 32


def operator() -> str:
    """Who logged in here, also behind `sudo` where the system remembers that; else the user that this process runs as.

    Never from an environment variable: anybody can set those. A word of letters, digits, dots and dashes.
    """
    try:
        name = os.getlogin()
    except OSError:
        name = _process_user()
    return _ODD.sub("-", name.lower())[:_LONGEST]


def _process_user() -> str:
    import pwd  # there is none on Windows, where getlogin always answers

    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid-{number}"
