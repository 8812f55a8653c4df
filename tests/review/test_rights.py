from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from generator.review.rights import Right, rights
from generator.stacks.change_set import KNOWN_AFTER_APPLY
from tests.review.cases import CASES, Case

PAGE = (Path(__file__).parents[2] / "docs" / "review.md").read_text()
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_the_page_has_what_is_said_of_a_change(case: Case) -> None:
    assert f"\n{case.row()}\n" in PAGE


def policy(before: Any, after: Any, resource_type: str = "AWS::IAM::ManagedPolicy") -> list[Right]:
    documents = [side and {"PolicyDocument": {"Version": "2012-10-17", "Statement": side}} for side in (before, after)]
    return rights("Policy", resource_type, *documents)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"CidrIp": "255.255.255.255/32"}, []),
        ({"CidrIp": "127.0.0.1/32"}, []),
        ({"CidrIpv6": "::1/128"}, []),
        ({"CidrIp": "255.255.255.254/31"}, ["broader"]),
        ({"CidrIp": "10.0.0.1/32"}, ["broader"]),
        ({"DestinationPrefixListId": "pl-1"}, ["broader"]),
    ],
)
def test_egress_to_nowhere_opens_nothing(network: dict[str, str], said: list[str]) -> None:
    group = {"SecurityGroupEgress": [{"IpProtocol": "tcp", "FromPort": 0, "ToPort": 0, **network}]}
    assert directions(rights("Group", "AWS::EC2::SecurityGroup", None, group)) == said
    anywhere = {"SecurityGroupEgress": [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]}
    if not said:
        assert directions(rights("Group", "AWS::EC2::SecurityGroup", anywhere, group)) == ["narrower"]
        assert directions(rights("Group", "AWS::EC2::SecurityGroup", group, anywhere)) == ["broader"]


def directions(found: list[Right]) -> list[str]:
    return [right.direction for right in found]


def when(operator: str, key: str, *values: str) -> dict[str, Any]:
    return {**READ, "Condition": {operator: {key: list(values)}}}


ACCOUNT, ADDRESS, TIME, TAGS = "aws:SourceAccount", "aws:SourceIp", "aws:CurrentTime", "aws:TagKeys"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        # Fewer values are narrower, but of an operator that names what must not be.
        (("StringEquals", ACCOUNT, "1", "2"), ("StringEquals", ACCOUNT, "1"), ["narrower"]),
        (("StringNotEquals", ACCOUNT, "1", "2"), ("StringNotEquals", ACCOUNT, "1"), ["broader"]),
        (("StringEquals", ACCOUNT, "12"), ("StringLike", ACCOUNT, "1*"), ["broader"]),
        (("StringLike", ACCOUNT, "1*"), ("StringEquals", ACCOUNT, "1*"), ["narrower"]),
        (("StringEquals", ACCOUNT, "1"), ("StringEqualsIfExists", ACCOUNT, "1"), ["broader"]),
        (("StringEquals", ACCOUNT, "a"), ("StringEqualsIgnoreCase", ACCOUNT, "A"), ["broader"]),
        (("ArnEquals", ACCOUNT, "a:*"), ("ArnLike", ACCOUNT, "a:*"), []),
        (("IpAddress", ADDRESS, "10.0.0.0/16"), ("IpAddress", ADDRESS, "10.0.0.0/8"), ["broader"]),
        (("NotIpAddress", ADDRESS, "10.0.0.0/16"), ("NotIpAddress", ADDRESS, "10.0.0.0/8"), ["narrower"]),
        (("NumericLessThan", "s3:max-keys", "10"), ("NumericLessThan", "s3:max-keys", "9"), ["narrower"]),
        (("DateGreaterThan", TIME, "2026-01-02"), ("DateGreaterThan", TIME, "2026-01-01"), ["broader"]),
        (("Null", ACCOUNT, "true"), ("Null", ACCOUNT, "false"), ["broader", "narrower"]),
        (("ForAnyValue:StringEquals", TAGS, "a"), ("ForAllValues:StringEquals", TAGS, "a"), ["broader", "narrower"]),
        (("StringEquals", ACCOUNT, "1"), ("StringEquals", "aws:SourceOrgID", "o"), ["broader", "narrower"]),
        # An operator that came after this was written.
        (("SemverEquals", "a:b", "1"), ("SemverEquals", "a:b", "2"), ["different", "different"]),
    ],
)  # fmt: skip
def test_a_condition_with_less_to_meet_is_broader(before: list[str], after: list[str], said: list[str]) -> None:
    assert directions(policy([when(*before)], [when(*after)])) == said


