"""What an operator does to sessions and invitations, and how the journal calls whoever typed the command."""
