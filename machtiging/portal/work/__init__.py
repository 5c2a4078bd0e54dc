"""Pages of an employee: today's letters, the clients, and what the employee did."""
