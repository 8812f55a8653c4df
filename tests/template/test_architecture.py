"""The picture of a deployment: what is in it for deployments of every shape, and that Mermaid would take it."""

from __future__ import annotations

import json
import re
from importlib import import_module

import pytest

from generator import Deployment, Settings
from generator.template.architecture import architecture
from tests.layers import every_layer, every_shape

BOX = re.compile(r' *(\w+)(?:\[|\(\[|\[\()"([^"]+)"(?:\]|\]\)|\)\])(?::::(\w+))?$')
ARROW = re.compile(r'  (\w+)(?: (?:-- "[^"]+" )?(?:-->)| -\. "[^"]+" \.->) (.+)$')
OTHER = re.compile(r' *(?:flowchart LR|direction LR|end|subgraph (\w+)\["[^"]+"\]|class \w+ \w+|classDef \w+ .+)?$')


def drawn(deployment: Deployment) -> str:
    return architecture({layer.name: layer.text() for layer in deployment.layers})


def check(text: str) -> dict[str, str]:
    """The boxes, after each line was found to be one that Mermaid knows, and each arrow to end at boxes."""
    boxes = {match[1]: match[2] for match in map(BOX.match, text.splitlines()) if match}
    for line in text.splitlines():
        arrow = ARROW.match(line)
        if arrow:
            ends = {arrow[1], *re.findall(r"\b\w+\b", re.sub(r'"[^"]+"', "", arrow[2]))}
            assert ends <= set(boxes), line
        else:
            assert BOX.match(line) or OTHER.match(line), line
    return boxes


@every_shape
def test_deployments_of_every_shape_are_drawn(settings: Settings) -> None:
    layers = every_layer(settings)
    for data, compute in (layers[:2], layers[2:]):
        boxes = check(drawn(Deployment("any", (data, compute))))
        assert {"client", "watch", f"{data.name}_Cluster_0", f"{data.name}_Cluster_1"} <= set(boxes)
        assert any(label.startswith("<b>") for label in boxes.values())


def test_what_app_runner_uses_is_connected() -> None:
    text = drawn(Deployment("any", every_layer()[:2]))
    assert '  client -- "HTTPS" --> apprunner_Service' in text
    assert '  apprunner_VpcConnector -- "TLS 6379" --> data_Cluster_0 & data_Cluster_1' in text
    assert '  apprunner_Service -. "image" .-> data_Repository' in text
    assert '  apprunner_Service -. "secret" .-> data_PasswordSecret' in text
    assert "apprunner<br>1 to 5 instances" in text
    assert 'subgraph vpc["VPC 10.0.0.0/16"]' in text
    assert '["zone 2 · private subnet"]' in text


def test_what_ecs_express_uses_goes_through_its_endpoints() -> None:
    text = drawn(Deployment("any", every_layer()[2:]))
    assert '  client -- "HTTPS" --> ecs_express_Service_balancer -- "HTTP" --> ecs_express_Service' in text
    assert '["public subnets"]' in text
    assert '  endpoints -. "image" .-> data_Repository' in text


def test_a_service_that_only_the_vpc_reaches() -> None:
    private = every_layer(Settings(private_ingress=True))
    assert '"HTTPS, inside the VPC" --> apprunner_Service' in drawn(Deployment("any", private[:2]))
    assert '["private subnets"]' in drawn(Deployment("any", private[2:]))


@pytest.mark.parametrize(
    ("example", "holds", "lacks"),
    [
        ("own_resources", ['web_Service -. "data" .-> storage_Attachments', "S3 Bucket<br>Attachments"], []),
        ("second_service", ["<br>apprunner<br>", "<br>orders<br>", 'orders_Service -. "image" .-> data_Orders'], []),
        ("existing_vpc", ['["existing VPC"]', 'data_Cluster_0[("MemoryDB<br>primary")]'], ["zone"]),
        ("existing_vpc_ecs", ['["existing VPC"]', '["subnets"]'], ["endpoints"]),
        ("worker", ['worker_Service -. "data" .-> worker_Jobs', "SQS Queue"], ["MemoryDB", "image"]),
    ],
)
def test_the_examples(example: str, holds: list[str], lacks: list[str]) -> None:
    (deployment,) = import_module(f"examples.{example}").deployments()
    text = drawn(deployment)
    check(text)
    assert [words for words in holds if words not in text] == []
    assert [words for words in lacks if words in text] == []


def test_shards_and_replicas_by_the_parameters_defaults() -> None:
    data, compute = (json.loads(layer.text()) for layer in every_layer()[:2])
    data["Parameters"]["Shards"]["Default"], data["Parameters"]["ReplicasPerShard"]["Default"] = 3, 2
    boxes = check(architecture({"data": json.dumps(data), "apprunner": json.dumps(compute)}))
    assert [boxes[f"data_Cluster_{number}"] for number in range(3)] == [
        "MemoryDB<br>primary<br>of 3 shards",
        *["MemoryDB<br>replica<br>of 3 shards"] * 2,
    ]


def test_without_a_service_there_is_no_picture() -> None:
    data = every_layer()[0]
    assert architecture({"data": data.text()}) == ""
