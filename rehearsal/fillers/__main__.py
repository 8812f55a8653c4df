"""ministack with the fillers, until it is terminated or whoever started it is gone."""

from __future__ import annotations

import os
import threading

from ministack.app import main

from rehearsal.fillers import (
    apprunner,
    calls,
    change_sets,
    ecr,
    ecs_express,
    events,
    exports,
    faults,
    iam,
    instances,
    memorydb,
    network,
    replacement,
    secret,
)


def stop_with_parent() -> None:
    """The other end of standard input is held by the starting process alone, however that ends."""
    while os.read(0, 1):
        pass
    os._exit(0)


threading.Thread(target=stop_with_parent, daemon=True).start()
# The last wraps those before it: an event says that something starts before a fault makes it slow, and what IAM refuses
# is no call.
for filler in (
    *(memorydb, apprunner, ecs_express, instances, ecr, network, secret, replacement, change_sets, exports),
    *(faults, events, calls, iam),
):
    filler.install()
main()
