"""Column types without a short form in SQLModel; the Core table of a model."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    DateTime,
    LargeBinary,
    Select,
    Table,
    Text,
    Uuid,
    any_,
    cast,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


def table_of(model: type[SQLModel]) -> Table:
    """Return the Core table of a SQLModel class with `table=True`."""
    # SQLModel does not declare the attribute that SQLAlchemy sets: this is the one place that ignores it.
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


def timestamp_column(**options: Any) -> Any:
    """A `timestamptz` column."""
    return Field(sa_type=DateTime(timezone=True), **options)


def text_column(**options: Any) -> Any:
    """A `text` column. Lengths are CHECK constraints in the migration."""
    return Field(sa_type=Text, **options)


def text_array_column(**options: Any) -> Any:
    """A `text[]` column."""
    return Field(sa_type=ARRAY(Text), **options)


def uuid_array_column(**options: Any) -> Any:
    """A `uuid[]` column."""
    return Field(sa_type=ARRAY(Uuid), **options)


def bytes_column(**options: Any) -> Any:
    """A `bytea` column: encrypted content, hashes and keyed indexes."""
    return Field(sa_type=LargeBinary, **options)


def jsonb_column(**options: Any) -> Any:
    """A `jsonb` column. None is NULL in it, and not the JSON value null."""
    return Field(sa_type=JSONB(none_as_null=True), **options)


def is_selected_id(column: ColumnElement[Any], ids: Select[Any] | CompoundSelect[Any]) -> ColumnElement[bool]:
    """Build the condition that a uuid column is in the select `ids`.

    As one array, so that PostgreSQL looks up these rows by index. With `IN` it may join the whole table first.
    """
    found = ids.subquery()
    return column == any_(cast(select(func.array_agg(*found.c)).scalar_subquery(), ARRAY(Uuid)))