def test_a_policy_variable_is_no_text_and_an_escaped_wildcard_no_wildcard() -> None:
    of_user, of_all = ({**READ, "Resource": f"arn:aws:s3:::b/{name}"} for name in ("${aws:username}", "*"))
    star = {**READ, "Resource": "arn:aws:s3:::b/${*}"}
    assert directions(policy([of_user], [of_all])) == ["broader"]
    assert directions(policy([of_all], [of_user])) == ["narrower"]
    assert directions(policy([star], [of_all])) == ["broader"]
    assert policy([of_user], [of_user]) == []


def test_a_variable_may_be_a_name_but_not_before_version_2012() -> None:
    of_user, of_alice = ({**READ, "Resource": f"arn:aws:s3:::b/{name}"} for name in ("${aws:username}", "alice"))
    assert directions(policy([of_user], [of_alice])) == ["different", "different"]
    old = [{"PolicyDocument": {"Statement": [one]}} for one in (of_user, of_alice)]
    assert directions(rights("P", "AWS::IAM::ManagedPolicy", *old)) == ["broader", "narrower"]


def test_to_exclude_less_is_broader() -> None:
    wide, narrow = ({"Effect": "Allow", "NotAction": name, "Resource": "*"} for name in ("iam:Create*", "iam:*"))
    assert directions(policy([narrow], [wide])) == ["broader"]
    assert directions(policy([wide], [narrow])) == ["narrower"]


def test_a_wildcard_does_not_match_the_name_of_a_reference() -> None:
    named, reference = {**READ, "Resource": "*Topic*"}, {**READ, "Resource": {"Ref": "MyTopic"}}
    assert directions(policy([named], [reference])) == ["different", "narrower"]


def test_a_new_endpoint_gives_no_rights() -> None:
    assert rights("E", "AWS::EC2::VPCEndpoint", None, {"VpcEndpointType": "Interface"}) == []


def test_an_action_has_no_case_and_a_resource_has() -> None:
    assert policy([READ], [{**READ, "Action": "S3:getobject"}]) == []
    assert directions(policy([READ], [{**READ, "Resource": "arn:aws:s3:::B/*"}])) == ["broader", "narrower"]


def test_one_text_made_by_different_functions_is_one() -> None:
    made = (
        {"Fn::Sub": "${Topic}-x"},
        {"Fn::Join": ["-", [{"Ref": "Topic"}, "x"]]},
        {"Fn::Sub": ["${T}-x", {"T": {"Ref": "Topic"}}]},
    )
    for resource in made:
        assert policy([{**READ, "Resource": made[0]}], [{**READ, "Resource": resource}]) == []


def test_an_account_is_its_root_user_and_aws_star_is_star() -> None:
    by = [{**READ, "Principal": {"AWS": name}} for name in ("111122223333", "arn:aws:iam::111122223333:root", "*")]
    assert policy([by[0]], [by[1]], "AWS::S3::BucketPolicy") == []
    assert policy([by[2]], [{**READ, "Principal": "*"}], "AWS::S3::BucketPolicy") == []


def test_what_is_not_known_before_the_deployment_is_different_even_from_itself() -> None:
    unknown = {**READ, "Resource": KNOWN_AFTER_APPLY}
    assert directions(policy([unknown], [unknown])) == ["different", "different"]


