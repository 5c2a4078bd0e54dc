"""Pages of the citizen about her helpers, their machtigingen and the emergency stop."""
