"""The machtigingen that a token can be used for, and the box under each."""
