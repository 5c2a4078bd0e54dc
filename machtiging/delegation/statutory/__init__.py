"""Representation by law or court: register events, relations and the machtigingen they give."""
