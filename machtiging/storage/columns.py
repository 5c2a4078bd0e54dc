"""Column types that SQLModel has no short word for, so that tables stay readable."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, DateTime, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field


def at(**options: Any) -> Any:
    """An aware instant."""
    return Field(sa_type=DateTime(timezone=True), **options)


def text(**options: Any) -> Any:
    """Text without a length; lengths are CHECK constraints in the migration."""
    return Field(sa_type=Text, **options)


def texts(**options: Any) -> Any:
    """A list of words."""
    return Field(sa_type=ARRAY(Text), **options)


def sealed(**options: Any) -> Any:
    """Bytes: encrypted content, hashes and keyed indexes."""
    return Field(sa_type=LargeBinary, **options)


def document(**options: Any) -> Any:
    """A JSON document."""
    return Field(sa_type=JSONB, **options)
