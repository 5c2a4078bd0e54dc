"""Sessions that are over without their person saying so: by their limits, or because an operator ends them."""
