"""A database in which nothing is laid back: what is grown here belongs to no stage of another test."""

from dataclasses import replace

import pytest


@pytest.fixture
def database(database):
    return replace(database, stages=None)
