#!/usr/bin/env python3
"""The file to edit: which settings, which layers. `python build.py --help` says what it can do with them."""

from __future__ import annotations

import sys

try:
    from generator import Layer, Settings, all_layers
    from generator.cli import main
except ModuleNotFoundError as missing:
    sys.exit(f"The package {missing.name} is not installed. Run `make build`, which brings all that is needed.")


def layers() -> tuple[Layer, ...]:
    """What `build` writes. The other commands take one pair of these: App Runner's, unless --compute names another."""
    return all_layers(Settings())


if __name__ == "__main__":
    sys.exit(main(layers))
