"""The policies for preview, deploy, drift and rotate, for CloudFormation's role, and the boundary of roles it makes.

Which resources an action can be limited to: Service Authorization Reference. Regions and accounts are left open, so
that the files are the same everywhere; an identity policy applies to its own account only. docs/permissions.md
explains each statement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from awacs import aws, cloudformation, ecr, iam, logs, memorydb, secretsmanager

from generator.compute import Compute
from generator.contract import FINAL_SNAPSHOT_LABEL
from generator.iam.arns import repositories, roles, secrets, users
from generator.iam.boundary import boundary
from generator.iam.execution_role import execution_role, resource_statements
from generator.iam.statements import TemplateResource, resources_of, statement
from generator.layers import Layer
from generator.parts.permissions import document

PolicyOf: TypeAlias = Callable[[Sequence[Layer], str], aws.PolicyDocument]
"""Makes a policy, from layers and a deployment's name."""

# What IAM takes: characters without white space, of all inline policies of a role together, and of a managed policy
# (IAM user guide, "IAM and AWS STS quotas").
INLINE_LIMIT = 10_240
MANAGED_LIMIT = 6_144
EXECUTION_ROLE = "execution-role"

# To look at stacks and change sets, and to make change sets that are not executed.
LOOK = (
    cloudformation.DescribeChangeSet,
    cloudformation.DescribeStacks,
    cloudformation.GetTemplate,
    cloudformation.ListChangeSets,
    cloudformation.ListStackResources,
)
MAKE = (cloudformation.CreateChangeSet, cloudformation.DeleteChangeSet)
EXPORTS = statement("Exports", [cloudformation.ListExports, cloudformation.ListImports], ["*"])
# Whether a given image exists, and for which processor it is: its manifest, and the URL of its configuration.
READ_IMAGE = (ecr.BatchGetImage, ecr.GetDownloadUrlForLayer)


def documents(layers: Sequence[Layer], name: str) -> dict[str, str]:
    """The text of each document by its file: preview.json, deploy.json, drift.json, execution-role.json, boundary.json
    where the layers have roles, and rotate.json where they have a password. What is more than a role's inline policies
    may have is in execution-role-2.json and so on, which are managed policies of the role.

    Raises MissingPackageError without cfn-lint, whose resource schemas say what CloudFormation's handlers need.
    """
    policies = {**of_commands(layers), "drift": drift}
    if roles(resources_of(layers, name)):
        policies["boundary"] = boundary
    found = {file: policy(layers, name) for file, policy in policies.items()}
    first, *managed = split(execution_role(layers, name))
    found[EXECUTION_ROLE] = first
    found |= {f"{EXECUTION_ROLE}-{number}": policy for number, policy in enumerate(managed, 2)}
    return {f"{file}.json": text(policy) for file, policy in found.items()}


def split(
    policy: aws.PolicyDocument, characters: Callable[[aws.PolicyDocument], int] = lambda policy: size(text(policy))
) -> list[aws.PolicyDocument]:
    """A role's policy as an inline policy and, if that is too large, managed policies."""
    parts: list[list[aws.Statement]] = [[]]
    for each in policy.Statement:
        limit = INLINE_LIMIT if len(parts) == 1 else MANAGED_LIMIT
        if characters(document(*parts[-1], each)) > limit:
            parts.append([])
        parts[-1].append(each)
    return [document(*part) for part in parts]


def of_commands(layers: Sequence[Layer]) -> dict[str, PolicyOf]:
    """What makes the policy of each command."""
    rotates = {"rotate": rotate} if secrets(resources_of(layers, "")) else {}
    return {"preview": preview, "deploy": deploy, **rotates}


def text(policy: aws.PolicyDocument) -> str:
    """A document's exact text: keys sorted, two spaces, a final newline."""
    return policy.to_json(indent=2, sort_keys=True) + "\n"


def size(policy_text: str) -> int:
    """A document's length as IAM counts it."""
    return len("".join(policy_text.split()))


