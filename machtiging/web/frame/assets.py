"""The built assets of the pages, by their plain name. The build gives each file a hash in its name."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from machtiging.kernel.errors import Fault

STATIC_DIRECTORY = Path(__file__).parents[1] / "static"


@cache
def _load_manifest() -> dict[str, str]:
    try:
        names: dict[str, str] = json.loads((STATIC_DIRECTORY / "manifest.json").read_text())
    except FileNotFoundError:
        raise Fault("voorkant_niet_gebouwd", private="the stylesheet is not built: run make setup") from None
    return names


def asset_url(name: str) -> str:
    """Return the URL of an asset.

    Raises KeyError for an unknown name, and Fault `voorkant_niet_gebouwd` before the build.
    """
    return f"/static/{_load_manifest()[name]}"
