"""Entry point of `python -m machtiging` and of the `machtiging` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. 0 success, 1 refused or found, 2 usage, 3 environment."""
    try:
        from machtiging.cli import run
    except ModuleNotFoundError as missing:
        message = f"The Python package {missing.name} is missing. Install with: pip install -r requirements.txt\n"
        sys.stderr.write(message)
        return 3
    return run(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
