#!/usr/bin/env python
"""The shop's own command line; DJANGO_SETTINGS_MODULE says whether it is before or after the switch."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_shop.settings_before")
execute_from_command_line(sys.argv)
