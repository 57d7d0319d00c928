"""A handler's module that never finishes being imported."""

import sys

sys.exit(3)
