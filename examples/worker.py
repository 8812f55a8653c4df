"""A worker in another language, without MemoryDB: an image that is there, a queue of its own, and a secret.

Run it with `python examples/worker.py --out examples/worker`.
"""

from __future__ import annotations

import sys

from awacs.aws import Action, Allow, Statement
from troposphere import GetAtt, Sub, sqs

from generator import Deployment, HealthCheck, Settings, Workload, ecs_express_layer
from generator.cli import main

TOKEN = Sub("arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:worker/token-AbCdEf")


def deployments(token: str | Sub = TOKEN) -> list[Deployment]:
    """One layer alone. It imports nothing, so it needs no data layer."""
    queue = sqs.Queue(
        "Jobs",
        MessageRetentionPeriod=14 * 24 * 3600,
        SqsManagedSseEnabled=True,
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
    )
    take = Statement(
        Effect=Allow,
        Action=[Action("sqs", "DeleteMessage"), Action("sqs", "ReceiveMessage")],
        Resource=[GetAtt(queue, "Arn")],
    )
    worker = Workload(
        memorydb=False,
        repository="team/worker",
        context="",
        port=3000,
        health=HealthCheck(path="/live"),
        command=("node", "worker.js"),
        environment={"QUEUE_URL": queue.ref()},
        secrets={"API_TOKEN": token},
        statements=(take,),
        cpu=256,
        memory=512,
        max_size=2,
    )
    return [Deployment("ecs-express", (ecs_express_layer(Settings(), worker, queue, name="worker"),))]


if __name__ == "__main__":
    sys.exit(main(deployments))
