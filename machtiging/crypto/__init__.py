"""Cryptography: key ring, JWS, envelope encryption and pseudonyms. No database, no HTTP."""
