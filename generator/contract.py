"""What more than one module relies on: what the data layer exports, what a compute layer asks for, what the service
reads. Changing a name here changes a deployed system's interface.
"""

from __future__ import annotations

# Layers; the stack is <name>-<layer> and the file, but for the data layer of ECS, templates/<layer>-layer.json.
DATA_LAYER = "data"
APP_RUNNER_LAYER = "apprunner"
ECS_EXPRESS_LAYER = "ecs-express"

# Outputs of the data layer, exported as <stack name>-<output>.
VPC_ID = "VpcId"
PRIVATE_SUBNET_IDS = "PrivateSubnetIds"
MEMORYDB_SECURITY_GROUP_ID = "MemoryDbSecurityGroupId"
CLUSTER_ENDPOINT = "ClusterEndpoint"
CLUSTER_NAME = "ClusterName"
CLUSTER_ARN = "ClusterArn"
USER_NAME = "UserName"
USER_ARN = "UserArn"
# Only with a password.
PASSWORD_SECRET_ARN = "PasswordSecretArn"
REPOSITORY_URI = "RepositoryUri"
REPOSITORY_ARN = "RepositoryArn"

# Outputs that a data layer has besides when ECS tasks may run in its network.
TASK_SUBNET_IDS = "TaskSubnetIds"
TASK_ENDPOINT_SECURITY_GROUP_ID = "TaskEndpointSecurityGroupId"

# The data layer's cluster leaves a snapshot of this name, a hyphen and the stack's ID without its hyphens.
FINAL_SNAPSHOT_LABEL = "final"

# Of every layer: how the service logs in to MemoryDB, and the two ways.
AUTHENTICATION = "Authentication"
PASSWORD = "password"
IAM = "iam"
# Of letters and digits, because MemoryDB refuses , " / and @ in a password.
PASSWORD_LENGTH = 64

# Parameters of a compute layer that have no default.
DATA_STACK_NAME = "DataStackName"
IMAGE_URI = "ImageUri"

# A parameter of every layer with roles, and an output of the access layer.
PERMISSIONS_BOUNDARY_ARN = "PermissionsBoundaryArn"
# A parameter of the access layer: the prefix of the stacks' names, which --name is.
DEPLOYMENT_NAME = "DeploymentName"
ACCESS_LAYER = "access"

# Outputs of a compute layer.
SERVICE_ARN = "ServiceArn"
SERVICE_URL = "ServiceUrl"

# The service: where it listens, what it reads from its environment, what it may touch in Redis.
SERVICE_PORT = 8080
HEALTH_PATH = "/health"
READY_PATH = "/ready"
ENV_CLUSTER_ENDPOINT = "MEMORYDB_CLUSTER_ENDPOINT"
ENV_USERNAME = "MEMORYDB_USERNAME"
ENV_PASSWORD = "MEMORYDB_PASSWORD"
# With IAM these stand in the password's place.
ENV_AUTHENTICATION = "MEMORYDB_AUTHENTICATION"
ENV_CLUSTER_NAME = "MEMORYDB_CLUSTER_NAME"
ENV_REGION = "AWS_REGION"
# App Runner sets it itself and refuses it among the variables; ECS leaves it to the template.
ENV_PORT = "PORT"

MEMORYDB_PORT = 6379
USER_KEYS = "user:*"
# hset, hgetall and del are the service's own, multi and exec make its replacement of a user atomic, ping says whether
# a shard answers; the rest finds nodes and follows a moving slot. redis-py's cluster client, which
# the service does not use, needs "command" as well.
USER_COMMANDS = ("hset", "hgetall", "del", "multi", "exec", "watch", "cluster|slots", "ping", "asking")

# Bytes that CloudFormation takes as the template of a request (CloudFormation user guide, "Quotas").
TEMPLATE_BODY_LIMIT = 51_200
