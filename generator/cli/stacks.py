"""Which AWS is meant, and which stacks in it."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from generator import contract
from generator.errors import DeployError, MissingPackageError, UsageError

if TYPE_CHECKING:
    from generator.stacks.cloudformation import Conversation


def conversation(arguments: argparse.Namespace) -> Conversation:
    """CloudFormation in the account and Region that the arguments and the environment name."""
    (client,) = clients(arguments, "cloudformation")
    from generator.stacks.cloudformation import Conversation

    return Conversation(client)


def clients(arguments: argparse.Namespace, *services: str) -> list[Any]:
    """A client for each service, in the account and Region that the arguments and the environment name."""
    try:
        import boto3
        import botocore.exceptions
        from botocore.config import Config
    except ModuleNotFoundError as error:
        raise MissingPackageError(package=str(error.name), extra="deploy") from error
    try:
        # boto3 knows AWS_DEFAULT_REGION only; the AWS CLI prefers AWS_REGION.
        region = arguments.region or os.environ.get("AWS_REGION")
        session = boto3.Session(profile_name=arguments.profile, region_name=region)
        # With growing pauses, because a long deployment meets throttling.
        retries = {"mode": "standard", "total_max_attempts": _max_attempts()}
        return [session.client(service, config=Config(retries=retries)) for service in services]
    except botocore.exceptions.NoRegionError:
        raise UsageError("There is no AWS Region: pass --region, or set AWS_REGION.") from None
    except botocore.exceptions.ProfileNotFound as error:
        raise UsageError(f"{error}.") from None
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise DeployError(
            stack=arguments.name,
            what="AWS cannot be reached",
            why=str(error),
            then="Fix this and try again.",
        ) from error


def _max_attempts() -> int:
    given = os.environ.get("AWS_MAX_ATTEMPTS", "10")
    if given.isascii() and given.isdigit() and int(given):
        return int(given)
    raise UsageError(f"AWS_MAX_ATTEMPTS is {given!r}, but must be a whole number of at least 1.")


def stack_name(layer: str, arguments: argparse.Namespace) -> str:
    """The name of a layer's stack."""
    return data_stack(arguments) if layer == contract.DATA_LAYER else f"{arguments.name}-{layer}"


def data_stack(arguments: argparse.Namespace) -> str:
    """The name of the data layer's stack."""
    return str(arguments.data_stack or f"{arguments.name}-{contract.DATA_LAYER}")


def place(arn: str) -> str:
    """The account and Region of an ARN, for whoever is asked."""
    region, account = arn.split(":")[3:5]
    return f"account {account}, {region}"
