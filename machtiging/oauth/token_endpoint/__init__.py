"""POST /token: one file per grant type. Codes, refresh tokens and client credentials have one way.

Load the client, its credential and the grant in one statement. Decide without the database: tokens, or a refusal.
Commit in one statement, which locks and checks the rows again. After a change all is done again (docs/decisions/0015).
"""
