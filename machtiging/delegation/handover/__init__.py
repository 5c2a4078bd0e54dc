"""Hand-over of the clients of an employee who leaves: the queue and its REST endpoints."""
