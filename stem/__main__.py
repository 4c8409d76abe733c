"""`python -m stem`."""

import sys

from stem.cli import main

sys.exit(main())
