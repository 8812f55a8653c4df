"""Resource types of EC2 and WAF that ministack lacks, and errors of EC2 for subnets and security groups."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable
from typing import Any

from ministack.services import ec2, waf
from ministack.services.cloudformation import provisioners

from rehearsal.emulator.extensions.compute import apprunner, ecs_express
from rehearsal.emulator.extensions.memorydb.store import clusters
from rehearsal.emulator.extensions.registration import Created, Props, add_resource_type, removal

RULES = {"AWS::EC2::SecurityGroupIngress": "IpPermissions", "AWS::EC2::SecurityGroupEgress": "IpPermissionsEgress"}


def install() -> None:
    for resource_type, direction in RULES.items():
        add_resource_type(resource_type, *rule_handlers(direction), taggable=False)
    add_resource_type("AWS::EC2::FlowLog", create_flow_log, update_tags("Id"), removal(ec2._flow_logs))
    add_resource_type("AWS::EC2::EIP", create_address, update_address, delete_address)
    add_resource_type(
        "AWS::EC2::NatGateway", create_nat_gateway, update_tags("NatGatewayId"), removal(ec2._nat_gateways)
    )
    add_resource_type("AWS::WAFv2::WebACLAssociation", associate, None, disassociate, taggable=False)
    subnet = provisioners._RESOURCE_HANDLERS["AWS::EC2::Subnet"]
    create, update = subnet["create"], subnet["update"]

    def created(logical_id: str, props: Props, stack_name: str) -> Created:
        refuse_if_overlapping(props)
        return described(create(logical_id, props, stack_name))

    subnet.update(create=created, update=lambda *arguments: described(update(*arguments)))
    group = provisioners._RESOURCE_HANDLERS["AWS::EC2::SecurityGroup"]
    delete = group["delete"]

    def deleted(group_id: str, props: Props) -> None:
        refuse_if_needed(group_id)
        delete(group_id, props)

    group["delete"] = deleted


def rule_handlers(direction: str) -> tuple[Any, Any, Any]:
    """User guide, AWS::EC2::SecurityGroupIngress and -Egress: Ref is the rule's ID, such as sgr-1234567890abcdefg; all
    but the description is create-only (schema). EC2 API reference, AuthorizeSecurityGroupIngress: a rule that exists
    is InvalidPermission.Duplicate."""

    def permission(props: Props) -> Any:
        (found,) = provisioners._ec2_sg_permissions([props])
        return found

    def rules(props: Props) -> list[Any]:
        if props["GroupId"] not in ec2._security_groups:
            raise ValueError(f"The security group '{props['GroupId']}' does not exist")
        found: list[Any] = ec2._security_groups[props["GroupId"]].setdefault(direction, [])
        return found

    def same(one: Any, other: Any) -> bool:
        return bool(ec2._strip_descriptions(one) == ec2._strip_descriptions(other))

    def create(logical_id: str, props: Props, stack_name: str) -> Created:
        if any(same(rule, permission(props)) for rule in rules(props)):
            raise ValueError("the specified rule already exists (InvalidPermission.Duplicate)")
        rules(props).append(permission(props))
        rule_id = f"sgr-{secrets.token_hex(9)[:17]}"
        return rule_id, {"Id": rule_id}

    def update(rule_id: str, old: Props, props: Props, stack_name: str) -> Created:
        delete(rule_id, old)
        rules(props).append(permission(props))
        return rule_id, {"Id": rule_id}

    def delete(rule_id: str, props: Props) -> None:
        if props["GroupId"] in ec2._security_groups:
            rules(props)[:] = [rule for rule in rules(props) if not same(rule, permission(props))]

    return create, update, delete


def described(created: Created) -> Created:
    """User guide, AWS::EC2::Subnet, return values: more attributes than ministack's."""
    subnet = ec2._subnets[created[0]]
    return created[0], {**created[1], **{name: subnet[name] for name in ("AvailabilityZoneId", "CidrBlock", "VpcId")}}


def refuse_if_overlapping(props: Props) -> None:
    """EC2 API reference, CreateSubnet and "Error codes": InvalidSubnet.Conflict, the CIDR block conflicts with that of
    another subnet in the VPC. So a subnet cannot be replaced under its range."""
    network = ipaddress.ip_network(props["CidrBlock"])
    for subnet in ec2._subnets.values():
        if subnet["VpcId"] == props["VpcId"] and network.overlaps(ipaddress.ip_network(subnet["CidrBlock"])):
            raise ValueError(f"The CIDR '{network}' conflicts with another subnet (Service: Ec2, Status Code: 400)")


