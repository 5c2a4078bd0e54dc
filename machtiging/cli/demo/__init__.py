"""The demo world: ten letters, the people in it, and the story that `machtiging story` tells over real HTTP."""