@pytest.mark.parametrize("document", [{"Ref": "Policy"}, KNOWN_AFTER_APPLY, '{"Statement": [{"Eff', {"Statement": "x"}])
def test_a_policy_that_cannot_be_read_is_different(document: Any) -> None:
    found = rights(
        "P", "AWS::SQS::QueuePolicy", {"PolicyDocument": {"Statement": [READ]}}, {"PolicyDocument": document}
    )
    assert directions(found) == ["different"]


def test_a_policy_that_cannot_be_read_and_stays_is_no_change() -> None:
    document = {"PolicyDocument": {"Ref": "Policy"}}
    assert rights("P", "AWS::SQS::QueuePolicy", document, document) == []


def test_a_property_that_is_only_called_so_is_no_policy() -> None:
    names = [{"TerminationPolicies": [name]} for name in ("OldestInstance", "Default")]
    assert rights("G", "AWS::AutoScaling::AutoScalingGroup", *names) == []


def test_without_a_key_policy_the_account_decides() -> None:
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    ours, every = ({**statement, "Principal": {"AWS": name}} for name in ({"Ref": "AWS::AccountId"}, "*"))
    keys = [{"KeyPolicy": {"Statement": [one]}} for one in (ours, every)]
    assert directions(rights("K", "AWS::KMS::Key", {}, keys[0])) == ["narrower"]
    assert "broader" in directions(rights("K", "AWS::KMS::Key", {}, keys[1]))


def test_a_reference_among_a_roles_policies_is_different() -> None:
    policies = [{"Policies": [{"Fn::GetAtt": [name, "Policy"]}]} for name in "ab"]
    assert directions(rights("R", "AWS::IAM::Role", *policies)) == ["different"]


def test_no_password_is_shown() -> None:
    found = rights("U", "AWS::ElastiCache::User", {"AccessString": "on"}, {"AccessString": "on ~* >secret #5e88"})
    assert "secret" not in str(found)
    assert "5e88" not in str(found)


def test_a_policy_as_json_text_is_read() -> None:
    before = {"PolicyText": '{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}'}
    assert directions(rights("P", "AWS::ECR::RegistryPolicy", before, {"PolicyText": '{"Statement": []}'})) == [
        "broader"
    ]


def test_both_outcomes_of_a_condition_are_looked_at() -> None:
    after = {"Fn::If": ["Wide", {**READ, "Action": "*"}, {"Ref": "AWS::NoValue"}]}
    assert directions(policy([READ], [after])) == ["broader", "narrower"]
    assert policy([READ], [{"Fn::If": ["Wide", READ, READ]}]) == []


def test_a_policy_under_too_many_conditions_is_different() -> None:
    nested: Any = READ
    for index in range(9):
        nested = {"Fn::If": [f"C{index}", nested, READ]}
    assert directions(policy([READ], [nested])) == ["different"]


def test_a_new_role_gives_rights_and_one_that_goes_takes_them() -> None:
    role = {"Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": [READ]}}], "ManagedPolicyArns": ["arn:m"]}
    assert directions(rights("R", "AWS::IAM::Role", None, role)) == ["broader", "broader"]
    assert directions(rights("R", "AWS::IAM::Role", role, None)) == ["narrower", "narrower"]


def test_a_policy_moved_from_one_name_to_another_is_no_change() -> None:
    roles = [{"Policies": [{"PolicyName": name, "PolicyDocument": {"Statement": [READ]}}]} for name in "ab"]
    assert rights("R", "AWS::IAM::Role", *roles) == []


