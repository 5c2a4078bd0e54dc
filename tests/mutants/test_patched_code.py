"""Mutants patch existing code: a mutant of moved or renamed code proves nothing."""

from tests.mutants import (
    MUTANTS,
    clients,
    codes,
    counters,
    exchanging,
    network,
    refreshing,
    requests,
    signatures,
    tokens,
)

AREAS = (clients, codes, counters, exchanging, network, refreshing, requests, signatures, tokens)


def test_every_mutant_patches_existing_code(monkeypatch):
    taken_away = []

    def looked(place, name, new):
        new(getattr(place, name))
        taken_away.append(name)

    for area in AREAS:
        monkeypatch.setattr(area, "swap", looked, raising=False)
    for name, mutant in MUTANTS.items():
        taken_away.clear()
        mutant.breaks()
        assert taken_away or mutant.wraps is not None, name
