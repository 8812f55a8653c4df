"""ECS Express Mode: the resource type, and the operations that the command calls."""

from __future__ import annotations

import secrets
import time
import uuid
from contextlib import suppress
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_region
from ministack.services import ec2

from rehearsal.emulator.extensions import faults
from rehearsal.emulator.extensions.compute import instances, rollback_alarm
from rehearsal.emulator.extensions.registration import (
    Created,
    Failed,
    Props,
    Refused,
    add_resource_type,
    add_service,
    arn,
    existing,
    in_background,
)

services = AccountRegionScopedDict()
# By the service's ARN, the oldest first.
deployments = AccountRegionScopedDict()
# Stopped tasks, by their ARN, and service events, by the service's ARN, the newest first.
tasks = AccountRegionScopedDict()
events = AccountRegionScopedDict()

CLUSTER = "default"
DRAIN_SECONDS = 0.5


def install() -> None:
    name = "AWS::ECS::ExpressGatewayService"
    add_resource_type(name, create_service, update_service, delete_service, update_with_logical_id=True)
    add_service(
        "ecs",
        "AmazonEC2ContainerServiceV20141113",
        DescribeExpressGatewayService=describe_service,
        DescribeServices=describe_services,
        DescribeTasks=describe_tasks,
        ListServiceDeployments=list_deployments,
        ListTasks=list_tasks,
        UpdateService=force_deployment,
    )


def security_groups() -> list[str]:
    """The groups in which tasks have interfaces."""
    return [
        group
        for service in services.values()
        if service["status"]["statusCode"] == "ACTIVE"
        for configuration in service["activeConfigurations"]
        for group in configuration["networkConfiguration"].get("securityGroups", ())
    ]


# The resource. Return values: user guide, AWS::ECS::ExpressGatewayService; Ref is the ARN, the schema's primary
# identifier.


def create_service(logical_id: str, props: Props, stack_name: str) -> Created:
    """API reference, CreateExpressGatewayService: without a name ECS generates one; the cluster is "default". Generated
    names as seen: the last part of the image's repository, a hyphen, 4 hexadecimal digits. Host names as seen: two
    letters, a hyphen, 32 digits. An active or draining service keeps its name, an inactive one does not."""
    name = props.get("ServiceName") or f"{repository_name(props['PrimaryContainer']['Image'])}-{secrets.token_hex(2)}"
    service_arn = arn("ecs", f"service/{CLUSTER}/{name}")
    host = f"{name[:2]}-{uuid.uuid4().hex}.ecs.{get_region()}.on.aws"
    if services.get(service_arn, {}).get("status", {}).get("statusCode") in ("ACTIVE", "DRAINING"):
        raise ValueError(f"Service with the provided name already exists: {name}.")
    services[service_arn] = {
        "cluster": CLUSTER,
        "serviceName": name,
        "serviceArn": service_arn,
        "infrastructureRoleArn": props["InfrastructureRoleArn"],
        "status": {"statusCode": "ACTIVE"},
        "activeConfigurations": [],
        "createdAt": time.time(),
        "updatedAt": time.time(),
    }
    new = configuration(service_arn, host, props)
    try:
        start(service_arn, new, logical_id)
    except instances.Unhealthy:
        # This handler's message is not documented; this is that of AWS::ECS::Service, as users quote it.
        reason = "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."
        delete_service(service_arn, props)
        raise Failed(service_arn, f'Resource handler returned message: "{reason}"') from None
    except Exception:
        delete_service(service_arn, props)
        raise
    return service_arn, attributes(service_arn)


