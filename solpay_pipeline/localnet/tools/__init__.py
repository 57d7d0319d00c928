"""What tests and demos fill the embedded chain with."""
