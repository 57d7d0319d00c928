"""The places that events are delivered to."""