def repository_name(image: str) -> str:
    """The last part of the repository's name: users of registry/team/users:1, also with a digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def configuration(service_arn: str, host: str, props: Props) -> dict[str, Any]:
    """API reference, ExpressGatewayServiceConfiguration: CloudFormation's properties in lower camel case, and a
    revision."""
    network = lower_camel(props.get("NetworkConfiguration") or {})
    access = "PUBLIC" if face_the_internet(network.get("subnets", [])) else "PRIVATE"
    container = lower_camel(props["PrimaryContainer"])
    number = secrets.token_hex(10)
    return {
        "serviceRevisionArn": service_arn.replace(":service/", ":service-revision/") + f"/{number}",
        "executionRoleArn": props["ExecutionRoleArn"],
        "taskRoleArn": props.get("TaskRoleArn", ""),
        "cpu": str(props.get("Cpu", "")),
        "memory": str(props.get("Memory", "")),
        "networkConfiguration": network,
        "healthCheckPath": props.get("HealthCheckPath", "/ping"),
        "primaryContainer": {**container, "containerPort": int(container.get("containerPort", 80))},
        "ingressPaths": [{"accessType": access, "endpoint": host}],
        "createdAt": time.time(),
    }


def lower_camel(node: Any) -> Any:
    """Names of properties as the API has them, such as containerPort for ContainerPort."""
    if isinstance(node, dict):
        return {name[0].lower() + name[1:]: lower_camel(value) for name, value in node.items()}
    if isinstance(node, list):
        return [lower_camel(each) for each in node]
    return node


def face_the_internet(subnets: list[str]) -> bool:
    """Developer guide, "Resources created by Amazon ECS Express Mode services": public subnets, those with a route to
    an internet gateway, make the load balancer face the internet; both kinds together are refused."""
    public = {
        subnet: any(
            str(route.get("GatewayId", "")).startswith("igw-")
            for table in ec2._route_tables.values()
            if any(association.get("SubnetId") == subnet for association in table["Associations"])
            for route in table["Routes"]
        )
        for subnet in subnets
    }
    if len(set(public.values())) > 1:
        raise ValueError("Express services take public subnets or private ones, not both.")
    return all(public.values())


def attributes(service_arn: str) -> dict[str, Any]:
    """The attributes that these templates use. The load balancer's name has the form seen in deployments."""
    service = services[service_arn]
    endpoint = service["activeConfigurations"][0]["ingressPaths"][0]["endpoint"]
    balancer = f"loadbalancer/{load_balancer(service_arn, endpoint)}"
    return {
        "ServiceArn": service_arn,
        "Endpoint": endpoint,
        "ECSManagedResourceArns.IngressPath.LoadBalancerArn": arn("elasticloadbalancing", balancer),
    }


def load_balancer(service_arn: str, endpoint: str) -> str:
    return f"app/ecs-express-gateway-alb-{service_arn[-8:]}/{endpoint[3:19]}"


class AlarmWentOff(instances.Unhealthy):
    """Too many requests fail while a deployment is watched."""


def start(service_arn: str, new: dict[str, Any], logical_id: str, deployment: dict[str, Any] | None = None) -> None:
    """Deploys a configuration and records the deployment: API reference, ServiceDeployment. It is rolled back if the
    task does not start or does not become healthy, or if the alarm goes off after a shift of traffic."""
    deployment = deployment if deployment is not None else begun(service_arn, new)
    container = new["primaryContainer"]
    log = container.get("awsLogsConfiguration", {"logGroup": f"/aws/ecs/{service_arn[-8:]}", "logStreamPrefix": "ecs"})
    revision = instances.Revision(
        service_arn=service_arn,
        host=new["ingressPaths"][0]["endpoint"],
        image=container["image"],
        environment={pair["name"]: str(pair["value"]) for pair in container.get("environment", ())},
        secrets={pair["name"]: pair["valueFrom"] for pair in container.get("secrets", ())},
        path=new["healthCheckPath"],
        log_group=log["logGroup"],
        # The container of an Express service is called Main (API reference, taskDefinitionArn).
        log_stream=f"{log['logStreamPrefix']}/Main",
        command=tuple(container.get("command", ())),
    )
    rollback_alarm.put_alarm(service_arn, load_balancer(service_arn, revision.host))

    def watch() -> None:
        if rollback_alarm.goes_off(service_arn):
            raise AlarmWentOff

    canary = instances.Canary(lambda port: rollback_alarm.register(service_arn, port), watch)
    try:
        instances.deploy(revision, logical_id, canary)
    except Exception as error:
        if isinstance(error, instances.Unhealthy) and not isinstance(error, AlarmWentOff):
            stop_task(service_arn, str(error), deployment["createdAt"])
        why = "an alarm went off" if isinstance(error, AlarmWentOff) else "the circuit breaker threshold was exceeded"
        deployment.update(
            finishedAt=time.time(),
            status="ROLLBACK_SUCCESSFUL",
            statusReason=f"Service deployment rolled back because {why}.",
        )
        raise
    services[service_arn].update(activeConfigurations=[new], updatedAt=time.time())
    deployment.update(status="SUCCESSFUL", finishedAt=time.time())


