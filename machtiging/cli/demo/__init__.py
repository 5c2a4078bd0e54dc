"""The demo: ten letters, their people, and the story that plays over real HTTP."""
