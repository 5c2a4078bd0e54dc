"""The name of the operator who runs a command, for the journal."""

from __future__ import annotations

import os
import re

_DISALLOWED_CHARACTER = re.compile(r"[^a-z0-9._-]")
_MAX_LENGTH = 32


def get_operator_name() -> str:
    """Return the login name of the operator, also behind `sudo`. Else the user of this process.

    Never read from an environment variable: anybody can set those. Only letters, digits, dots and dashes.
    """
    try:
        name = os.getlogin()
    except OSError:
        name = _get_process_user()
    return _DISALLOWED_CHARACTER.sub("-", name.lower())[:_MAX_LENGTH]


def _get_process_user() -> str:
    import pwd  # not on Windows, where getlogin always answers

    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid-{number}"
