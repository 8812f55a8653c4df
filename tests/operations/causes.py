"""Causes of failures that public threads report, and what `deploy` and `status` say: tests make them happen, and
docs/troubleshooting.md lists them."""

from __future__ import annotations

from dataclasses import dataclass

CIRCUIT = (
    "Service (AWS::ECS::ExpressGatewayService): Resource handler returned message: "
    "\"Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'.\"; a task stopped: "
)
RUNNER = (
    'Service (AWS::AppRunner::Service): Resource handler returned message: "null"; its log ends with: [AppRunner] '
    "Deployment failed. Failure reason : "
)


@dataclass(frozen=True)
class Cause:
    """says: the cause, word for word. why: what AWS gives as the reason, in the fault that is injected; empty where the
    fault really happens. then: what helps. threads: issues, as owner/repository#number."""

    says: str
    then: str
    threads: tuple[str, ...]
    why: str = ""


def handler(message: str, code: str) -> str:
    return f'Resource handler returned message: "{message}" (HandlerErrorCode: {code})'


def of_cluster(why: str, then: str, *threads: str) -> Cause:
    return Cause(f"Cluster (AWS::MemoryDB::Cluster): {why}", then, threads, why)


def of_runner(why: str, then: str, *threads: str) -> Cause:
    return Cause(f"{RUNNER}{why}", then, threads, why)


def of_task(why: str, then: str, *threads: str) -> Cause:
    container = "Essential container in task exited, Main: " if why.startswith("OutOfMemoryError") else ""
    return Cause(f"{CIRCUIT}{container}{why}", then, threads, why)


CAUSES = {
    "A node type has no capacity": of_cluster(
        "Insufficient capacity for this node type in these zones",
        "`--parameter ZoneIds=...` or another `NodeType`, for a new data stack",
        "ministryofjustice/cloud-platform#8304",
    ),
    "A quota is reached": of_cluster(
        handler("Node quota exceeded", "ServiceLimitExceeded"),
        "Ask for a larger quota in Service Quotas, then deploy again",
        "aws-cloudformation/cloudformation-coverage-roadmap#2515",
        "awslabs/aws-saas-boost#178",
    ),
    "CloudFormation's role lacks a right": of_cluster(
        handler("User: x is not authorized to perform: memorydb:UpdateCluster", "AccessDenied"),
        "Add the action to [the execution role](permissions.md)",
        "aws-samples/well-architected-iac-analyzer#108",
        "aws/aws-cdk-cli#1676",
    ),
    "A hook refuses a resource": Cause(
        "Cluster: this node type is not allowed (Company::Guard::Nodes)",
        "Ask the owner of the hook, whose type is in parentheses",
        ("aws/aws-cdk#21674", "Sceptre/sceptre#1343"),
        "this node type is not allowed",
    ),
    "A rollback fails too": Cause(
        "Cluster (AWS::MemoryDB::Cluster): not now; the rollback failed too: Vpc (AWS::EC2::VPC): it has dependencies",
        "Remove the second reason, then `aws cloudformation continue-update-rollback`, or `--recreate` for a new stack",
        ("anomalyco/sst#137", "open-guides/og-aws#487"),
        "not now",
    ),
    "An export is in use": Cause(
        "users-data (AWS::CloudFormation::Stack): Export users-data-PasswordSecretArn cannot be deleted as it is in "
        "use by users-apprunner",
        "Keep the export, or [move to a new data stack](operations.md#move-to-a-new-cluster)",
        ("anomalyco/sst#1256", "serverless/serverless#3589", "aws/aws-cdk#17741"),
    ),
    "App Runner cannot pull the image": of_runner(
        "Failed to pull your application image",
        "Is the image in this Region, for amd64, and may the access role pull it?",
        "aws-containers/hello-app-runner#3",
        "aws/apprunner-roadmap#46",
    ),
    "App Runner cannot read the secret": of_runner(
        "Secrets can't be retrieved",
        "Restore the secret, or correct the instance role",
        "aws/apprunner-roadmap#110",
        "awslabs/amazon-app-runner-deploy#43",
    ),
    "App Runner rolls an update back, and the stack is UPDATE_COMPLETE": Cause(
        "the last operation is UPDATE_SERVICE ROLLBACK_SUCCEEDED, so the deployment did not take effect; its log ends "
        "with: Missing from the environment: MEMORYDB_PASSWORD",
        "The version before still runs. Correct the image or its settings, and deploy again",
        ("aws/apprunner-roadmap#209", "aws/apprunner-roadmap#272", "aws/apprunner-roadmap#262"),
    ),
    "An ECS task runs out of memory": of_task(
        "OutOfMemoryError: Container killed due to memory usage",
        "`--parameter Memory=...`",
        "aws/copilot-cli#3470",
        "aws/amazon-ecs-agent#1187",
    ),
    "ECS cannot read the secret": of_task(
        "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm",
        "Restore the secret, correct the execution role, or give the subnets a way to Secrets Manager",
        "aws/copilot-cli#5752",
        "aws-samples/keycloak-on-aws#222",
    ),
    "ECS cannot pull the image": of_task(
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref: not found",
        "Push the image, or deploy one by its digest that is there",
        "aws/containers-roadmap#2687",
        "aws/aws-cdk#14457",
    ),
    "An ECS task fails its health check": of_task(
        "Task failed ELB health checks in (target-group users)",
        "`python build.py logs`: does the service answer at its port and health path?",
        "aws/copilot-cli#2584",
        "aws/containers-roadmap#1369",
    ),
}
