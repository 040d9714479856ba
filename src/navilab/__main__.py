"""`python -m navilab`."""

import sys

from navilab.cli import main

sys.exit(main())
