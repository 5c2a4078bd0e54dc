"""From pushed request to code: what a client asks, what a person may and wants to give, and writing that down."""
