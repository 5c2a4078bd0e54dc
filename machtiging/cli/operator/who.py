"""The name of the operator who runs a command, for the journal."""

from __future__ import annotations

import os
import re

_ODD = re.compile(r"[^a-z0-9._-]")
_LONGEST = 32


def operator() -> str:
    """Return the login name of the operator, also behind `sudo`; else the user of this process.

    Never read from an environment variable: anybody can set those. Only letters, digits, dots and dashes.
    """
    try:
        name = os.getlogin()
    except OSError:
        name = _process_user()
    return _ODD.sub("-", name.lower())[:_LONGEST]


def _process_user() -> str:
    import pwd  # not on Windows, where getlogin always answers

    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid-{number}"
