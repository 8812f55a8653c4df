"""ministack with the extensions, until it is terminated or its parent process has ended."""

from __future__ import annotations

import os
import threading

from ministack.app import main

from rehearsal.emulator.extensions import ecr, faults, iam, network, recorded_calls, roles, secrets_manager
from rehearsal.emulator.extensions.cloudformation import (
    change_sets,
    deletion,
    drift,
    events,
    exports,
    operations,
    replacement,
    stack_policies,
    stand_ins,
    validation,
)
from rehearsal.emulator.extensions.compute import apprunner, ecs_express, instances, rollback_alarm
from rehearsal.emulator.extensions.memorydb import clusters


def stop_with_parent() -> None:
    """Standard input ends when the parent process does: no other process has its other end."""
    while os.read(0, 1):
        pass
    os._exit(0)


threading.Thread(target=stop_with_parent, daemon=True).start()
# Each wraps those before it: the event that an action starts comes before its fault, and a call that IAM refuses is not
# recorded.
for extension in (
    *(clusters, apprunner, ecs_express, rollback_alarm, instances, ecr, network, secrets_manager),
    *(stand_ins, replacement, drift, validation, change_sets, exports, stack_policies),
    *(roles, faults, deletion, events, operations, recorded_calls, iam),
):
    extension.install()
main()
