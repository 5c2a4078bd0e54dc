"""Sample catalogue for practice and tests: real kinds of agencies with test OINs (00000099...).

The municipality is fictitious. Theme and sensitivity are set per dienst. Letters about health (GDPR art. 9), crime
(GDPR art. 10) or debts are never "gewoon".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.bundles import BundleContent, publish_bundle
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.agencies.tables import Agency, Dienst
from machtiging.kernel.oin import Oin

_GEWOON, _GEVOELIG, _VERTROUWELIJK = Sensitivity.GEWOON, Sensitivity.GEVOELIG, Sensitivity.VERTROUWELIJK


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One dienst in the catalogue."""

    code: str
    name: str
    theme: Theme
    sensitivity: Sensitivity


def _build_oin(number: int) -> str:
    return Oin(f"00000099{number:09d}000").value


# (name, OIN) -> diensten. A published entry is never removed, because letters refer to it.
CATALOGUE: dict[tuple[str, str], tuple[CatalogueEntry, ...]] = {
    ("UWV", _build_oin(1)): (
        CatalogueEntry("ww-uitkering", "WW-uitkering", Theme.INKOMEN, _GEWOON),
        CatalogueEntry("wia-uitkering", "WIA-uitkering en keuring", Theme.INKOMEN, _VERTROUWELIJK),
        CatalogueEntry("ziektewet", "Ziektewet-uitkering", Theme.ZORG, _VERTROUWELIJK),
        CatalogueEntry("scholing", "Scholing en werk zoeken", Theme.INKOMEN, _GEWOON),
    ),
    ("Sociale Verzekeringsbank", _build_oin(2)): (
        CatalogueEntry("aow", "AOW-pensioen", Theme.PENSIOEN, _GEWOON),
        CatalogueEntry("kinderbijslag", "Kinderbijslag", Theme.GEZIN, _GEWOON),
        CatalogueEntry("anw", "Nabestaandenuitkering (Anw)", Theme.INKOMEN, _GEWOON),
        CatalogueEntry("pgb-trekkingsrecht", "Persoonsgebonden budget", Theme.ZORG, _GEVOELIG),
    ),
    ("Belastingdienst", _build_oin(3)): (
        CatalogueEntry("inkomstenbelasting", "Inkomstenbelasting", Theme.BELASTINGEN, _GEWOON),
        CatalogueEntry("voorlopige-aanslag", "Voorlopige aanslag", Theme.BELASTINGEN, _GEWOON),
        CatalogueEntry("motorrijtuigenbelasting", "Motorrijtuigenbelasting", Theme.VERKEER, _GEWOON),
        CatalogueEntry("invordering", "Aanmaningen en dwangbevelen", Theme.BELASTINGEN, _GEVOELIG),
    ),
    ("Dienst Toeslagen", _build_oin(4)): (
        CatalogueEntry("zorgtoeslag", "Zorgtoeslag", Theme.TOESLAGEN, _GEWOON),
        CatalogueEntry("huurtoeslag", "Huurtoeslag", Theme.TOESLAGEN, _GEWOON),
        CatalogueEntry("kindgebonden-budget", "Kindgebonden budget", Theme.TOESLAGEN, _GEWOON),
        CatalogueEntry("herstel", "Herstel toeslagen", Theme.TOESLAGEN, _GEVOELIG),
    ),
    ("CAK", _build_oin(5)): (
        CatalogueEntry("eigen-bijdrage-wlz", "Eigen bijdrage langdurige zorg", Theme.ZORG, _GEVOELIG),
        CatalogueEntry("eigen-bijdrage-wmo", "Eigen bijdrage Wmo", Theme.ZORG, _GEVOELIG),
        CatalogueEntry("wanbetalers", "Regeling wanbetalers zorgverzekering", Theme.ZORG, _GEVOELIG),
    ),
    ("RDW", _build_oin(6)): (
        CatalogueEntry("kenteken", "Kenteken en tenaamstelling", Theme.VERKEER, _GEWOON),
        CatalogueEntry("apk", "Herinnering apk", Theme.VERKEER, _GEWOON),
        CatalogueEntry("rijbewijs", "Rijbewijs verlengen", Theme.VERKEER, _GEWOON),
    ),
    ("CBR", _build_oin(7)): (
        CatalogueEntry("rijexamen", "Rijexamen", Theme.VERKEER, _GEWOON),
        CatalogueEntry("medische-rijgeschiktheid", "Medische rijgeschiktheid", Theme.ZORG, _VERTROUWELIJK),
    ),
    ("Dienst Uitvoering Onderwijs", _build_oin(8)): (
        CatalogueEntry("studiefinanciering", "Studiefinanciering", Theme.ONDERWIJS, _GEWOON),
        CatalogueEntry("studieschuld", "Studieschuld terugbetalen", Theme.ONDERWIJS, _GEVOELIG),
        CatalogueEntry("inburgering", "Inburgering", Theme.ONDERWIJS, _GEWOON),
    ),
    ("Gemeente Voorbeeldstad", _build_oin(9)): (
        CatalogueEntry("gemeentelijke-belastingen", "Gemeentelijke belastingen en WOZ", Theme.GEMEENTE, _GEWOON),
        CatalogueEntry("paspoort", "Paspoort en identiteitskaart", Theme.GEMEENTE, _GEWOON),
        CatalogueEntry("bijstand", "Bijstandsuitkering", Theme.INKOMEN, _GEVOELIG),
        CatalogueEntry("wmo", "Wmo-ondersteuning", Theme.ZORG, _VERTROUWELIJK),
    ),
    ("Pensioenfonds Voorbeeld", _build_oin(10)): (
        CatalogueEntry("pensioenoverzicht", "Pensioenoverzicht", Theme.PENSIOEN, _GEWOON),
        CatalogueEntry("pensioenuitkering", "Pensioenuitkering", Theme.PENSIOEN, _GEWOON),
    ),
    ("Centraal Justitieel Incassobureau", _build_oin(11)): (
        CatalogueEntry("verkeersboete", "Verkeersboete", Theme.JUSTITIE, _GEWOON),
        CatalogueEntry("strafbeschikking", "Strafbeschikking", Theme.JUSTITIE, _VERTROUWELIJK),
        CatalogueEntry("betalingsregeling", "Betalingsregeling", Theme.JUSTITIE, _GEVOELIG),
    ),
    ("Kadaster", _build_oin(12)): (
        CatalogueEntry("eigendom", "Eigendom van uw woning", Theme.WONEN, _GEWOON),
        CatalogueEntry("hypotheek", "Inschrijving van uw hypotheek", Theme.WONEN, _GEWOON),
    ),
    ("Waterschap Voorbeeldland", _build_oin(13)): (
        CatalogueEntry("waterschapsbelasting", "Waterschapsbelasting", Theme.BELASTINGEN, _GEWOON),
        CatalogueEntry("kwijtschelding", "Kwijtschelding", Theme.BELASTINGEN, _GEVOELIG),
    ),
    ("Centrum Indicatiestelling Zorg", _build_oin(14)): (
        CatalogueEntry("wlz-indicatie", "Besluit langdurige zorg (Wlz)", Theme.ZORG, _VERTROUWELIJK),
        CatalogueEntry("onvrijwillige-zorg", "Besluit opname en verblijf (Wzd)", Theme.ZORG, _VERTROUWELIJK),
    ),
    ("Immigratie- en Naturalisatiedienst", _build_oin(15)): (
        CatalogueEntry("verblijfsvergunning", "Verblijfsvergunning", Theme.OVERIG, _GEVOELIG),
        CatalogueEntry("naturalisatie", "Nederlander worden", Theme.OVERIG, _GEVOELIG),
    ),
    ("Landelijk Bureau Inning Onderhoudsbijdragen", _build_oin(16)): (
        CatalogueEntry("kinderalimentatie", "Inning kinderalimentatie", Theme.GEZIN, _GEVOELIG),
        CatalogueEntry("partneralimentatie", "Inning partneralimentatie", Theme.GEZIN, _GEVOELIG),
    ),
}


