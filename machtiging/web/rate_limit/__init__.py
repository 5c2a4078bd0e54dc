"""Rate limits by access token, by person and by address, before anything is done for a request. Per process."""
