"""A bucket and a table of your own in the data layer, and a service that may read the bucket.

Run it with `python examples/own_resources.py --out examples/own_resources`.
"""

from __future__ import annotations

import sys

from awacs.aws import Action, Allow, Statement
from troposphere import GetAtt, Sub, dynamodb, s3

from generator import Deployment, Settings, Workload, app_runner_layer, data_layer, export, imported
from generator.cli import main


def deployments() -> list[Deployment]:
    """A data layer that is called storage, and an App Runner layer that is called web."""
    settings = Settings()
    bucket = s3.Bucket("Attachments", DeletionPolicy="Retain", UpdateReplacePolicy="Retain")
    table = dynamodb.Table(
        "Orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[dynamodb.AttributeDefinition(AttributeName="id", AttributeType="S")],
        KeySchema=[dynamodb.KeySchema(AttributeName="id", KeyType="HASH")],
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
    )
    data = data_layer(
        settings,
        bucket,
        table,
        export("AttachmentsName", "The bucket.", bucket.ref()),
        export("AttachmentsArn", "The bucket's ARN.", GetAtt(bucket, "Arn")),
        name="storage",
    )
    objects = Sub("${Bucket}/*", Bucket=imported("AttachmentsArn"))
    read = Statement(Effect=Allow, Action=[Action("s3", "GetObject")], Resource=[objects])
    web = app_runner_layer(
        settings,
        Workload(environment={"BUCKET": imported("AttachmentsName"), "LOG_LEVEL": "WARNING"}, statements=(read,)),
        name="web",
    )
    return [
        Deployment(
            "apprunner",
            (
                data,
                web,
            ),
        )
    ]


if __name__ == "__main__":
    sys.exit(main(deployments))
