"""Tables of the catalogue: agencies and their diensten."""

from __future__ import annotations

from sqlmodel import SQLModel

from machtiging.storage import columns


class Agency(SQLModel, table=True):
    """An organisation that may deliver letters (afzender), identified by its OIN."""

    __tablename__ = "agency"

    oin: str = columns.text_column(primary_key=True)
    name: str = columns.text_column()
    active: bool = True


class Dienst(SQLModel, table=True):
    """A service of an agency, with theme and sensitivity of its letters."""

    __tablename__ = "dienst"

    oin: str = columns.text_column(primary_key=True, foreign_key="agency.oin")
    code: str = columns.text_column(primary_key=True)
    name: str = columns.text_column()
    theme: str = columns.text_column()
    sensitivity: str = columns.text_column()
