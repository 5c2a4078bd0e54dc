"""End of sessions without logout: by their time limits, or by an operator."""
