"""Help requests on the portal: wizard and list of the relative, answer of the citizen."""
