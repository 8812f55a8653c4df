"""When another deployment of a program is not taken for the one that is meant. That it is: test_cut_over.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from generator.layers import Deployment, default_deployments, ecs_express_deployment, ecs_express_layer
from generator.operations import Clock, StackOptions
from generator.operations.instead import another_deployed
from generator.stacks.cloudformation import CloudFormation
from tests.stubbed import stubbed

APP_RUNNER, ECS = default_deployments()
BESIDE = Deployment("beside", (ECS.layers[0], ecs_express_layer(name="beside")))
OWN, OTHER = "users-apprunner", "users-ecs-express"
ABSENT, DENIED, THERE, CREATING = "absent", "denied", "CREATE_COMPLETE", "REVIEW_IN_PROGRESS"


def found(deployments: Sequence[Deployment], states: dict[str, str], layer: str = "") -> str:
    """What is said of the first deployment, where these stacks are asked for, in this order."""
    with stubbed("cloudformation") as (client, stubber):
        for name, state in states.items():
            if state in (ABSENT, DENIED):
                code = "ValidationError" if state == ABSENT else "AccessDenied"
                message = f"Stack with id {name} does not exist" if state == ABSENT else "not authorized to perform"
                stubber.add_client_error("describe_stacks", code, message, expected_params={"StackName": name})
            else:
                arn = f"arn:aws:cloudformation:eu-west-1:1:stack/{name}/1"
                stack = {"StackName": name, "StackId": arn, "StackStatus": state, "CreationTime": datetime.now(UTC)}
                stubber.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": name})
        options = StackOptions(layer=layer, others=tuple(deployments[1:]))
        return another_deployed(CloudFormation(client, Clock()), deployments[0], options, "delete {}")


@pytest.mark.parametrize("layer", ["", "data"])
def test_another_deployment_that_exists_instead_is_named(layer: str) -> None:
    assert found((APP_RUNNER, ECS), {OWN: ABSENT, OTHER: THERE}, layer) == (
        "users-ecs-express exists and users-apprunner does not: pass --deployment ecs-express, or --deployment "
        "apprunner to delete users-data."
    )


@pytest.mark.parametrize(
    ("deployments", "states", "layer"),
    [
        ((APP_RUNNER, ECS), {OWN: THERE}, ""),
        ((APP_RUNNER, ECS), {OWN: DENIED}, ""),
        ((APP_RUNNER, ECS), {OWN: ABSENT, OTHER: ABSENT}, ""),
        ((APP_RUNNER, ECS), {OWN: ABSENT, OTHER: DENIED}, ""),
        ((APP_RUNNER, ECS), {OWN: ABSENT, OTHER: CREATING}, ""),
        # The user named the service's layer.
        ((APP_RUNNER, ECS), {}, "apprunner"),
        ((APP_RUNNER,), {}, ""),
        # Its data layer is the same.
        ((BESIDE, ecs_express_deployment()), {"users-beside": ABSENT, OTHER: THERE}, ""),
        # They share no stack.
        ((Deployment("one", ECS.layers[1:]), Deployment("two", APP_RUNNER.layers)), {}, ""),
    ],
)
def test_a_deployment_is_taken_where_none_is_there_instead(
    deployments: Sequence[Deployment], states: dict[str, str], layer: str
) -> None:
    assert found(deployments, states, layer) == ""
