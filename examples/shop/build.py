"""The shop: a catalog whose products are in MemoryDB, and a mailer. `python build.py --help` lists the commands."""

from __future__ import annotations

import sys

from awacs.aws import Action, Allow, Statement
from troposphere import GetAtt, Sub, s3, secretsmanager

from generator import (
    Deployment,
    Settings,
    Verification,
    Workload,
    data_layer,
    ecs_express_layer,
    export,
    imported,
    repository,
    user,
)
from generator.cli import main
from generator.iam.access import access_deployment

# What the client of catalog.py sends, beside the commands for products.
CLIENT = ("asking", "cluster|slots", "command", "ping", "readonly")


def deployments() -> list[Deployment]:
    """The stacks NAME-storage, NAME-catalog and NAME-mailer, and the roles of CI."""
    settings = Settings(task_endpoints="one")
    pictures = s3.Bucket("Pictures", DeletionPolicy="Retain", UpdateReplacePolicy="Retain")
    # Secrets Manager generates its value, which no template has.
    signing_key = secretsmanager.Secret(
        "SigningKey",
        GenerateSecretString=secretsmanager.GenerateSecretString(PasswordLength=48, ExcludePunctuation=True),
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Delete",
    )
    storage = data_layer(
        settings,
        pictures,
        signing_key,
        repository("Mailer"),
        export("PicturesName", "The bucket.", pictures.ref()),
        export("PicturesArn", "The bucket's ARN.", GetAtt(pictures, "Arn")),
        export("SigningKeyArn", "The secret that the mailer signs its links with.", signing_key.ref()),
        name="storage",
        users=(user(keys="product:*", commands=("get", "set", *CLIENT)),),
    )
    catalog = Workload(
        context="catalog",
        environment={"PICTURES": imported("PicturesName")},
        statements=(
            Statement(
                Effect=Allow,
                Action=[Action("s3", "GetObject"), Action("s3", "PutObject")],
                Resource=[Sub("${Bucket}/*", Bucket=imported("PicturesArn"))],
            ),
        ),
        verification=Verification(paths={"/health": 200, "/ready": 200}),
    )
    mailer = Workload(
        prefix="Mailer",
        context="mailer",
        memorydb=False,
        environment={"SHOP": "https://shop.example"},
        secrets={"SIGNING_KEY": imported("SigningKeyArn")},
        cpu=256,
        memory=512,
    )
    shop = Deployment(
        "shop",
        (
            storage,
            ecs_express_layer(settings, catalog, name="catalog"),
            ecs_express_layer(settings, mailer, name="mailer"),
        ),
    )
    return [shop, access_deployment(shop)]


if __name__ == "__main__":
    sys.exit(main(deployments, name="shop"))
