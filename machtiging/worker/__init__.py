"""The worker: what happens without a request. In a process of its own, or inside `serve`."""
