"""`python -m benchmarks` runs all of them."""

import sys
from pathlib import Path

# Each benchmark is also a script of its own, so they import one another by their bare names.
sys.path.insert(0, str(Path(__file__).parent))

from whole_run import main

if __name__ == "__main__":
    sys.exit(main())
