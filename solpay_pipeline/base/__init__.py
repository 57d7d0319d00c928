"""What every room stands on: the database connection, bulk statements, concurrency, start and end of a process."""