def actions(policy_text: str) -> tuple[str, ...]:
    """The actions that a document allows, sorted."""
    return tuple(sorted({action for each in json.loads(policy_text)["Statement"] for action in each["Action"]}))


def preview(layers: Sequence[Layer], name: str) -> aws.PolicyDocument:
    """For `preview`, for instance in CI: change sets are created and deleted, never executed.

    A first preview leaves an empty stack, which DeleteStack removes; IAM has no condition for empty stacks.
    """
    stacks = _stacks(layers, name)
    return document(
        statement("ChangeSets", [*LOOK, *MAKE], stacks),
        _findings(stacks),
        statement("EmptyStack", [cloudformation.DeleteStack], stacks),
        *_images(layers, name, [ecr.DescribeImages, *READ_IMAGE]),
    )


def deploy(layers: Sequence[Layer], name: str) -> aws.PolicyDocument:
    """For `deploy`, `status` (without --drift), `logs` and `destroy`, when CloudFormation acts with its own role.

    Drift detection is left out: it reads every resource with the caller's rights, as `drift` allows.
    """
    stacks = _stacks(layers, name)
    memorydb_users = users(resources_of(layers, name))
    services = _services(layers, name)
    execute = [
        cloudformation.DeleteStack,
        cloudformation.DescribeStackEvents,
        cloudformation.ExecuteChangeSet,
        cloudformation.GetStackPolicy,
        cloudformation.SetStackPolicy,
        cloudformation.UpdateTerminationProtection,
    ]
    return document(
        statement("Stacks", [*LOOK, *MAKE, *execute], stacks),
        _findings(stacks),
        EXPORTS,
        statement(
            "PassRole",
            [iam.PassRole],
            [f"arn:aws:iam::*:role/{name}-cloudformation"],
            aws.StringEquals({"iam:PassedToService": "cloudformation.amazonaws.com"}),
        ),
        *_snapshots(layers),
        # To see whether a rotation is in progress before the user is changed.
        *([statement("Users", [memorydb.DescribeUsers], memorydb_users)] if memorydb_users else []),
        *_push(layers, name),
        *_described(services),
        *_logs(services, [logs.FilterLogEvents]),
    )


def drift(layers: Sequence[Layer], name: str) -> aws.PolicyDocument:
    """For `status --drift`, for instance in CI: detection reads every resource with the caller's rights.

    CloudFormation user guide, "Considerations when detecting drift". Nothing can be changed with it.
    """
    look = [
        cloudformation.DescribeStackEvents,
        cloudformation.DescribeStackResourceDrifts,
        cloudformation.DescribeStacks,
        cloudformation.DetectStackDrift,
        cloudformation.DetectStackResourceDrift,
        cloudformation.ListStackResources,
    ]
    return document(
        statement("Stacks", look, _stacks(layers, name)),
        # It names the detection, and takes no resource.
        statement("Detection", [cloudformation.DescribeStackDriftDetectionStatus], ["*"]),
        *resource_statements(layers, name, reading=True),
        *_described(_services(layers, name)),
    )


def rotate(layers: Sequence[Layer], name: str) -> aws.PolicyDocument:
    """For `rotate`, which deploys no stack. A customer-managed key under the secret is not in it."""
    resources, services = resources_of(layers, name), _services(layers, name)
    versions = [
        secretsmanager.DescribeSecret,
        secretsmanager.GetSecretValue,
        secretsmanager.PutSecretValue,
        secretsmanager.UpdateSecretVersionStage,
    ]
    return document(
        statement("Stacks", [cloudformation.DescribeStacks], _stacks(layers, name)),
        EXPORTS,
        statement("Users", [memorydb.DescribeUsers, memorydb.UpdateUser], users(resources)),
        statement("Passwords", versions, secrets(resources)),
        statement("NewPassword", [secretsmanager.GetRandomPassword], ["*"]),
        *_images(layers, name, [ecr.DescribeImages]),
        *_described(services, redeployed=True),
        *_logs(services),
    )


