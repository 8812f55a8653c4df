"""App Runner: the resource types, and the operations that the command calls."""

from __future__ import annotations

import secrets
import time
import uuid
from contextlib import suppress
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_region

from rehearsal.emulator.extensions import faults
from rehearsal.emulator.extensions.compute import instances
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
    removal,
)

services = AccountRegionScopedDict()
connectors = AccountRegionScopedDict()
scalings = AccountRegionScopedDict()
ingresses = AccountRegionScopedDict()
operations = AccountRegionScopedDict()


def install() -> None:
    add_resource_type(
        "AWS::AppRunner::Service", create_service, update_service, delete_service, update_with_logical_id=True
    )
    # Without an update handler ministack ignores a change of tags.
    add_resource_type("AWS::AppRunner::VpcConnector", create_connector, never, delete_connector)
    add_resource_type("AWS::AppRunner::AutoScalingConfiguration", create_scaling, never, delete_scaling)
    add_resource_type("AWS::AppRunner::VpcIngressConnection", create_ingress, update_ingress, removal(ingresses))
    add_service(
        "apprunner",
        "AppRunner",
        DescribeService=describe_service,
        ListServices=list_services,
        ListOperations=list_operations,
        PauseService=pause_service,
        ResumeService=resume_service,
        StartDeployment=start_deployment,
    )


def never(*arguments: Any) -> Created:
    """All properties are create-only (schema)."""
    raise AssertionError(arguments)


def physical_name(logical_id: str) -> str:
    """CloudFormation names these <LogicalId>-<twelve characters>, without the stack's name, and cuts the logical ID to
    27 characters (`generateResourceIdentifier` in the handlers)."""
    return f"{logical_id[:27]}-{secrets.token_hex(6)}"


# Services. Return values: user guide, AWS::AppRunner::Service; Ref is the ARN, the schema's primary identifier.


def create_service(logical_id: str, props: Props, stack_name: str) -> Created:
    name = props.get("ServiceName") or physical_name(logical_id)
    if any(service["ServiceName"] == name for service in services.values()):
        raise ValueError(f"Service with the provided name already exists: {name}.")
    service_id = uuid.uuid4().hex
    service_arn = arn("apprunner", f"service/{name}/{service_id}")
    services[service_arn] = {
        "ServiceName": name,
        "ServiceId": service_id,
        "ServiceArn": service_arn,
        "ServiceUrl": f"{secrets.token_hex(5)}.{get_region()}.awsapprunner.com",
        "CreatedAt": time.time(),
        **configuration(props),
    }
    try:
        deploy(begun(service_arn, "CREATE_SERVICE"), logical_id)
    except instances.Unhealthy:
        # Roadmap 110, copilot-cli 2928: CloudFormation reports no reason, and deletes the service.
        delete_service(service_arn, props)
        raise Failed(service_arn, 'Resource handler returned message: "null"') from None
    except Exception:
        delete_service(service_arn, props)
        raise
    return service_arn, service_attributes(service_arn)


def start(service_arn: str, logical_id: str) -> None:
    """Developer guide, "Viewing App Runner logs streamed to CloudWatch Logs": the groups /aws/apprunner/<name>/<id>/
    service and /application, with streams events and instance/<id>. The lines are those that users quote
    (apprunner-roadmap issue 143)."""
    service = services[service_arn]
    repository = service["SourceConfiguration"]["ImageRepository"]
    image = repository["ImageConfiguration"]
    path = service["HealthCheckConfiguration"].get("Path", "/")
    groups = f"/aws/apprunner/{'/'.join(service_arn.split('/')[1:])}"

    def event(text: str) -> None:
        instances.log(f"{groups}/service", "events", f"[AppRunner] {text}")

    event("Deployment started.")
    revision = instances.Revision(
        service_arn=service_arn,
        host=service["ServiceUrl"],
        image=repository["ImageIdentifier"],
        environment=image.get("RuntimeEnvironmentVariables", {}),
        secrets=image.get("RuntimeEnvironmentSecrets", {}),
        path=path,
        log_group=f"{groups}/application",
        log_stream="instance",
        # API reference, ImageConfiguration: "this command overrides the Docker image's default start command".
        command=tuple(image.get("StartCommand", "").split()),
    )
    try:
        instances.deploy(revision, logical_id)
    except Exception as error:
        reason = str(error)
        if reason in ("", instances.EXITED):
            event(
                f"Health check failed on protocol `HTTP`[Path: '{path}'], [Port: '{image.get('Port', '8080')}']. "
                "Check your configured port number."
            )
            reason = "Health check failed."
        event(f"Deployment failed. Failure reason : {reason}")
        raise
    event("Deployment completed successfully.")


