"""Reader of the model and the rows of an AuthZEN tenant. An error stops the start, with file and line."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

from machtiging.kernel.errors import Fault

MODEL_FILE, ROWS_FILE = "model.conf", "policy.csv"
_MAX_FILE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class TenantPolicyContent:
    """The model and the rows of a tenant, as read. Each row has its file and line."""

    place: str
    model: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    digest: str


def read_tenant_policy(directory: Path) -> TenantPolicyContent:
    """Read `model.conf` and `policy.csv` of a tenant. Raises Fault `authzen_tenant_onleesbaar`."""
    model, rows = _read_text(directory / MODEL_FILE), _read_text(directory / ROWS_FILE)
    digest = hashlib.sha256(f"{len(model)}\n{model}{rows}".encode()).hexdigest()
    return TenantPolicyContent(str(directory), model, _parse_rows(directory / ROWS_FILE, rows), digest)


def _read_text(file: Path) -> str:
    try:
        content = file.read_bytes()
        if len(content) > _MAX_FILE_BYTES:
            raise Fault("authzen_tenant_onleesbaar", private=f"{file} is larger than {_MAX_FILE_BYTES} bytes")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Fault("authzen_tenant_onleesbaar", private=f"{file}: {type(error).__name__}") from error


def _parse_rows(file: Path, text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            (cells,) = csv.reader([line], strict=True, skipinitialspace=True)
        except (csv.Error, ValueError) as error:
            raise Fault("authzen_tenant_onleesbaar", private=f"{file}:{number}: {error}") from error
        if any(cell != cell.strip() for cell in cells):
            raise Fault("authzen_tenant_onleesbaar", private=f"{file}:{number}: a cell ends with a space")
        rows.append((f"{file}:{number}", tuple(cells)))
    return tuple(rows)
