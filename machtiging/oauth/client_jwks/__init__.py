"""Keys of clients: validation, selection and fetching of JWK Sets."""
