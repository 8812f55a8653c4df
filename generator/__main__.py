"""`python -m generator`: what build.py does, with the default settings."""

from __future__ import annotations

import sys

from generator import all_layers
from generator.cli import main

if __name__ == "__main__":
    sys.exit(main(all_layers))
