"""Grant management: clients query and revoke their grants, people list and revoke consents."""
