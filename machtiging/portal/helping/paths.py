"""The addresses of a box: for a relative, an employee or a director."""

from __future__ import annotations

from fastapi import Request

RELATIVE_ROOT, EMPLOYEE_ROOT, BUSINESS_ROOT = "/ik-help", "/werk/clienten", "/bedrijf"


def box_root(request: Request) -> str:
    """Return the list of people to which the page of this request belongs."""
    if request.url.path.startswith(BUSINESS_ROOT + "/"):
        return BUSINESS_ROOT
    return EMPLOYEE_ROOT if request.url.path.startswith("/werk/") else RELATIVE_ROOT


def box_path(request: Request, machtiging_id: object) -> str:
    """Return the address of the page of one box, beside the page of this request."""
    return f"{box_root(request)}/{machtiging_id}"
