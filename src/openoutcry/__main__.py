"""`python -m openoutcry` is the `openoutcry` command."""

import sys

from openoutcry.cli.main import main

sys.exit(main())
