"""What `deploy` does with a change set: shown, confirmed, executed, followed, or none of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from troposphere import sns

from generator.aws.calls import Clock
from generator.compute.apprunner import AppRunnerCompute
from generator.database.passwords import refuse_during_rotation
from generator.errors import DataLossError, DeclinedError, DeployError, UsageError
from generator.images.context import Context
from generator.layers import Deployment, Layer, app_runner_deployment, data_layer
from generator.operations import DeployedLayer, DeployOptions, Plan, PreviewOptions, Session, deploy_change_set, preview
from generator.operations.deploy import LayerDeployment
from generator.operations.image import ImageSource
from generator.report.text import plan_lines
from generator.settings import Settings
from generator.stacks.cloudformation import StackUpdate
from tests.cloudformation_script import ADD, ARN, STACK_ARN, UPDATE, Script, an_event
from tests.stubbed import stubbed
from tests.ui import ListUI

CLUSTER = {
    "Type": "Resource",
    "ResourceChange": {
        "Action": "Modify",
        "Replacement": "True",
        "LogicalResourceId": "Cluster",
        "ResourceType": "AWS::MemoryDB::Cluster",
    },
}


def session(script: Script, ui: ListUI | None = None) -> Session:
    return Session(ui or ListUI(), clients={"cloudformation": script.client}.__getitem__, clock=script.clock)


def deployed(script: Script, ui: ListUI | None = None, **options: Any) -> DeployedLayer:
    layer = Layer("data", "A layer without parts.", ())
    return LayerDeployment(session(script, ui), layer, DeployOptions(**options)).deploy(UPDATE)


def pending(script: Script, change: dict[str, Any], *events: dict[str, Any], **asked: Any) -> None:
    """The stack exists, and a change set for it has this change."""
    script.stack()
    script.made(StackName="users-data", StackId=STACK_ARN, Changes=[change])
    script.planned(*events, **asked)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("ROLLBACK_COMPLETE", "Pass --recreate to delete it"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name users-data"),
        ("IMPORT_ROLLBACK_FAILED", "Its events say which resource could not be taken out again"),
        ("DELETE_FAILED", "Its events say why its deletion failed"),
    ],
)
def test_a_stack_that_cannot_be_updated_says_what_to_type(script: Script, status: str, advice: str) -> None:
    script.stack(status, StackStatusReason="It broke")
    with pytest.raises(DeployError) as caught:
        deployed(script)
    assert str(caught.value).startswith(f"users-data: The stack is {status}: It broke. ")
    assert advice in str(caught.value)


def test_nothing_to_change_is_success_and_leaves_nothing(script: Script) -> None:
    script.stack()
    script.made("FAILED", StackName="users-data", StatusReason="No updates are to be performed.")
    script.delete()
    script.stack(Outputs=[{"OutputKey": "Url", "OutputValue": "https://a"}])
    ui = ListUI()
    result = deployed(script, ui)
    assert (ui.shown, ui.asked) == ([result.plan], [])
    assert result.stack
    assert result.stack.outputs == {"Url": "https://a"}


def test_a_confirmed_change_set_is_executed_and_followed(script: Script) -> None:
    pending(script, ADD)
    script.events([an_event(1)])
    script.stubber.add_response("execute_change_set", {}, {"ChangeSetName": ARN, "DisableRollback": False})
    script.at("UPDATE_COMPLETE", [an_event(3661, logical_id="B"), an_event(1)])
    ui = ListUI()
    result = deployed(script, ui)
    assert result.stack
    assert ui.shown == [result.plan, result.stack]
    assert ui.asked == ["Deploy this to users-data (account 123456789012, eu-west-1)?"]
    assert ui.said[-1] == "01:01:01Z CREATE_COMPLETE              B"


def test_without_confirmation_nothing_is_executed_and_the_change_set_is_deleted(script: Script) -> None:
    pending(script, ADD)
    script.delete()
    with pytest.raises(DeclinedError, match=r"^Nothing was changed\.$"):
        deployed(script, ListUI(answer=False))


def test_a_change_to_data_is_refused_without_a_question_and_the_change_set_deleted(script: Script) -> None:
    pending(script, CLUSTER)
    script.delete()
    ui = ListUI()
    with pytest.raises(DataLossError, match=r"^users-data: .* --allow-replacement Cluster$") as caught:
        deployed(script, ui)
    assert (caught.value.exit_code, caught.value.logical_ids, ui.asked) == (3, ("Cluster",), [])
    (plan,) = ui.shown
    assert isinstance(plan, Plan)
    assert [refusal.what for refusal in plan.refusals] == ["replaces the database"]


@pytest.mark.parametrize("lost", [False, True])
def test_a_change_set_that_is_not_executed_is_deleted_unless_only_the_answer_was_lost(
    script: Script, *, lost: bool
) -> None:
    pending(script, ADD)
    script.events([])
    script.stubber.add_client_error("execute_change_set", "AccessDenied", "no", http_status_code=403)
    if lost:
        script.stubber.add_client_error("delete_change_set", "InvalidChangeSetStatus", "EXECUTE_IN_PROGRESS")
    else:
        script.delete()
    with pytest.raises(DeployError, match="AccessDenied"):
        deployed(script)


@pytest.mark.parametrize("code", ["InvalidChangeSetStatus", "ChangeSetNotFound"])
def test_after_another_deployment_a_confirmed_change_set_is_not_executed(script: Script, code: str) -> None:
    pending(script, ADD)
    script.events([])
    script.stubber.add_client_error(
        "execute_change_set", code, "ChangeSet ... cannot be executed", http_status_code=400
    )
    script.delete()
    with pytest.raises(DeployError, match=r"^users-data: Nothing was executed: another deployment was executed, or"):
        deployed(script)


def test_a_change_set_that_is_gone_is_a_sentence(script: Script) -> None:
    script.stubber.add_client_error("describe_change_set", "ChangeSetNotFound", "ChangeSet [x] does not exist")
    with pytest.raises(
        DeployError, match=r"There is no such change set: .* Nothing was executed\. Create and review a new"
    ):
        deploy_change_set([app_runner_deployment()], ARN, session(script))


@pytest.mark.parametrize("gone", ["empty", "UserNotFoundFault"])
def test_a_user_that_was_deleted_outside_is_a_sentence(gone: str) -> None:
    with stubbed("memorydb") as (memorydb, stubber):
        if gone == "empty":
            stubber.add_response("describe_users", {"Users": []})
        else:
            stubber.add_client_error("describe_users", gone)
        with pytest.raises(DeployError, match=r"^users-data: The MemoryDB user app is gone: the stack has it, but"):
            refuse_during_rotation("users-data", ["app"], memorydb)


def test_an_obsolete_change_set_is_refused(script: Script) -> None:
    script.describe(StackName="users-data", ExecutionStatus="OBSOLETE")
    with pytest.raises(DeployError, match="it is OBSOLETE, because another one was executed since"):
        deploy_change_set([app_runner_deployment()], ARN, session(script))


def test_a_change_set_of_another_deployment_is_refused(script: Script) -> None:
    script.describe(StackName="prod-data")
    with pytest.raises(UsageError, match="for the stack prod-data, which is none of users-data, users-apprunner"):
        deploy_change_set([app_runner_deployment()], ARN, session(script))


def test_a_change_set_is_of_the_deployment_that_has_its_template(script: Script) -> None:
    storage = data_layer(Settings(), sns.Topic("News"), name="storage")
    script.describe(StackName="users-data", StackId=STACK_ARN, ExecutionStatus="AVAILABLE", Changes=[ADD])
    of_change_set = {"ChangeSetName": ARN, "TemplateStage": "Processed"}
    script.stubber.add_response("get_template", {"TemplateBody": storage.text()}, of_change_set)
    script.planned(new=dict(storage.template))
    ui, deployments = ListUI(answer=False), [app_runner_deployment(), Deployment("beside", (storage,))]
    with pytest.raises(DeclinedError):
        deploy_change_set(deployments, ARN, session(script, ui), DeployOptions(data_stack="users-data"))
    (plan,) = ui.shown
    assert isinstance(plan, Plan)
    assert plan.layer == "storage"


def test_a_change_set_whose_plan_cannot_be_read_is_not_kept(script: Script) -> None:
    script.stack()
    script.stack()
    script.stubber.add_response("create_change_set", {"Id": ARN, "StackId": STACK_ARN})
    script.describe(StackName="users-data", StackId=STACK_ARN, Changes=[ADD])
    script.stubber.add_client_error("get_template", "AccessDenied", "no", http_status_code=403)
    script.delete()
    script.stack()
    deployment = Deployment("users", (Layer("data", "A layer without parts.", ()),))
    (plan,) = preview(deployment, session(script), PreviewOptions(keep=True))
    assert (plan.failed, plan.kept) == (True, "")
    assert "AWS does not permit GetTemplate" in plan.note


@pytest.mark.parametrize("status", ["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"])
def test_a_stack_that_was_never_created_has_no_image_to_keep(script: Script, status: str, tmp_path: Path) -> None:
    script.stack(status, Parameters=[{"ParameterKey": "ImageUri", "ParameterValue": "a:1"}])
    source = ImageSource(session(script), AppRunnerCompute(context=str(tmp_path)), DeployOptions())
    with pytest.raises(UsageError, match="There is no Dockerfile in"):
        source.check(StackUpdate("users-data", '{"Parameters": {"ImageUri": {}}}'))


@pytest.mark.parametrize(("image", "asks"), [("{uri}:{tag}", True), ("{uri}:other", False), ("{uri}@sha256:1", False)])
def test_the_image_of_a_reviewed_change_set_is_built_from_its_source_only(
    image: str, asks: bool, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    tag, uri = Context(tmp_path).tag(), "111122223333.dkr.ecr.eu-west-1.amazonaws.com/users"
    ui, options = ListUI(), DeployOptions(context=tmp_path)
    with stubbed("ecr") as (ecr, stubber):
        if asks:
            stubber.add_response("describe_images", {"imageDetails": [{"imageDigest": "sha256:1"}]})
        source = ImageSource(Session(ui, clients=lambda _: ecr), AppRunnerCompute(), options)
        source.publish_previewed(image.format(uri=uri, tag=tag))
    assert ui.said == ([f"users has {tag} already: nothing to build."] if asks else [])


def test_ctrl_c_while_following_says_that_cloudformation_continues(script: Script) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    pending(script, ADD)
    script.events([an_event(1)])
    script.stubber.add_response("execute_change_set", {}, {"ChangeSetName": ARN, "DisableRollback": False})
    script.at("UPDATE_IN_PROGRESS", [an_event(1)])
    script.clock = Clock(now=lambda: 0.0, sleep=interrupt)
    ui = ListUI()
    with pytest.raises(KeyboardInterrupt):
        deployed(script, ui)
    assert ui.said[-1] == ("\nCloudFormation is still deploying users-data. Run the command again to keep watching.")


QUOTA = {
    "EventType": "VALIDATION_ERROR",
    "LogicalResourceId": "Cluster",
    "ValidationName": "SERVICE_QUOTA",
    "ValidationFailureMode": "WARN",
    "ValidationStatusReason": "18 of 20 nodes are in use",
}
HOOK = {
    "EventType": "HOOK_INVOCATION_ERROR",
    "HookType": "Company::Guard::Tags",
    "HookFailureMode": "FAIL",
    "HookStatusReason": "a tag is missing",
}
ROLE = {
    "Type": "Resource",
    "ResourceChange": {
        "Action": "Modify",
        "LogicalResourceId": "Role",
        "ResourceType": "AWS::IAM::Role",
        "BeforeContext": json.dumps({"Properties": {}}),
        "AfterContext": json.dumps({"Properties": {"ManagedPolicyArns": ["arn:a"]}}),
    },
}


def planned(script: Script, change: dict[str, Any], *events: dict[str, Any], **asked: Any) -> Plan:
    """What is shown of a change set before it is declined."""
    pending(script, change, *events, **asked)
    script.delete()
    ui = ListUI(answer=False)
    with pytest.raises(DeclinedError):
        deployed(script, ui)
    (plan,) = ui.shown
    assert isinstance(plan, Plan)
    return plan


def test_warnings_of_validation_and_hooks_are_shown_of_a_change_set_that_succeeded(script: Script) -> None:
    plan = planned(script, ADD, {"EventType": "STACK_EVENT"}, QUOTA, HOOK)
    assert [(str(found), found.blocking) for found in plan.findings] == [
        ("Cluster: 18 of 20 nodes are in use (SERVICE_QUOTA)", False),
        ("a tag is missing (Company::Guard::Tags)", True),
    ]
    shown = [line.text for line in plan_lines([plan])]
    assert "  warning: Cluster: 18 of 20 nodes are in use (SERVICE_QUOTA)" in shown
    assert "  blocking: a tag is missing (Company::Guard::Tags)" in shown


def test_a_plan_has_rights_and_cost(script: Script) -> None:
    resources = {"Address": {"Type": "AWS::EC2::EIP"}, "Fn::ForEach::More": ["N", ["A"], {}]}
    plan = planned(script, ROLE, new={"Resources": resources})
    assert [(right.direction, right.rule) for right in plan.rights] == [("broader", "arn:a")]
    assert plan.billed.quantities == {"public-ipv4": 1}
    assert [line.text for line in plan_lines([plan])][-1] == "Nothing is lost or replaced. Broader rights: Role."


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (None, {"Fn::GetAtt": ["Cluster", "ARN"]}, (None, "(known after deployment)")),
        (None, {"Fn::Sub": "${Cluster.ClusterEndpoint.Address}:6379"}, (None, "(known after deployment):6379")),
        (
            None,
            {"Fn::Join": [",", [{"Ref": "A"}, {"Ref": "B"}]]},
            (None, "(known after deployment),(known after deployment)"),
        ),
        (None, {"Fn::Join": ["+", {"Ref": "Sizes"}]}, (None, "2+3")),
        (
            None,
            {"Fn::Sub": ["https://${Host}/${Path}", {"Host": {"Fn::GetAtt": "Service.Url"}, "Path": "x"}]},
            (None, "https://(known after deployment)/x"),
        ),
        (
            None,
            {"Fn::Sub": "${AWS::URLSuffix}:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:${Size}-${!Size}"},
            (None, "amazonaws.com:aws:sns:eu-west-1:123456789012:2-${Size}"),
        ),
        ({"Ref": "Cluster"}, {"Ref": "Other"}, ("db-1", "(known after deployment)")),
        ({"Ref": "Cluster"}, None, ("db-1", None)),
        ({"Fn::Join": ["", [{"Ref": "A"}, ":1"]]}, {"Fn::Sub": "${A}:1"}, None),
        ("a", {"Fn::Sub": "a"}, None),
    ],
)
def test_an_output_has_its_deployed_value_and_what_is_known_of_the_new_one(
    script: Script, before: Any, after: Any, shown: tuple[str | None, str | None] | None
) -> None:
    old, new = (
        {
            "Parameters": {"Size": {"Default": 2}, "Sizes": {"Default": "2,3"}},
            "Resources": {},
            "Outputs": {"It": {"Value": value}} if value else {},
        }
        for value in (before, after)
    )
    deployed = [{"OutputKey": "It", "OutputValue": "db-1"}] if before else []
    plan = planned(script, ROLE, new=new, old=old, Outputs=deployed)
    assert [(output.before, output.after) for output in plan.outputs] == [shown] * (shown is not None)


def test_an_output_that_may_be_a_secret_is_hidden(script: Script) -> None:
    plan = planned(script, ROLE, new={"Resources": {}, "Outputs": {"ThePassword": {"Value": "hunter2"}}})
    assert [output.after for output in plan.outputs] == ["(hidden)"]


@pytest.mark.parametrize("action", ["Add", "Modify", "Remove", "Import", "Transmogrify"])
def test_rights_of_unknown_properties_cannot_be_compared(script: Script, action: str) -> None:
    change = {"Action": action, "LogicalResourceId": "Role", "ResourceType": "AWS::IAM::Role"}
    plan = planned(script, {"Type": "Resource", "ResourceChange": change})
    assert [right.direction for right in plan.rights] == ["different"]
    assert plan.broadens


def test_a_replacement_without_rollback_is_refused_before_it_is_executed(script: Script) -> None:
    pending(script, CLUSTER)
    script.delete()
    with pytest.raises(DeployError, match=r"it replaces Cluster, which .* Deploy without --disable-rollback\.$"):
        deployed(script, allow_replacement=("Cluster",), disable_rollback=True)
