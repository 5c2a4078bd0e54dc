"""Acts on assignments by an organisation: assign, end and list, with their REST endpoints."""
