"""What a `Deployment` refuses of its layers, before anything is built."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from troposphere import s3, sns

from generator import (
    Deployment,
    Input,
    Layer,
    Settings,
    Verification,
    Workload,
    app_runner_deployment,
    app_runner_layer,
    data_layer,
    ecs_express_deployment,
    ecs_express_layer,
    existing_network,
    export,
    imported,
    repository,
    user,
)
from generator.errors import TemplateError, UsageError
from generator.iam.access import access_deployment

DATA = data_layer(Settings(), export("PicturesName", "The bucket.", "pictures"))
SERVICE = app_runner_layer()


def web(**fields: Any) -> Layer:
    return app_runner_layer(Settings(), Workload(**fields), name="web")


def reads(*names: str) -> Layer:
    return web(environment={f"VALUE_{number}": imported(name) for number, name in enumerate(names)})


ECS_TASKS = (
    'ECS tasks need data_layer(Settings(task_endpoints="one")) or, in an existing VPC, the place of the data layer: '
    "Workload(network=place)."
)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            (DATA, reads("PictureName")),
            "The layer web imports PictureName, which the layer data does not export. "
            "The nearest export to PictureName is PicturesName.",
        ),
        ((DATA, reads("Zzz")), "The layer web imports Zzz, which the layer data does not export."),
        ((DATA, reads("Aaa", "picturesname")), "imports Aaa, picturesname, which the layer data does not export."),
        (
            (DATA, Layer("more", "", (sns.Topic("T"), export("Topic", "", "t"))), reads("Topic")),
            "The layer more exports Topic, but a layer imports from one other layer only.",
        ),
        (
            (data_layer(Settings(), repository("Mailer")), SERVICE, web(memorydb=False, prefix="mailer")),
            "The nearest export to mailerRepositoryArn is MailerRepositoryArn.",
        ),
        (
            (DATA, SERVICE, web(memorydb=False, prefix="Mailer")),
            "The layer web imports MailerRepositoryArn, which the layer data does not export. "
            "Workload.prefix 'Mailer' needs repository('Mailer') there.",
        ),
        (
            (data_layer(Settings(), users=(user(), user("Mailer"))), web(prefix="Mailer")),
            "Workload.prefix 'Mailer' needs repository('Mailer') there.",
        ),
        (
            (data_layer(Settings(), repository("Mailer")), web(prefix="Mailer")),
            "Workload.prefix 'Mailer' needs user('Mailer') there.",
        ),
        *(
            ((data, ecs_express_layer()), f"which the layer {data.name} does not export. {ECS_TASKS}")
            for data in (
                data_layer(),
                data_layer(name="core", place=existing_network()),
                data_layer(place=existing_network("vpc-1", ["subnet-1", "subnet-2"])),
                data_layer(place=existing_network("vpc-1", ["subnet-1", "subnet-2"], task_subnet_ids=["subnet-3"])),
            )
        ),
        (
            (data_layer(users=[]), web()),
            "PasswordSecretArn, UserArn, UserName, which the layer data does not export. A service without MemoryDB is "
            "Workload(memorydb=False).",
        ),
        (
            (SERVICE, DATA),
            "The layer apprunner imports from data, which must be deployed before it and destroyed after it: "
            "put data before apprunner in the deployment shop.",
        ),
        ((SERVICE, data_layer(name="storage"), web()), "put storage before apprunner"),
        ((DATA, DATA), "Two layers of the deployment shop are named 'data'."),
        ((), "The deployment shop has no layer."),
        (DATA, "Deployment.layers of shop must be a tuple of layers, such as (data, service)."),
        ((DATA, s3.Bucket("Pictures")), "Deployment.layers of shop must be a tuple of layers"),
    ],
)
def test_layers_that_cannot_be_deployed_together_are_refused(layers: Any, message: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(message)):
        Deployment("shop", layers)


@pytest.mark.parametrize(
    "layers",
    [
        (reads("PictureName"),),
        # Their data stack is elsewhere.
        (SERVICE, web(prefix="Mailer")),
        # As this layer's is, which imports nothing of the data layer.
        (DATA, Layer("alerts", "", (sns.Topic("T", DisplayName=imported("ElsewhereName")),))),
        (web(repository="team/web", memorydb=False), data_layer(name="storage")),
        [DATA, reads("PicturesName")],
    ],
)
def test_a_data_stack_may_be_elsewhere(layers: Any) -> None:
    assert Deployment("shop", layers).layers == layers


@pytest.mark.parametrize("name", ["mail_er", "", "a.b", "a/b", "ä", "a b"])
def test_a_layer_is_named_as_a_stack_can_be(name: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(f"The layer name {name!r} must be letters, digits and hyphens")):
        app_runner_layer(name=name)


def test_the_name_of_a_stack_has_at_most_128_characters() -> None:
    layer = data_layer(name="n" * 122)
    assert len(layer.stack_name("users")) == 128
    with pytest.raises(UsageError, match=r"a name of 129 characters, and at most 128 are allowed"):
        layer.stack_name("users2")


# Any, so that a call with the wrong one is no error of types.
WORKLOAD: Any = Workload()
SETTINGS: Any = Settings()
BUCKET: Any = s3.Bucket("B")
USER: Any = user()
VPC: Any = "vpc-0a1b2c3d4e5f60718"
LAYER: Any = data_layer()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: app_runner_layer(WORKLOAD, SETTINGS), "app_runner_layer: the argument settings is of the type W"),
        (lambda: ecs_express_layer(WORKLOAD), "ecs_express_layer: the argument settings is of the type Workload"),
        (lambda: app_runner_layer(Settings(), BUCKET), "the argument workload is of the type Bucket, but must"),
        (lambda: data_layer(BUCKET), "data_layer: the argument settings is of the type Bucket, but must be Se"),
        (lambda: app_runner_deployment(WORKLOAD), "the argument settings is of the type Workload"),
        (lambda: ecs_express_deployment(WORKLOAD), "the argument settings is of the type Workload"),
        (lambda: data_layer(users=USER), "data_layer: the argument users is of the type User, but must be a list"),
        (lambda: data_layer(users=(VPC,)), "data_layer: one of the users is of the type str, but must be user"),
        (lambda: data_layer(place=VPC), "data_layer: the argument place is of the type str, but must be existing_n"),
        (lambda: access_deployment(LAYER), "access_deployment: the argument deployment is of the type Layer, but"),
        (lambda: export("Name", "", BUCKET), r"The value of export\('Name', …\) is of the type Bucket, but must be te"),
        (lambda: imported(BUCKET), "imported: the name is of the type Bucket, but must be that of an export as text"),
        (lambda: Input(BUCKET, "", ""), "Input.parameter is of the type Bucket, but must be Parameter"),
        (lambda: Deployment(LAYER, LAYER), "Deployment.name is of the type Layer, but must be text, such as shop."),
        (lambda: Verification(paths={"/": VPC}), r"Verification.paths\['/'\] is of the type str, but must be a status"),
    ],
)
def test_arguments_of_another_type_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        call()


def test_an_error_of_a_template_names_its_layer() -> None:
    with pytest.raises(TemplateError, match=r"^The layer web: Workload\.cpu 256 does not go with"):
        web(cpu=256)
    with pytest.raises(TemplateError, match=r"^The layer storage: Logical ID Repository is used twice"):
        data_layer(Settings(), s3.Bucket("Repository"), name="storage").text()
