"""Schedules and sensors launch what is due, once."""
