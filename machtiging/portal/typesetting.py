"""Make PDF documents beside the requests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

from machtiging.documents.pdf import Template, render_pdf
from machtiging.message_catalogue import current_language

# A document takes seconds of one processor: one at a time, in a thread beside the requests.
_TYPESETTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="typesetter")


async def typeset(template: Template, data: Mapping[str, Any], *, title: str, created_at: datetime) -> bytes:
    """Return a PDF document in the language of the request. Commit first, so that the connection is free meanwhile."""
    render = partial(render_pdf, template, data, title=title, language=current_language(), created_at=created_at)
    return await asyncio.get_running_loop().run_in_executor(_TYPESETTER, render)
