"""Keys and what is done with them: key ring, JWS, envelope encryption, pseudonyms. No database and no HTTP in here."""
