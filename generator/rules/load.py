"""What `cfn-lint --append-rules generator/rules` loads: the rules beside this file.

cfn-lint loads a folder's files one by one, outside of any package. So the folder is made a package here, by its path,
and the rules need not be installed.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

NAME = "memorydb_apprunner_rules"

if NAME not in sys.modules:
    folder = Path(__file__).parent
    specification = spec_from_file_location(NAME, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert specification is not None
    assert specification.loader is not None
    sys.modules[NAME] = module_from_spec(specification)
    specification.loader.exec_module(sys.modules[NAME])

globals().update(sys.modules[NAME].RULES)