def test_a_policy_that_is_attached_to_another_role_is_broader() -> None:
    document = {"PolicyDocument": {"Statement": [READ]}}
    assert len(rights("P", "AWS::IAM::Policy", None, {**document, "Roles": ["a"]})) == 1
    found = rights("P", "AWS::IAM::Policy", {**document, "Roles": ["a"]}, {**document, "Roles": ["a", "b"]})
    assert [(right.direction, right.rule) for right in found] == [("broader", "b")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SourceArn": None}, ["broader"]),
        ({"SourceAccount": "111122223333"}, ["narrower"]),
        ({"Principal": "*"}, ["broader"]),
        ({"Principal": "sns.amazonaws.com"}, ["broader", "narrower"]),
        ({"FunctionUrlAuthType": "NONE"}, ["narrower"]),
        ({"FunctionName": "g"}, ["broader", "narrower"]),
    ],
)
def test_a_permission_of_lambda_is_a_statement(change: dict[str, Any], said: list[str]) -> None:
    before = {
        "FunctionName": "f",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
        "SourceArn": "arn:b",
    }
    after = {name: value for name, value in {**before, **change}.items() if value is not None}
    assert directions(rights("P", "AWS::Lambda::Permission", before, after)) == said
    assert directions(rights("P", "AWS::Lambda::Permission", None, after)) == ["broader"]
    assert directions(rights("P", "AWS::Lambda::Permission", after, None)) == ["narrower"]


def group(*rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "SecurityGroupIngress": list(rules),
        "SecurityGroupEgress": [{"IpProtocol": "-1", "CidrIp": "127.0.0.1/32"}],
    }


def rule(cidr: Any = "10.0.0.0/16", first: Any = 80, last: Any = 80, protocol: str = "tcp") -> dict[str, Any]:
    return {"IpProtocol": protocol, "FromPort": first, "ToPort": last, **({"CidrIp": cidr} if cidr else {})}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (group(rule()), group(rule("10.0.0.0/8")), ["broader"]),
        (group(rule("10.0.0.0/8")), group(rule()), ["narrower"]),
        (group(rule()), group(rule(last=90)), ["broader"]),
        (group(rule()), group(rule(protocol="6")), []),
        (group(rule(protocol="-1")), group(rule()), ["narrower"]),
        (group(rule(protocol="-1")), group({"IpProtocol": "-1", "CidrIp": "10.0.0.0/16"}), []),
        (group(rule(protocol="icmp", first=-1, last=-1)), group(rule(protocol="icmp", first=8, last=0)), ["narrower"]),
        (group(rule(first=80, last=90)), group(rule(first=80, last=80)), ["narrower"]),
        (group(rule()), group(rule(), rule("10.0.1.0/24")), []),
        (group(rule({"Ref": "A"})), group(rule({"Ref": "B"})), ["different", "different"]),
        (group({"Fn::GetAtt": ["A", "Rules"]}), group(rule()), ["broader", "narrower"]),
        (group(rule("0.0.0.0/0")), group({**rule(None), "SourceSecurityGroupId": "sg-1"}), ["broader", "narrower"]),
    ],
)  # fmt: skip
def test_a_rule_that_opens_more_is_broader(before: Any, after: Any, said: list[str]) -> None:
    assert directions(rights("G", "AWS::EC2::SecurityGroup", before, after)) == said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("on ~a:* -@all +get", "on ~a:* -@all +get +set", ["broader"]),
        ("on ~a:* -@all +get", "on ~a:b:* -@all +get", ["narrower"]),
        ("on ~a:* -@all +get", "on %R~a:* -@all +get", ["narrower"]),
        ("on %R~a:* -@all +get", "on allkeys -@all +get", ["broader"]),
        ("on ~a:* -@all +get", "off ~a:* -@all +get", ["narrower"]),
        ("on ~a:* -@all +cluster|slots", "on ~a:* -@all +cluster", ["broader"]),
        ("on ~a:* +@all -keys", "on ~a:* +@all", ["broader"]),
        ("on ~a:* +@all", "on ~a:* +@all -keys", ["narrower"]),
        ("on ~a:* -@all +@read", "on ~a:* -@all +get", ["different"]),
        ("on ~a:* -@all +@read -get", "on ~a:* -@all -get +@read", ["different"]),
        ("on ~a:* -@all +get", "on ~a:* -@all +get (~b:* +set)", ["different"]),
        ("on ~a:* -@all +get", "on ~a:* &* -@all +get", ["broader"]),
        ("on ~a:* -@all +get >secret", "on ~a:* -@all +get nopass", ["broader", "different"]),
        ("on ~a[bc] -@all +get", "on ~a[bd] -@all +get", ["different"]),
    ],
)
def test_an_access_string_that_allows_more_is_broader(before: str, after: str, said: list[str]) -> None:
    found = rights("U", "AWS::MemoryDB::User", {"AccessString": before}, {"AccessString": after})
    assert directions(found) == said


