"""What Dagster sees. Only this room, the code location, the in-process runner and doctor import dagster."""
