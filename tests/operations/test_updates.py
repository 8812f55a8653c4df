"""What stacks should become: parameters and tags from options and files, and every mistake in them one message."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from troposphere import Parameter, iam, sns

from generator.cli import parser
from generator.cli.arguments import change_options, chosen
from generator.errors import UsageError
from generator.layers import Deployment, Layer, app_runner_deployment
from generator.operations import PreviewOptions, Session
from generator.operations.updates import check_values, stack_updates
from generator.stacks.cloudformation import StackUpdate
from tests.stubbed import stubbed
from tests.ui import ListUI

WEB = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1"
ORDERS = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/orders@sha256:{'0' * 64}"


def asked(*words: str | Path) -> dict[str, StackUpdate]:
    """What the stacks should become, by their layers, for these options of the command."""
    return updates(app_runner_deployment(), ListUI(), *words)


def updates(deployment: Deployment, ui: ListUI, *words: str | Path) -> dict[str, StackUpdate]:
    return {layer.name: update for layer, update in stack_updates(deployment, ui, options(deployment, *words))}


def options(deployment: Deployment, *words: str | Path) -> PreviewOptions:
    arguments = parser(verb="preview").parse_args(["preview", *map(str, words)])
    _, stacks = chosen([deployment], arguments)
    return PreviewOptions(**stacks, **change_options(arguments))


def test_a_parameter_goes_to_every_layer_that_has_it() -> None:
    found = asked("--parameter", "Authentication=iam", "--parameter", "Cpu=512")
    assert found["data"].parameters == {"Authentication": "iam"}
    assert found["apprunner"].parameters == {"Authentication": "iam", "Cpu": "512", "DataStackName": "users-data"}


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "parameters.json"
    file = {"Parameters": {"NodeType": "db.r7g.large", "Shards": "2"}, "Tags": {"team": "a", "owner": "b"}}
    path.write_text(json.dumps(file))
    found = asked("--parameters", path, "--parameter", "Shards=3", "--tag", "team=z")["data"]
    assert found.parameters == {"Shards": "3", "NodeType": "db.r7g.large"}
    assert found.tags == {"team": "z", "owner": "b"}


def two_services() -> Deployment:
    data, web = app_runner_deployment().layers
    return Deployment("two", (replace(data, name="storage"), replace(web, name="web"), replace(web, name="orders")))


def test_a_parameter_of_one_layer_goes_to_that_layer_and_wins() -> None:
    ui = ListUI()
    found = updates(two_services(), ui, "--parameter", "orders.Cpu=512", "--parameter", "Cpu=256")
    assert {name: update.parameters.get("Cpu") for name, update in found.items()} == {
        "storage": None,
        "web": "256",
        "orders": "512",
    }
    assert ui.said == ["The parameter Cpu is passed to the layers web, orders."]


def test_each_service_gets_its_own_image() -> None:
    found = updates(two_services(), ListUI(), "--image", f"web={WEB}", "--image", f"orders={ORDERS}")
    assert found["web"].parameters["ImageUri"] == WEB
    assert found["orders"].parameters["ImageUri"] == ORDERS


def test_an_image_is_that_of_the_chosen_layer() -> None:
    found = updates(two_services(), ListUI(), "--image", WEB, "--layer", "web")
    assert found["web"].parameters["ImageUri"] == WEB


def test_the_data_stack_is_that_of_the_layer_whose_exports_are_imported() -> None:
    found = updates(two_services(), ListUI(), "--name", "shop")
    assert [update.stack_name for update in found.values()] == ["shop-storage", "shop-web", "shop-orders"]
    assert [found[name].parameters["DataStackName"] for name in ("web", "orders")] == ["shop-storage"] * 2


def test_another_data_stack_is_the_stack_of_the_data_layer_and_of_the_imports() -> None:
    found = updates(two_services(), ListUI(), "--data-stack", "restored")
    assert found["storage"].stack_name == "restored"
    assert found["web"].parameters["DataStackName"] == "restored"


def test_one_data_stack_is_not_that_of_two_data_layers() -> None:
    data, _ = app_runner_deployment().layers
    deployment = Deployment("two", (data, replace(data, name="more")))
    with pytest.raises(UsageError, match="--data-stack is the name of one stack, but data and more are data layers"):
        updates(deployment, ListUI(), "--data-stack", "restored")


def auditor(**properties: Any) -> Deployment:
    role = iam.Role("Auditor", AssumeRolePolicyDocument={"Version": "2012-10-17", "Statement": []}, **properties)
    return Deployment("audit", (Layer("audit", "A role.", (role,)),))


def test_a_named_role_is_told_before_its_capability_is_used() -> None:
    ui = ListUI()
    updates(auditor(RoleName="auditor"), ui)
    assert ui.said == ["The layer audit needs CAPABILITY_NAMED_IAM. CloudFormation gets it for this layer."]
    updates(auditor(), ui := ListUI())
    assert ui.said == []


def test_capabilities_that_are_given_are_all_that_templates_may_need() -> None:
    with pytest.raises(UsageError, match=r"^The layer audit needs CAPABILITY_NAMED_IAM: add it to --capabilities\.$"):
        updates(auditor(RoleName="auditor"), ListUI(), "--capabilities", "CAPABILITY_IAM")
    updates(auditor(), ListUI(), "--capabilities", "CAPABILITY_NAMED_IAM")
    updates(auditor(RoleName="auditor"), ListUI(), "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM")


def test_tags_are_taken_off_by_name() -> None:
    found = asked("--tag", "team=a", "--untag", "cost", "owner")["data"]
    assert (found.tags, found.removed_tags) == ({"team": "a"}, ("cost", "owner"))


@pytest.mark.parametrize(
    ("words", "storage", "web"),
    [
        ("--tag storage.team=shop", {"team": "shop"}, {}),
        ("--tag team=all storage.team=shop", {"team": "shop"}, {"team": "all"}),
        ("--tag storage.team=shop team=all", {"team": "shop"}, {"team": "all"}),
        ("--tag storage.cost.center=1", {"cost.center": "1"}, {}),
        ("--tag Key=web.team,Value=shop", {}, {"team": "shop"}),
        # No layer begins these keys.
        ("--tag cost.center=1", {"cost.center": "1"}, {"cost.center": "1"}),
        ("--tag storag.team=1", {"storag.team": "1"}, {"storag.team": "1"}),
        ("--tag storage.=1", {"storage.": "1"}, {"storage.": "1"}),
        ("--tag team=all --untag web.team", {"team": "all"}, {}),
        ("--untag team --tag web.team=shop", {}, {"team": "shop"}),
    ],
)
def test_a_tag_is_of_every_stack_or_of_one_layers(words: str, storage: dict[str, str], web: dict[str, str]) -> None:
    found = updates(two_services(), ListUI(), *words.split())
    assert (found["storage"].tags, found["web"].tags) == (storage, web)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--tag storag.team=a", ("storag", "storag.team", "storage.team")),
        ("--untag order.team", ("order", "order.team", "orders.team")),
        ("--tag Web.cost.center=1", ("Web", "Web.cost.center", "web.cost.center")),
        ("--tag cost.center=1 storage.team=a web=b kubernetes.io/name=c", None),
    ],
)
def test_a_key_that_nearly_begins_with_a_layer_is_reported(words: str, said: tuple[str, str, str] | None) -> None:
    updates(two_services(), ui := ListUI(), *words.split())
    message = "No layer is called {}: {} is a tag of every stack. Did you mean {}?"
    assert ui.said == ([message.format(*said)] if said else [])


def test_a_tag_is_taken_off_one_layers_stack() -> None:
    found = updates(two_services(), ListUI(), "--untag", "web.team", "cost.center", "--tag", "storage.owner=a")
    assert found["web"].removed_tags == ("cost.center", "team")
    assert found["storage"].removed_tags == found["orders"].removed_tags == ("cost.center",)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--layer web --tag storage.team=a", "The tag storage.team is of the layer storage, but only web is deployed."),
        ("--layer web --untag storage.team", "The tag storage.team is of the layer storage, but only web is deployed."),
        ("--tag storage.aws:team=a", "The layer storage: the tag aws:team cannot be set"),
        ("--tag storage.team=a --untag storage.team", "--untag storage.team: the tag is also given."),
        ("--tags Key=team,Value=a --untag team", "--untag team: the tag is also given."),
        ("--parameter orders.Cpus=512", "The layer orders has no parameter Cpus. Did you mean Cpu?"),
        ("--parameter shop.Cpu=512", "There is no layer 'shop'; there are storage, web, orders."),
        (f"--image {WEB}", "--image is of one service: write --image web=URI or --image orders=URI"),
        (f"--image {WEB} --image {ORDERS}", "--image is given twice"),
    ],
)
def test_what_a_layer_cannot_have_is_refused(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        updates(two_services(), ListUI(), *words.split())


@pytest.mark.parametrize(
    ("before", "after", "value", "words", "said"),
    [
        ("1", "2", "1", "", ["api: Size stays 1, although its default is 2 now. To change it: --parameter api.Size=2"]),
        (
            "",
            "a",
            "",
            "",
            ["api: Size stays empty, although its default is a now. To change it: --parameter api.Size=a"],
        ),
        (
            "a",
            "",
            "a",
            "",
            ["api: Size stays a, although its default is empty now. To change it: --parameter api.Size="],
        ),
        # It never was the default; the default did not change; it is given.
        ("1", "2", "3", "", []),
        ("1", "1", "3", "", []),
        ("1", "2", "1", "--parameter Size=3", None),
        ("1", "2", "1", "--parameter ParameterKey=Size,UsePreviousValue=true", None),
        ("2", "2", "2", "", None),
    ],
)
def test_a_default_that_does_not_reach_the_stack_is_reported(
    before: str, after: str, value: str, words: str, said: list[str] | None
) -> None:
    def template(default: str) -> Layer:
        return Layer("api", "", (sns.Topic("Topic"), Parameter("Size", Type="String", Default=default)))

    arn = "arn:aws:cloudformation:eu-west-1:1:stack/users-api/1"
    stack = {"StackName": "users-api", "StackId": arn, "StackStatus": "CREATE_COMPLETE", "CreationTime": 0}
    deployment, ui = Deployment("api", (template(after),)), ListUI()
    asked = options(deployment, *words.split())
    with stubbed("cloudformation") as (client, stubber):
        parameters = [{"ParameterKey": "Size", "ParameterValue": value}]
        stubber.add_response("describe_stacks", {"Stacks": [{**stack, "Parameters": parameters}]})
        if said is not None:
            # Asked for only where a value is not the default.
            stubber.add_response("get_template", {"TemplateBody": template(before).text()})
        session = Session(ui, clients={"cloudformation": client}.__getitem__)
        check_values(session, deployment, stack_updates(deployment, ui, asked), asked)
    assert ui.said == (said or [])


def test_a_template_that_is_too_large_needs_a_bucket() -> None:
    large = Deployment("large", (Layer("big", "x" * 1000, (sns.Topic("Topic", DisplayName="x" * 51_000),)),))
    with pytest.raises(
        UsageError, match=r"^The template of the layer big has 52,\d\d\d bytes .* --template-bucket BUCKET"
    ):
        updates(large, ListUI())
    assert updates(large, ListUI(), "--template-bucket", "templates")["big"].too_large
