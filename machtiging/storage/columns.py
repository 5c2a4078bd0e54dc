"""Column types that SQLModel has no short form for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, DateTime, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field


def at(**options: Any) -> Any:
    """A `timestamptz` column."""
    return Field(sa_type=DateTime(timezone=True), **options)


def text(**options: Any) -> Any:
    """A `text` column. Lengths are CHECK constraints in the migration."""
    return Field(sa_type=Text, **options)


def texts(**options: Any) -> Any:
    """A `text[]` column."""
    return Field(sa_type=ARRAY(Text), **options)


def sealed(**options: Any) -> Any:
    """A `bytea` column: encrypted content, hashes and keyed indexes."""
    return Field(sa_type=LargeBinary, **options)


def document(**options: Any) -> Any:
    """A `jsonb` column."""
    return Field(sa_type=JSONB, **options)
