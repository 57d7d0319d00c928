"""What tests and demos put on the embedded chain."""
