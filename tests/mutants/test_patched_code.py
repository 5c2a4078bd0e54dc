"""Mutants patch existing code: a mutant of moved or renamed code proves nothing."""

import inspect

import pytest

from tests.mutants import MUTANTS, mutant


def accepts_call(new, old):
    """Compare signatures: `new` can be called as `old` is."""
    parameters = inspect.signature(old).parameters.values()
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    keywords = {each.name: None for each in parameters if each.kind is each.KEYWORD_ONLY}
    inspect.signature(new).bind(*positional, **keywords)


@pytest.fixture
def patched_attributes(monkeypatch):
    """The attributes that mutants would replace."""
    found = []

    def record(owner, name, new):
        old = getattr(owner, name)
        if inspect.isroutine(old):
            accepts_call(new, old)
        found.append((owner, name))

    monkeypatch.setattr(mutant, "patch", record)
    return found


def test_every_mutant_patches_existing_code(patched_attributes):
    for name, each in MUTANTS.items():
        patched_attributes.clear()
        each.breaks()
        assert patched_attributes or each.wraps is not None, name
