"""The pages of an organisation, with an organisatiebeheerder, a teamleider and a hulpverlener."""

from __future__ import annotations

import pytest

from tests.protocol.organisation_pages.office import OfficePages


@pytest.fixture
async def office(portal, database) -> OfficePages:
    """A recognised organisation with three employees."""
    return await OfficePages.begin(portal, database)
