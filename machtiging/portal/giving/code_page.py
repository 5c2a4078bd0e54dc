"""The page with the machtigingscode, shown once: large, to print, with a QR code.

The code in the QR code stands in the fragment of the address (RFC 3986 section 3.5). Browsers do not send it, so it
reaches no server and no log. The page that it opens keeps it in the browser while the helper logs in.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from starlette.responses import HTMLResponse

from machtiging.documents.qr import make_qr_svg
from machtiging.identity.dependencies import identity_services
from machtiging.message_catalogue import get_sentence
from machtiging.portal.views import AgreementView
from machtiging.web.pages import render_page

CODE_PATH = "/code"
HELPERS_PATH = "/helpers"


@dataclass(frozen=True, slots=True)
class NewCode:
    """A new code, its check word, its expiry, and the name for the helper."""

    code: str
    check_word: str | None
    works_until: datetime
    helper_name: str


def render_code_page(request: Request, new_code: NewCode, agreement: AgreementView, *, renewed: bool) -> HTMLResponse:
    """Render the page. `renewed`: the code replaces an earlier one."""
    address = identity_services(request).issuer + CODE_PATH
    drawing = make_qr_svg(f"{address}#{new_code.code}", get_sentence("giving.code.qr_title"))
    # An image needs the namespace that an element inside a page does not.
    drawing = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return render_page(
        request,
        "aangeboden.html",
        said=agreement,
        code=new_code.code,
        word=new_code.check_word,
        code_until=new_code.works_until,
        name=new_code.helper_name,
        address=address,
        qr="data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode(),
        list_path=HELPERS_PATH,
        renewed=renewed,
    )
