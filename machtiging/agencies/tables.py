"""Tables of the catalogue: agencies, their diensten and bundles of diensten."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

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


class BundleVersion(SQLModel, table=True):
    """A published version of a bundle of diensten. Never changed and never deleted."""

    __tablename__ = "bundle_version"

    code: str = columns.text_column(primary_key=True)
    version: int = Field(primary_key=True)
    name: str = columns.text_column()
    diensten: list[str] = columns.text_array_column()
    published_at: datetime = columns.timestamp_column()
