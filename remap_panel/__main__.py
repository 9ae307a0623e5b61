"""``python -m remap_panel`` is the command ``remap``."""

import sys

from remap_panel.cli import main

if __name__ == "__main__":
    sys.exit(main())
