"""A handler's module that never finishes being imported."""

import time

time.sleep(600)
