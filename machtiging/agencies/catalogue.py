"""Sample catalogue for practice and tests: real kinds of agencies with test OINs (00000099...).

The municipality is fictitious. Theme and sensitivity are set per dienst. Letters about health (GDPR art. 9), crime
(GDPR art. 10) or debts are never "gewoon".
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.agencies.tables import Agency, Dienst
from machtiging.kernel.oin import Oin

_G, _S, _V = Sensitivity.GEWOON, Sensitivity.GEVOELIG, Sensitivity.VERTROUWELIJK


@dataclass(frozen=True, slots=True)
class Entry:
    """One dienst in the catalogue."""

    code: str
    name: str
    theme: Theme
    sensitivity: Sensitivity


def _oin(number: int) -> str:
    return Oin(f"00000099{number:09d}000").value


# (name, OIN) -> diensten. A published entry is never removed, because letters refer to it.
CATALOGUE: dict[tuple[str, str], tuple[Entry, ...]] = {
    ("UWV", _oin(1)): (
        Entry("ww-uitkering", "WW-uitkering", Theme.INKOMEN, _G),
        Entry("wia-uitkering", "WIA-uitkering en keuring", Theme.INKOMEN, _V),
        Entry("ziektewet", "Ziektewet-uitkering", Theme.ZORG, _V),
        Entry("scholing", "Scholing en werk zoeken", Theme.INKOMEN, _G),
    ),
    ("Sociale Verzekeringsbank", _oin(2)): (
        Entry("aow", "AOW-pensioen", Theme.PENSIOEN, _G),
        Entry("kinderbijslag", "Kinderbijslag", Theme.GEZIN, _G),
        Entry("anw", "Nabestaandenuitkering (Anw)", Theme.INKOMEN, _G),
        Entry("pgb-trekkingsrecht", "Persoonsgebonden budget", Theme.ZORG, _S),
    ),
    ("Belastingdienst", _oin(3)): (
        Entry("inkomstenbelasting", "Inkomstenbelasting", Theme.BELASTINGEN, _G),
        Entry("voorlopige-aanslag", "Voorlopige aanslag", Theme.BELASTINGEN, _G),
        Entry("motorrijtuigenbelasting", "Motorrijtuigenbelasting", Theme.VERKEER, _G),
        Entry("invordering", "Aanmaningen en dwangbevelen", Theme.BELASTINGEN, _S),
    ),
    ("Dienst Toeslagen", _oin(4)): (
        Entry("zorgtoeslag", "Zorgtoeslag", Theme.TOESLAGEN, _G),
        Entry("huurtoeslag", "Huurtoeslag", Theme.TOESLAGEN, _G),
        Entry("kindgebonden-budget", "Kindgebonden budget", Theme.TOESLAGEN, _G),
        Entry("herstel", "Herstel toeslagen", Theme.TOESLAGEN, _S),
    ),
    ("CAK", _oin(5)): (
        Entry("eigen-bijdrage-wlz", "Eigen bijdrage langdurige zorg", Theme.ZORG, _S),
        Entry("eigen-bijdrage-wmo", "Eigen bijdrage Wmo", Theme.ZORG, _S),
        Entry("wanbetalers", "Regeling wanbetalers zorgverzekering", Theme.ZORG, _S),
    ),
    ("RDW", _oin(6)): (
        Entry("kenteken", "Kenteken en tenaamstelling", Theme.VERKEER, _G),
        Entry("apk", "Herinnering apk", Theme.VERKEER, _G),
        Entry("rijbewijs", "Rijbewijs verlengen", Theme.VERKEER, _G),
    ),
    ("CBR", _oin(7)): (
        Entry("rijexamen", "Rijexamen", Theme.VERKEER, _G),
        Entry("medische-rijgeschiktheid", "Medische rijgeschiktheid", Theme.ZORG, _V),
    ),
    ("Dienst Uitvoering Onderwijs", _oin(8)): (
        Entry("studiefinanciering", "Studiefinanciering", Theme.ONDERWIJS, _G),
        Entry("studieschuld", "Studieschuld terugbetalen", Theme.ONDERWIJS, _S),
        Entry("inburgering", "Inburgering", Theme.ONDERWIJS, _G),
    ),
    ("Gemeente Voorbeeldstad", _oin(9)): (
        Entry("gemeentelijke-belastingen", "Gemeentelijke belastingen en WOZ", Theme.GEMEENTE, _G),
        Entry("paspoort", "Paspoort en identiteitskaart", Theme.GEMEENTE, _G),
        Entry("bijstand", "Bijstandsuitkering", Theme.INKOMEN, _S),
        Entry("wmo", "Wmo-ondersteuning", Theme.ZORG, _V),
    ),
    ("Pensioenfonds Voorbeeld", _oin(10)): (
        Entry("pensioenoverzicht", "Pensioenoverzicht", Theme.PENSIOEN, _G),
        Entry("pensioenuitkering", "Pensioenuitkering", Theme.PENSIOEN, _G),
    ),
    ("Centraal Justitieel Incassobureau", _oin(11)): (
        Entry("verkeersboete", "Verkeersboete", Theme.JUSTITIE, _G),
        Entry("strafbeschikking", "Strafbeschikking", Theme.JUSTITIE, _V),
        Entry("betalingsregeling", "Betalingsregeling", Theme.JUSTITIE, _S),
    ),
    ("Kadaster", _oin(12)): (
        Entry("eigendom", "Eigendom van uw woning", Theme.WONEN, _G),
        Entry("hypotheek", "Inschrijving van uw hypotheek", Theme.WONEN, _G),
    ),
    ("Waterschap Voorbeeldland", _oin(13)): (
        Entry("waterschapsbelasting", "Waterschapsbelasting", Theme.BELASTINGEN, _G),
        Entry("kwijtschelding", "Kwijtschelding", Theme.BELASTINGEN, _S),
    ),
    ("Centrum Indicatiestelling Zorg", _oin(14)): (
        Entry("wlz-indicatie", "Besluit langdurige zorg (Wlz)", Theme.ZORG, _V),
        Entry("onvrijwillige-zorg", "Besluit opname en verblijf (Wzd)", Theme.ZORG, _V),
    ),
    ("Immigratie- en Naturalisatiedienst", _oin(15)): (
        Entry("verblijfsvergunning", "Verblijfsvergunning", Theme.OVERIG, _S),
        Entry("naturalisatie", "Nederlander worden", Theme.OVERIG, _S),
    ),
    ("Landelijk Bureau Inning Onderhoudsbijdragen", _oin(16)): (
        Entry("kinderalimentatie", "Inning kinderalimentatie", Theme.GEZIN, _S),
        Entry("partneralimentatie", "Inning partneralimentatie", Theme.GEZIN, _S),
    ),
}


def oin_of(name: str) -> str:
    """Return the test OIN of the agency with this name. Raises KeyError for an unknown name."""
    return dict(CATALOGUE.keys())[name]


async def load_catalogue(session: AsyncSession) -> None:
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
