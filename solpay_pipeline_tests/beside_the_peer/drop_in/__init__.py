"""The peer's commands, settings and signals go on working in a shop's Django project."""