def _stacks(layers: Sequence[Layer], name: str) -> list[str]:
    return [f"arn:aws:cloudformation:*:*:stack/{name}-{layer.name}/*" for layer in layers]


def _findings(stacks: list[str]) -> aws.Statement:
    # The reference lists both types, but not which one applies when only the change set is named.
    change_sets = "arn:aws:cloudformation:*:*:changeSet/preview-*/*"
    return statement("Findings", [cloudformation.DescribeEvents], [change_sets, *stacks])


def _snapshots(layers: Sequence[Layer]) -> Iterator[aws.Statement]:
    if any(resource.resource_type == "AWS::MemoryDB::Cluster" for resource in resources_of(layers, "")):
        final = f"arn:aws:memorydb:*:*:snapshot/{FINAL_SNAPSHOT_LABEL}-*"
        yield statement("FinalSnapshot", [memorydb.DescribeSnapshots], [final])


def _images(layers: Sequence[Layer], name: str, actions: Iterable[aws.Action]) -> Iterator[aws.Statement]:
    """In the repositories of the layers, and in those that exist and that a workload names."""
    found = set(repositories(resources_of(layers, name)))
    for named in (layer.workload.repository for layer in layers if layer.workload):
        if named:
            found.add(named if named.startswith("arn:") else f"arn:aws:ecr:*:*:repository/{named}")
    if found and any(layer.compute for layer in layers):
        yield statement("Images", actions, found)


def _push(layers: Sequence[Layer], name: str) -> Iterator[aws.Statement]:
    """To push the image, and to look for those that exist."""
    # ECR user guide, "IAM permissions for pushing an image".
    push = (
        ecr.BatchCheckLayerAvailability,
        ecr.CompleteLayerUpload,
        ecr.InitiateLayerUpload,
        ecr.PutImage,
        ecr.UploadLayerPart,
    )
    look = (ecr.BatchDeleteImage, ecr.DescribeImages, ecr.ListImages, *READ_IMAGE)
    for images in _images(layers, name, (*push, *look)):
        yield images
        yield statement("RegistryToken", [ecr.GetAuthorizationToken], ["*"])


def _services(layers: Sequence[Layer], name: str) -> list[tuple[Compute, TemplateResource]]:
    """The services of the layers, each with what runs it."""
    return [
        (layer.compute, resource)
        for layer in layers
        if layer.compute
        for resource in resources_of([layer], name)
        if resource.resource_type == layer.compute.resource_type
    ]


def _described(
    services: Sequence[tuple[Compute, TemplateResource]], *, redeployed: bool = False
) -> Iterator[aws.Statement]:
    """To describe the services, why one failed and its error rate; with `redeployed` also to start a deployment."""
    resources: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    elsewhere: dict[str, str] = {}
    for compute, service in services:
        actions = compute.actions + (compute.redeploy_actions if redeployed else ())
        arns = compute.resources(service.stack, service.logical_id)
        resources.setdefault((compute.client_name, actions), set()).update(arns)
        elsewhere |= compute.actions_elsewhere
    for (client, actions), found in resources.items():
        yield statement(f"Service{client.title().replace('-', '')}", actions, found)
    for action, arn in sorted(elsewhere.items()):
        yield statement(action.partition(":")[2], [action], [arn])
    if metrics := {action for compute, _ in services for action in compute.metric_actions}:
        yield statement("ErrorRate", metrics, ["*"])


def _logs(
    services: Sequence[tuple[Compute, TemplateResource]], further: Sequence[aws.Action] = ()
) -> Iterator[aws.Statement]:
    """To read the services' logs and to limit how long they are kept."""
    groups = {group for compute, one in services for group in compute.log_group_names(one.stack, one.logical_id)}
    if groups:
        read = [logs.DescribeLogStreams, logs.GetLogEvents, logs.PutRetentionPolicy, *further]
        yield statement("ServiceLogs", read, [f"arn:aws:logs:*:*:log-group:{group}" for group in groups])
        yield statement("LogGroups", [logs.DescribeLogGroups], ["*"])
