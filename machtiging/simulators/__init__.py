"""Stand-ins for the outside world, for practice only: a login broker and a mail catcher, as an app of their own."""
