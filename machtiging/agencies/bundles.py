"""Bundles: named sets of diensten of several agencies, to be asked together. A published version is final.

What was asked or given keeps the diensten of its version, so a later version never widens it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import AgencyView, load_active_agencies
from machtiging.agencies.rules import BundleReference, Theme
from machtiging.agencies.tables import BundleVersion
from machtiging.kernel.errors import InvalidInput
from machtiging.storage.columns import table_of

MAX_DIENSTEN, MAX_NAME_LENGTH = 100, 60
_CODE = re.compile(r"[a-z][a-z0-9-]{1,39}")
_BUNDLE = table_of(BundleVersion)


@dataclass(frozen=True, slots=True)
class BundleContent:
    """A bundle that is to be published. `diensten` as in a scope: "oin/code"."""

    code: str
    name: str
    diensten: frozenset[str]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A published version of a bundle."""

    code: str
    version: int
    name: str
    diensten: frozenset[str]
    published_at: datetime

    @property
    def afzenders(self) -> frozenset[str]:
        """The OINs of the senders."""
        return frozenset(key.split("/")[0] for key in self.diensten)

    @property
    def reference(self) -> BundleReference:
        """The reference to this version."""
        return BundleReference(self.code, self.version, self.name)


async def load_current_bundles(session: AsyncSession) -> list[Bundle]:
    """Load the latest version of each bundle, by name."""
    latest = select(_BUNDLE.c.code, func.max(_BUNDLE.c.version).label("version")).group_by(_BUNDLE.c.code).subquery()
    is_latest = (_BUNDLE.c.code == latest.c.code) & (_BUNDLE.c.version == latest.c.version)
    rows = await session.execute(select(_BUNDLE).join(latest, is_latest).order_by(_BUNDLE.c.name, _BUNDLE.c.code))
    return [_build_bundle(row) for row in rows]


async def find_current_bundle(session: AsyncSession, code: str) -> Bundle | None:
    """Find the latest version of this bundle; None if it is unknown."""
    newest = select(_BUNDLE).where(_BUNDLE.c.code == code).order_by(_BUNDLE.c.version.desc()).limit(1)
    row = (await session.execute(newest)).one_or_none()
    return None if row is None else _build_bundle(row)


async def publish_bundle(session: AsyncSession, content: BundleContent, *, at: datetime) -> Bundle:
    """Publish the next version. The same content as the latest version changes nothing.

    Raises InvalidInput `bundel_ongeldig` for the code, the name or the number of diensten, and `dienst_onbekend`.
    """
    _require_valid(content, await load_active_agencies(session))
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(literal("bundel"), 0))))
    current = await find_current_bundle(session, content.code)
    if current is not None and (current.name, current.diensten) == (content.name, content.diensten):
        return current
    version = 1 if current is None else current.version + 1
    row = {"code": content.code, "version": version, "name": content.name, "diensten": sorted(content.diensten)}
    await session.execute(insert(_BUNDLE).values(row | {"published_at": at}))
    return Bundle(content.code, version, content.name, content.diensten, at)


def _require_valid(content: BundleContent, agencies: Collection[AgencyView]) -> None:
    has_name = content.name.isprintable() and content.name == content.name.strip() != ""
    is_of_size = 1 <= len(content.diensten) <= MAX_DIENSTEN
    if not (_CODE.fullmatch(content.code) and has_name and len(content.name) <= MAX_NAME_LENGTH and is_of_size):
        raise InvalidInput("bundel_ongeldig")
    if not content.diensten <= {dienst.scope_key for agency in agencies for dienst in agency.diensten}:
        raise InvalidInput("dienst_onbekend")


def list_themes(bundle: Bundle, agencies: Collection[AgencyView]) -> frozenset[Theme]:
    """List the themes of the diensten of a bundle that are still in the service."""
    diensten = (dienst for agency in agencies for dienst in agency.diensten)
    return frozenset(dienst.theme for dienst in diensten if dienst.scope_key in bundle.diensten)


def _build_bundle(row: Row[tuple[object, ...]]) -> Bundle:
    return Bundle(row.code, row.version, row.name, frozenset(row.diensten), row.published_at)
