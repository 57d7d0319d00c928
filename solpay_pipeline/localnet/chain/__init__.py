"""The embedded chain itself: the SVM, its slots, its history and its state."""