def stop_task(service_arn: str, reason: str, created: float) -> None:
    """Developer guide, "Stopped tasks error messages" and "Service event messages": why the task stopped is a reason of
    the task, or of its container if that was killed for its memory; the service's events tell of the deployment."""
    killed = reason.startswith("OutOfMemoryError")
    task_arn = arn("ecs", f"task/{CLUSTER}/{uuid.uuid4().hex}")
    name = services[service_arn]["serviceName"]
    tasks[task_arn] = {
        "taskArn": task_arn,
        "group": f"service:{name}",
        "lastStatus": "STOPPED",
        "createdAt": created,
        "stoppedAt": time.time(),
        "stoppedReason": instances.EXITED if killed else reason or "Task failed ELB health checks",
        "containers": [{"name": "Main", **({"reason": reason, "exitCode": 137} if killed else {})}],
    }
    message = f"(service {name}) deployment failed: tasks failed to start."
    event = {"id": str(uuid.uuid4()), "createdAt": time.time(), "message": message}
    events.setdefault(service_arn, []).insert(0, event)


def begun(service_arn: str, new: dict[str, Any]) -> dict[str, Any]:
    deployment = {
        "serviceDeploymentArn": service_arn.replace(":service/", ":service-deployment/") + f"/{secrets.token_hex(10)}",
        "serviceArn": service_arn,
        "clusterArn": arn("ecs", f"cluster/{CLUSTER}"),
        "targetServiceRevisionArn": new["serviceRevisionArn"],
        "createdAt": time.time(),
        "status": "IN_PROGRESS",
    }
    deployments.setdefault(service_arn, []).append(deployment)
    return deployment


def update_service(
    service_arn: str, old: Props, props: Props, stack_name: str, logical_id: str | None = None
) -> Created:
    """CloudFormation's status after an update that ECS rolls back is not documented; assumed is the worst, success."""
    host = services[service_arn]["activeConfigurations"][0]["ingressPaths"][0]["endpoint"]
    new = configuration(service_arn, host, props)
    if faults.reverts_unnoticed(logical_id):
        begun(service_arn, new).update(status="ROLLBACK_SUCCESSFUL", statusReason="An alarm went off.")
        return service_arn, attributes(service_arn)
    with suppress(instances.Unhealthy):
        start(service_arn, new, logical_id or "")
    return service_arn, attributes(service_arn)


def delete_service(service_arn: str, props: Props) -> None:
    """API reference, DeleteExpressGatewayService: the service drains and is then INACTIVE, and can be described."""
    instances.remove(service_arn)
    rollback_alarm.delete_alarm(service_arn)
    if service := services.get(service_arn):
        service["status"] = {"statusCode": "DRAINING"}

        def drain() -> None:
            time.sleep(DRAIN_SECONDS)
            service["status"] = {"statusCode": "INACTIVE"}

        in_background(drain)


# The API.


def describe_service(request: dict[str, Any]) -> dict[str, Any]:
    return {"service": existing(services, request["serviceArn"])}


def list_deployments(request: dict[str, Any]) -> dict[str, Any]:
    return {"serviceDeployments": deployments.get(existing(services, request["service"])["serviceArn"], [])}


def describe_services(request: dict[str, Any]) -> dict[str, Any]:
    """API reference, DescribeServices: an Express service is a service; its events are the newest 100."""
    found = [arn("ecs", f"service/{request['cluster']}/{name}") for name in request["services"]]
    return {"services": [{"serviceArn": each, "events": events.get(each, [])[:100]} for each in found]}


def list_tasks(request: dict[str, Any]) -> dict[str, Any]:
    """API reference, ListTasks: stopped tasks appear for a while. That those of a deleted service do is assumed."""
    group = f"service:{request['serviceName']}"
    return {"taskArns": [task_arn for task_arn, task in tasks.items() if task["group"] == group]}


def describe_tasks(request: dict[str, Any]) -> dict[str, Any]:
    return {"tasks": [tasks[each] for each in request["tasks"] if each in tasks]}


def force_deployment(request: dict[str, Any]) -> dict[str, Any]:
    """API reference, UpdateService: forceNewDeployment starts a deployment with no changes; asynchronous; for a
    deleted service ServiceNotActiveException. That Express services accept it is an assumption."""
    service_arn = arn("ecs", f"service/{request['cluster']}/{request['service']}")
    service = existing(services, service_arn)
    if service["status"]["statusCode"] != "ACTIVE":
        raise Refused("ServiceNotActiveException", "Service was not ACTIVE.")
    if not request.get("forceNewDeployment"):
        raise Refused("InvalidParameterException", "The emulator changes no Express service by UpdateService.")
    (now,) = service["activeConfigurations"]
    revision = now["serviceRevisionArn"].rpartition("/")[0] + f"/{secrets.token_hex(10)}"
    new = {**now, "serviceRevisionArn": revision, "createdAt": time.time()}
    deployment = begun(service_arn, new)

    def go_on() -> None:
        with suppress(instances.Unhealthy):
            start(service_arn, new, "", deployment)

    in_background(go_on)
    return {"service": {"serviceArn": service_arn}}
