"""A database without row snapshots: grown tables must not enter the snapshot of another test."""

from dataclasses import replace

import pytest


@pytest.fixture
def database(database):
    return replace(database, stages=None)
