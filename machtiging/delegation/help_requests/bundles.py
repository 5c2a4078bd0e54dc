"""Requests for a bundle: its diensten take the place of senders and themes."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.bundles import Bundle, find_current_bundle, list_themes, load_current_bundles
from machtiging.agencies.queries import AgencyView, load_active_agencies
from machtiging.agencies.rules import Sensitivity
from machtiging.delegation.help_requests.creation import RequestedHelp
from machtiging.kernel.errors import InvalidInput
from machtiging.organisations.rules import Ceiling


async def limit_to_bundle(session: AsyncSession, content: RequestedHelp, code: str, version: int) -> RequestedHelp:
    """Return the content with the diensten of this bundle. `create_organisation_request` checks the version.

    Raises InvalidInput `bundel_onbekend`.
    """
    bundle = await find_current_bundle(session, code)
    if bundle is None:
        raise InvalidInput("bundel_onbekend")
    return apply_bundle(content, bundle, version, await load_active_agencies(session))


def apply_bundle(content: RequestedHelp, bundle: Bundle, version: int, agencies: list[AgencyView]) -> RequestedHelp:
    """Return the content with the senders, diensten and themes of a bundle. `version`: the one that was asked."""
    themes = list_themes(bundle, agencies)
    scope = replace(content.scope, afzenders=bundle.afzenders, diensten=bundle.diensten, themes=themes)
    return replace(content, scope=scope, bundle=bundle.reference._replace(version=version))


async def list_bundles_within(session: AsyncSession, ceiling: Ceiling) -> list[Bundle]:
    """List the bundles that the ceiling of an organisation covers whole."""
    agencies = await load_active_agencies(session)
    return [one for one in await load_current_bundles(session) if is_within(one, ceiling, agencies)]


def is_within(bundle: Bundle, ceiling: Ceiling, agencies: list[AgencyView]) -> bool:
    """Return True if the ceiling covers the bundle and some letters can be asked."""
    has_senders = ceiling.afzenders is None or bundle.afzenders <= ceiling.afzenders
    has_themes = ceiling.themes is None or list_themes(bundle, agencies) <= ceiling.themes
    asks = any(
        dienst.scope_key in bundle.diensten and dienst.sensitivity is not Sensitivity.VERTROUWELIJK
        for agency in agencies
        for dienst in agency.diensten
    )
    return has_senders and has_themes and asks