def configuration(props: Props) -> dict[str, Any]:
    """The properties that UpdateService changes. Names are CloudFormation's with two exceptions: variables and secrets
    are a map, and the scaling configuration is a summary, here of its ARN alone (API reference, UpdateService)."""
    source = {**props["SourceConfiguration"]}
    if repository := source.get("ImageRepository"):
        image = dict(repository.get("ImageConfiguration") or {})
        for kind in ("RuntimeEnvironmentVariables", "RuntimeEnvironmentSecrets"):
            if kind in image:
                image[kind] = {pair["Name"]: pair["Value"] for pair in image[kind]}
        # Developer guide, "Referencing environment variables": App Runner sets PORT itself and refuses it.
        if "PORT" in image.get("RuntimeEnvironmentVariables", {}):
            raise ValueError("PORT is a reserved environment variable.")
        source["ImageRepository"] = {**repository, "ImageConfiguration": image}
    network = props.get("NetworkConfiguration") or {}
    connector = network.get("EgressConfiguration", {}).get("VpcConnectorArn")
    if connector and connector not in connectors:
        raise ValueError(f"VPC connector {connector} does not exist.")
    scaling = props.get("AutoScalingConfigurationArn")
    if scaling and scaling not in scalings:
        raise ValueError(f"Auto scaling configuration {scaling} does not exist.")
    return {
        "Status": "RUNNING",
        "UpdatedAt": time.time(),
        "SourceConfiguration": source,
        "InstanceConfiguration": props.get("InstanceConfiguration") or {},
        "HealthCheckConfiguration": props.get("HealthCheckConfiguration") or {},
        "NetworkConfiguration": network,
        "AutoScalingConfigurationSummary": {"AutoScalingConfigurationArn": scaling} if scaling else {},
    }


def service_attributes(service_arn: str) -> dict[str, Any]:
    return {name: services[service_arn][name] for name in ("ServiceArn", "ServiceId", "ServiceUrl", "Status")}


def update_service(
    service_arn: str, old: Props, props: Props, stack_name: str, logical_id: str | None = None
) -> Created:
    """App Runner roadmap 209 and 272: when the new deployment fails App Runner rolls it back, ListOperations says
    ROLLBACK_SUCCEEDED, and CloudFormation reports success because the service is RUNNING."""
    service = in_status(service_arn, "RUNNING")
    if faults.reverts_unnoticed(logical_id):
        ended(begun(service_arn, "UPDATE_SERVICE"), "ROLLBACK_SUCCEEDED")
        return service_arn, service_attributes(service_arn)
    before = dict(service)
    service.update(configuration(props))
    try:
        deploy(begun(service_arn, "UPDATE_SERVICE"), logical_id or "")
    except instances.Unhealthy:
        service.update(before)
    return service_arn, service_attributes(service_arn)


def delete_service(service_arn: str, props: Props) -> None:
    instances.remove(service_arn)
    services.pop(service_arn, None)
    operations.pop(service_arn, None)


def begun(service_arn: str, kind: str) -> dict[str, Any]:
    """API reference, ListOperations: the newest first. DescribeService: OPERATION_IN_PROGRESS while one is."""
    now = time.time()
    operation = {
        "Id": str(uuid.uuid4()),
        "Type": kind,
        "Status": "IN_PROGRESS",
        "TargetArn": service_arn,
        "StartedAt": now,
        "UpdatedAt": now,
    }
    operations.setdefault(service_arn, []).insert(0, operation)
    services[service_arn]["Status"] = "OPERATION_IN_PROGRESS"
    return operation


def deploy(operation: dict[str, Any], logical_id: str) -> None:
    """Runs an operation's deployment; raises the exceptions of `start`."""
    status = "FAILED"
    try:
        start(operation["TargetArn"], logical_id)
        status = "SUCCEEDED"
    except instances.Unhealthy:
        status = "ROLLBACK_SUCCEEDED"
        raise
    finally:
        ended(operation, status)


def ended(operation: dict[str, Any], status: str, then: str = "RUNNING") -> None:
    operation.update(Status=status, EndedAt=time.time(), UpdatedAt=time.time())
    services[operation["TargetArn"]]["Status"] = then


def describe_service(request: dict[str, Any]) -> dict[str, Any]:
    return {"Service": existing(services, request["ServiceArn"])}


def list_services(request: dict[str, Any]) -> dict[str, Any]:
    shown = ("ServiceName", "ServiceId", "ServiceArn", "ServiceUrl", "CreatedAt", "UpdatedAt", "Status")
    return {"ServiceSummaryList": [{name: service[name] for name in shown} for service in services.values()]}


def list_operations(request: dict[str, Any]) -> dict[str, Any]:
    found = operations.get(existing(services, request["ServiceArn"])["ServiceArn"], [])
    return {"OperationSummaryList": found[: request.get("MaxResults") or 20]}


def pause_service(request: dict[str, Any]) -> dict[str, Any]:
    """API reference, PauseService: "reduces its compute capacity to zero"; only a running service can be paused."""
    service = in_status(request["ServiceArn"], "RUNNING")
    operation = begun(service["ServiceArn"], "PAUSE_SERVICE")
    instances.remove(service["ServiceArn"])
    ended(operation, "SUCCEEDED", "PAUSED")
    return {"Service": service, "OperationId": operation["Id"]}


