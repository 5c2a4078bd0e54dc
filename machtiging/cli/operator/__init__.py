"""Commands and checks for operators, and the operator's name in the journal."""
