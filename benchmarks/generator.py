"""The time to emit and to lint, as whole processes, beside Troposphere's import and cfn-lint alone.

Each program runs nine times after a first that does not count, in turn with the others, so that a busy moment of the
machine hits all of them. The median of wall time counts, and the largest of peak memory. Ratios are to
`import troposphere` and to cfn-lint alone in the same run.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 9
# Compiled modules are kept, which is Python's default.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

# cfn-lint with its own rules, once over all templates in one Region.
STOCK_LINT = """
import cfnlint.api
from cfnlint.core import get_rules
rules = get_rules([], [], ["E", "W", "I"])
for name in ("data", "apprunner", "ecs-express-data", "ecs-express", "apprunner-access", "ecs-express-access"):
    cfnlint.api.lint(open(f"templates/{name}-layer.json").read(), rules, ["us-east-1"])
"""

# The same, but in the 1, 11 or 19 Regions that each template claims.
STOCK_LINT_REGIONS = "from generator.regions import ECS_REGIONS, REGIONS\n" + STOCK_LINT.replace(
    '["us-east-1"]', '["us-east-1"] if "access" in name else ECS_REGIONS if "ecs" in name else REGIONS'
)

# The two layers of one deployment, linted, with their policies and diagrams.
ONE_DEPLOYMENT = """
import os, sys
from generator import app_runner_deployment
from generator.cli import main
os.environ["CI"] = "true"
sys.exit(main(lambda: (app_runner_deployment(),)))
"""

SYNTHETIC = """
import sys
from dataclasses import dataclass
from troposphere import sns
from generator.layers import Layer
from generator.template.elements import why

@dataclass(frozen=True)
class Topics:
    topics: tuple[sns.Topic, ...]

topics = tuple(
    sns.Topic(f"Topic{number}", Metadata=why("Synthetic"), DisplayName="A topic as an example of a resource")
    for number in range(int(sys.argv[1]))
)
Layer("synthetic", "Synthetic.", (Topics(topics),)).text()
"""


def run(arguments: list[str]) -> tuple[float, float]:
    """Seconds of wall time and MB of peak memory of one Python process."""
    started = time.perf_counter()
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, *arguments],
        ENVIRONMENT,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        raise SystemExit(f"python {' '.join(arguments)[:80]} failed")
    return seconds, usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)


def main() -> None:
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as out:
        programs = {
            "python": ["-c", "pass"],
            "import troposphere": ["-c", "import troposphere"],
            "emit": ["build.py", "--no-lint", "--out", out],
            "cfn-lint alone, 1 Region": ["-c", STOCK_LINT],
            "cfn-lint alone, all Regions": ["-c", STOCK_LINT_REGIONS],
            # --check and CI lint each time; another build is remembered.
            "emit and lint, all Regions": ["build.py", "--check"],
            "the same, one deployment": ["-c", ONE_DEPLOYMENT, "build", "--out", f"{out}/one"],
            "the same build again": ["build.py", "--out", out],
            **{f"emit {size} resources": ["-c", SYNTHETIC, str(size)] for size in (50, 150, 450)},
        }
        samples: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        for arguments in programs.values():
            run(arguments)
        for _ in range(ROUNDS):
            for name, arguments in programs.items():
                samples[name].append(run(arguments))
    results = {
        name: {
            "seconds": round(statistics.median(seconds for seconds, _ in taken), 4),
            "megabytes": round(max(megabytes for _, megabytes in taken), 1),
        }
        for name, taken in samples.items()
    }
    print(f"{f'median of {ROUNDS}':28} {'seconds':>8} {'MB':>6}")
    for name, result in results.items():
        print(f"{name:28} {result['seconds']:8.3f} {result['megabytes']:6.0f}")
    ratios = {
        "emit / import troposphere": ("emit", "import troposphere"),
        "emit and lint / cfn-lint alone, 1 Region": ("emit and lint, all Regions", "cfn-lint alone, 1 Region"),
        "emit and lint / cfn-lint alone, all Regions": ("emit and lint, all Regions", "cfn-lint alone, all Regions"),
    }
    compared = {
        title: round(results[ours]["seconds"] / results[theirs]["seconds"], 2)
        for title, (ours, theirs) in ratios.items()
    }
    for title, ratio in compared.items():
        print(f"{title:44} {ratio:5.2f}")
    (ROOT / "benchmarks" / "generator.json").write_text(
        json.dumps({"results": results, "ratios": compared}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
