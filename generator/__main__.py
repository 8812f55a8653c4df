"""`python -m generator`: what build.py does, with the default settings."""

from __future__ import annotations

import sys

from generator.cli import main
from generator.layers import default_deployments

if __name__ == "__main__":
    sys.exit(main(default_deployments))
