"""Pages of an organisation: its clients, employees, teams, stand-ins and hand-overs. No letter opens here."""
