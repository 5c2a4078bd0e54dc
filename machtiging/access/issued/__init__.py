"""What is asked of issued tokens besides their use at a door: in which line they stand, and which may go."""