BLOCKED = {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}
PRIVATE = {"NetworkConfiguration": {"IngressConfiguration": {"IsPubliclyAccessible": False}}}


@pytest.mark.parametrize(
    ("resource_type", "before", "after", "said"),
    [
        ("AWS::S3::Bucket", BLOCKED, {"PublicAccessBlockConfiguration": {"BlockPublicAcls": "false"}}, ["broader"]),
        ("AWS::S3::Bucket", BLOCKED, {}, ["different"]),
        ("AWS::S3::Bucket", None, {}, []),
        ("AWS::S3::Bucket", {}, BLOCKED, ["narrower"]),
        ("AWS::AppRunner::Service", PRIVATE, {}, ["broader"]),
        ("AWS::AppRunner::Service", None, {}, ["broader"]),
        ("AWS::RDS::DBInstance", {"PubliclyAccessible": "true"}, {"PubliclyAccessible": "false"}, ["narrower"]),
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", {"Scheme": "internal"}, {}, ["broader"]),
        ("AWS::Lambda::Url", {"AuthType": "AWS_IAM"}, {"AuthType": "NONE"}, ["broader"]),
        ("AWS::EC2::Subnet", None, {"MapPublicIpOnLaunch": True}, ["broader"]),
        ("AWS::EC2::Subnet", None, {}, []),
        ("AWS::EC2::Route", None, {"GatewayId": "igw-1"}, ["broader"]),
        ("AWS::EC2::Route", None, {"NatGatewayId": "nat-1"}, []),
        ("AWS::AppRunner::VpcConnector", {"SecurityGroups": ["a"]}, {"SecurityGroups": ["a", "b"]}, ["broader"]),
        ("AWS::WAFv2::WebACLAssociation", {"WebACLArn": "a"}, {"WebACLArn": "b"}, ["different"]),
        ("AWS::IAM::Role", {"PermissionsBoundary": "a"}, {"PermissionsBoundary": "b"}, ["different"]),
    ],
)  # fmt: skip
def test_what_becomes_public_is_broader(resource_type: str, before: Any, after: Any, said: list[str]) -> None:
    assert directions(rights("X", resource_type, before, after)) == said


@pytest.mark.parametrize(
    ("resource_type", "path"),
    [
        ("AWS::IAM::Group", "ManagedPolicyArns"),
        ("AWS::IAM::ManagedPolicy", "Users"),
        ("AWS::IAM::ManagedPolicy", "Groups"),
        ("AWS::MemoryDB::ACL", "UserNames"),
        ("AWS::ElastiCache::UserGroup", "UserIds"),
        ("AWS::RDS::DBInstance", "VpcSecurityGroupIds"),
        ("AWS::ECS::Service", "NetworkConfiguration.AwsvpcConfiguration.SecurityGroups"),
    ],
)
def test_what_is_attached_is_named_with_its_place(resource_type: str, path: str) -> None:
    sides: list[Any] = [["a"], ["a", "b"]]
    for name in reversed(path.split(".")):
        sides = [{name: side} for side in sides]
    (right,) = rights("X", resource_type, *sides)
    assert (right.direction, right.rule, right.why) == ("broader", "b", f"added to {path}")
    (right,) = rights("X", resource_type, *reversed(sides))
    assert (right.direction, right.rule, right.why) == ("narrower", "b", f"taken from {path}")


def test_broader_comes_first() -> None:
    found = policy([READ], [{**READ, "Action": "s3:PutObject"}])
    assert directions(found) == ["broader", "narrower"]
    assert [right.why for right in found] == [
        "newly allows s3:PutObject on arn:aws:s3:::b/*",
        "no longer allows s3:GetObject on arn:aws:s3:::b/*",
    ]