def refuse_if_needed(group_id: str) -> None:
    """EC2 API reference, DeleteSecurityGroup: one that "is associated with an instance or network interface, is
    referenced by another security group in the same VPC" is DependencyViolation. Clusters, connectors and
    tasks have interfaces in their groups."""
    holders = [
        *(group["SecurityGroupId"] for cluster in clusters.values() for group in cluster["SecurityGroups"]),
        *(group for connector in apprunner.connectors.values() for group in connector["SecurityGroups"]),
        *ecs_express.security_groups(),
        *(
            pair.get("GroupId")
            for other in ec2._security_groups.values()
            if other["GroupId"] != group_id
            for direction in ("IpPermissions", "IpPermissionsEgress")
            for rule in other.get(direction) or ()
            for pair in rule.get("UserIdGroupPairs") or ()
        ),
    ]
    if group_id in holders:
        raise ValueError(f"resource {group_id} has a dependent object (Service: Ec2, Status Code: 400)")


def added(store: Any, create: Callable[[Props], Any], call: Props, props: Props) -> str:
    """The ID of what a call of EC2 adds to a store, with the tags of the resource."""
    before = set(store)
    create(call)
    (new,) = set(store) - before
    provisioners._ec2_apply_tags(new, props)
    return str(new)


def update_tags(attribute: str) -> Any:
    def update(physical_id: str, old: Props, props: Props, stack_name: str) -> Created:
        provisioners._ec2_apply_tags(physical_id, props, old)
        return physical_id, {attribute: physical_id}

    return update


def create_flow_log(logical_id: str, props: Props, stack_name: str) -> Created:
    """User guide, AWS::EC2::FlowLog: Ref and Id are the flow log's ID; all but tags is create-only (schema)."""
    flow_log = added(ec2._flow_logs, ec2._create_flow_logs, {**props, "ResourceId.1": props["ResourceId"]}, props)
    return flow_log, {"Id": flow_log}


def create_address(logical_id: str, props: Props, stack_name: str) -> Created:
    """User guide, AWS::EC2::EIP: Ref is the address, AllocationId an attribute."""
    allocation = added(ec2._addresses, ec2._allocate_address, {"Domain": props.get("Domain", "vpc")}, props)
    address = ec2._addresses[allocation]["PublicIp"]
    return address, {"AllocationId": allocation, "PublicIp": address}


def update_address(address: str, old: Props, props: Props, stack_name: str) -> Created:
    provisioners._ec2_apply_tags(allocation_of(address), props, old)
    return address, {"AllocationId": allocation_of(address), "PublicIp": address}


def delete_address(address: str, props: Props) -> None:
    """EC2 API reference, "Error codes": InvalidIPAddress.InUse."""
    allocation = allocation_of(address)
    if any(gateway["AllocationId"] == allocation for gateway in ec2._nat_gateways.values()):
        raise ValueError(f"The address with allocation id [{allocation}] is in use.")
    ec2._addresses.pop(allocation)


def allocation_of(address: str) -> str:
    return next(str(allocation) for allocation, each in ec2._addresses.items() if each["PublicIp"] == address)


def create_nat_gateway(logical_id: str, props: Props, stack_name: str) -> Created:
    """User guide, AWS::EC2::NatGateway: Ref and NatGatewayId are its ID."""
    call = {"SubnetId": props["SubnetId"], "AllocationId": props.get("AllocationId", "")}
    gateway = added(ec2._nat_gateways, ec2._create_nat_gateway, call, props)
    return gateway, {"NatGatewayId": gateway}


def associate(logical_id: str, props: Props, stack_name: str) -> Created:
    """User guide, AWS::WAFv2::WebACLAssociation: both properties are create-only (schema), and make up its identifier.
    WAF API reference, AssociateWebACL: WAFNonexistentItemException."""
    if not any(acl["ARN"] == props["WebACLArn"] for acl in waf._web_acls.values()):
        raise ValueError("AWS WAF couldn't perform the operation because your resource doesn't exist.")
    waf._associations[props["ResourceArn"]] = props["WebACLArn"]
    return f"{props['ResourceArn']}|{props['WebACLArn']}", {}


def disassociate(association: str, props: Props) -> None:
    waf._associations.pop(props["ResourceArn"], None)