def resume_service(request: dict[str, Any]) -> dict[str, Any]:
    """API reference, ResumeService: provisions compute capacity again."""
    service = in_status(request["ServiceArn"], "PAUSED")
    operation = begun(service["ServiceArn"], "RESUME_SERVICE")
    deploy(operation, "")
    return {"Service": service, "OperationId": operation["Id"]}


def start_deployment(request: dict[str, Any]) -> dict[str, Any]:
    """API reference, StartDeployment: of the image that the service has; asynchronous, ListOperations reports its
    end."""
    service = in_status(request["ServiceArn"], "RUNNING")
    operation = begun(service["ServiceArn"], "START_DEPLOYMENT")

    def go_on() -> None:
        with suppress(instances.Unhealthy):
            deploy(operation, "")

    in_background(go_on)
    return {"OperationId": operation["Id"]}


def in_status(service_arn: str, status: str) -> Any:
    """API reference: InvalidStateException, "You can't perform this action when the resource is in its current
    state"."""
    service = existing(services, service_arn)
    if service["Status"] != status:
        raise Refused("InvalidStateException", f"Service cannot be changed when in state: {service['Status']}.")
    return service


# VPC connectors. Return values: user guide, AWS::AppRunner::VpcConnector.


def create_connector(logical_id: str, props: Props, stack_name: str) -> Created:
    """Not documented: App Runner accepts one connector for each set of security groups. The message is that of failed
    deployments."""
    groups = sorted(props.get("SecurityGroups") or [])
    for connector in connectors.values():
        if sorted(connector["SecurityGroups"]) == groups:
            raise ValueError(
                f"The subnets or security groups combination {groups} already exists in {connector['VpcConnectorArn']}."
            )
    name = props.get("VpcConnectorName") or physical_name(logical_id)
    connector_arn = arn("apprunner", f"vpcconnector/{name}/1/{uuid.uuid4().hex}")
    connectors[connector_arn] = {
        "VpcConnectorArn": connector_arn,
        "SecurityGroups": groups,
        "Subnets": list(props["Subnets"]),
    }
    return connector_arn, {"VpcConnectorArn": connector_arn, "VpcConnectorRevision": 1}


def delete_connector(connector_arn: str, props: Props) -> None:
    """API reference, DeleteVpcConnector: "You can't delete a connector that's used by one or more App Runner
    services"."""
    for service in services.values():
        if service["NetworkConfiguration"].get("EgressConfiguration", {}).get("VpcConnectorArn") == connector_arn:
            raise ValueError(f"VPC connector {connector_arn} is in use by other services.")
    connectors.pop(connector_arn, None)


# Scaling. Return values: user guide, AWS::AppRunner::AutoScalingConfiguration.


def create_scaling(logical_id: str, props: Props, stack_name: str) -> Created:
    name = props.get("AutoScalingConfigurationName") or physical_name(logical_id)[:32]
    scaling_arn = arn("apprunner", f"autoscalingconfiguration/{name}/1/{uuid.uuid4().hex}")
    scalings[scaling_arn] = {name: props.get(name) for name in ("MinSize", "MaxSize", "MaxConcurrency")}
    return scaling_arn, {
        "AutoScalingConfigurationArn": scaling_arn,
        "AutoScalingConfigurationRevision": 1,
        "Latest": True,
    }


def delete_scaling(scaling_arn: str, props: Props) -> None:
    """API reference, DeleteAutoScalingConfiguration: not one "that's used by one or more App Runner services"."""
    for service in services.values():
        if service["AutoScalingConfigurationSummary"].get("AutoScalingConfigurationArn") == scaling_arn:
            raise ValueError(f"Auto scaling configuration {scaling_arn} is in use by other services.")
    scalings.pop(scaling_arn, None)


# Private ingress. Return values: user guide, AWS::AppRunner::VpcIngressConnection.


def create_ingress(logical_id: str, props: Props, stack_name: str) -> Created:
    service = existing(services, props["ServiceArn"])
    name = props.get("VpcIngressConnectionName") or physical_name(logical_id)
    ingress_arn = arn("apprunner", f"vpcingressconnection/{name}/{uuid.uuid4().hex}")
    ingresses[ingress_arn] = {"DomainName": service["ServiceUrl"], **props}
    return ingress_arn, ingress_attributes(ingress_arn)


def update_ingress(ingress_arn: str, old: Props, props: Props, stack_name: str) -> Created:
    ingresses[ingress_arn].update(props)
    return ingress_arn, ingress_attributes(ingress_arn)


def ingress_attributes(ingress_arn: str) -> dict[str, Any]:
    domain = ingresses[ingress_arn]["DomainName"]
    return {"VpcIngressConnectionArn": ingress_arn, "DomainName": domain, "Status": "AVAILABLE"}
