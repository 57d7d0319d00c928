"""A project that names things we cannot use; which, the environment says."""

import json
import os

SECRET_KEY = "a key for tests alone"
INSTALLED_APPS: list[str] = []
globals().update(json.loads(os.environ["UNFIT"]))
