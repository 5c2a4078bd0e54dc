"""Machtigingen on the Berichtenbox: who may read whose post, decided on every access and shown to the citizen.

The map, from the street inwards. Imports only point down this list; names on one line are strangers.

    __main__, cli   the command line: run, tell the story, migrate, keys, policy, audit, doctor
    app             assembly: the only place where everything meets
    simulators      stand-ins for the outside world: a login broker and a mail catcher, never in production
    portal, health  screens for citizen and helper; is it alive, is it ready
    oauth           issuing tokens, clients, consents; deleting what has expired (Authlib lives here only)
    berichtenbox    letters: deliver, browse, read, download, keep
    access          may this actor do this to that, now? (Casbin lives here only)
    delegation      the life of a machtiging: offer, accept, pause, revoke, give back
    identity        who is at the keyboard: login, session, organisation, level of assurance; forms kept for later
    agencies        afzenders, their diensten, themes and sensitivity
    notifications   the outbox: telling people what was done in their name; what could not be mailed
    audit           the journal: append-only, chained, readable by the citizen; what protects it, heads kept elsewhere
    crypto          key ring, signatures, encryption, MACs, pseudonyms (cryptography and joserfc live here only)
    web, storage    doors, rate limits, CORS, errors; connections, unit of work, row MACs, migrations
    supervision     background tasks that fail, start again and are counted
    settings        read once, passed down as plain values
    kernel          numbers, periods, ids, errors, glossary: no I/O, no framework

"A helper reads one message", in six files, in this order:

    1. berichtenbox/routes.py  who may knock (a token with a machtiging) and what comes back
    2. access/bearer.py        token to Actor: signature, then token and machtiging as they stand now, one statement
    3. berichtenbox/read.py    find the envelope, ask the guard, open with the Permit
    4. access/guard.py         facts, Casbin, journal line, then a Permit or a refusal
    5. delegation/rules.py     in force at this instant? does the agreement cover this letter?
    6. audit/journal.py        one line in the same transaction, whatever the answer was
"""
