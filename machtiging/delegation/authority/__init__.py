"""Authority: who may act for whom now, through whom, and why not."""
