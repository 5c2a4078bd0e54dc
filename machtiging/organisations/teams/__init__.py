"""Teams of an organisation: made, renamed and ended by its organisatiebeheerder, with members."""
