"""The wizard for giving a machtiging, its preview, and the page with the code."""
