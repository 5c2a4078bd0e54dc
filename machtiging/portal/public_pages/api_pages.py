"""The pages `/docs`: the OpenAPI document as plain HTML. No script and no other host is needed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse

from machtiging.identity.session import OptionalVisitor
from machtiging.kernel.errors import NotFound
from machtiging.portal.public_pages.api_reference import find_api_operation, list_api_tags
from machtiging.portal.public_pages.dependencies import portal_services
from machtiging.web.doors import Public
from machtiging.web.openapi import API_V1_PREFIX, DOCUMENT_PATH
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show_api(request: Request, _: Public, visitor: OptionalVisitor) -> HTMLResponse:
    """Show where a developer begins, and every operation of the REST API."""
    issuer, tags = portal_services(request).issuer, list_api_tags(request.app.openapi(), API_V1_PREFIX)
    return render_page(request, "api_docs.html", visitor=visitor, issuer=issuer, tags=tags, document_path=DOCUMENT_PATH)


@router.get("/docs/{operationId}")
async def show_api_operation(
    request: Request, _: Public, visitor: OptionalVisitor, operation_id: Annotated[str, Path(alias="operationId")]
) -> HTMLResponse:
    """Show one operation: what it needs, takes and answers. Raises NotFound `niet_gevonden`."""
    operation = find_api_operation(request.app.openapi(), API_V1_PREFIX, operation_id)
    if operation is None:
        raise NotFound("niet_gevonden", message="")
    return render_page(request, "api_operation.html", visitor=visitor, operation=operation)