# Bundles for practice, by code: name and diensten as (agency, code of the dienst).
BUNDLES: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "schulden": (
        "Hulp bij schulden",
        (
            ("Belastingdienst", "invordering"),
            ("Dienst Toeslagen", "herstel"),
            ("Gemeente Voorbeeldstad", "gemeentelijke-belastingen"),
            ("Centraal Justitieel Incassobureau", "betalingsregeling"),
            ("CAK", "wanbetalers"),
        ),
    ),
    "toeslagen-en-uitkering": (
        "Toeslagen en uitkering",
        (
            ("Dienst Toeslagen", "zorgtoeslag"),
            ("Dienst Toeslagen", "huurtoeslag"),
            ("Dienst Toeslagen", "kindgebonden-budget"),
            ("UWV", "ww-uitkering"),
            ("Gemeente Voorbeeldstad", "bijstand"),
        ),
    ),
}


def find_catalogue_oin(name: str) -> str:
    """Return the test OIN of the agency with this name. Raises KeyError for an unknown name."""
    return dict(CATALOGUE.keys())[name]


async def publish_practice_bundles(session: AsyncSession, *, at: datetime) -> None:
    """Publish the bundles for practice. It is idempotent. Raises InvalidInput as `publish_bundle`."""
    for code, (name, diensten) in BUNDLES.items():
        keys = frozenset(f"{find_catalogue_oin(agency)}/{dienst}" for agency, dienst in diensten)
        await publish_bundle(session, BundleContent(code, name, keys), at=at)


async def upsert_catalogue(session: AsyncSession) -> None:
    """Upsert the catalogue: add missing rows, update names and labels, delete nothing.

    It is idempotent and safe to run concurrently. `Agency.active` is not changed.
    """
    connection = await session.connection()
    agencies = [{"oin": oin, "name": name, "active": True} for name, oin in CATALOGUE]
    diensten = [
        {"oin": oin, "code": entry.code, "name": entry.name, "theme": entry.theme, "sensitivity": entry.sensitivity}
        for (_, oin), entries in CATALOGUE.items()
        for entry in entries
    ]
    agency = insert(Agency)
    renamed = agency.on_conflict_do_update(index_elements=["oin"], set_={"name": agency.excluded.name})
    await connection.execute(renamed, agencies)
    dienst = insert(Dienst)
    label = {column: dienst.excluded[column] for column in ("name", "theme", "sensitivity")}
    await connection.execute(dienst.on_conflict_do_update(index_elements=["oin", "code"], set_=label), diensten)
