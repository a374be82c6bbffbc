"""One role for each service, with what `schemas/topics.yaml` and its adapters need and nothing more."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import CfnOutput, Stack, Tags
from aws_cdk import aws_bedrock as bedrock
from aws_cdk import aws_iam as iam
from constructs import Construct

from floodgate_aws import models, topics
from floodgate_aws.data import CLUSTER, SECRETS, DataStack
from floodgate_aws.ingestion import IngestionStack
from floodgate_aws.profile import NAMESPACE, Site
from floodgate_aws.storage import FEATURE_GROUP

ASKS_MODELS: Final = ("firewall", "agent", "summarizer")
EMBEDS: Final = ("firewall", "agent", "knowledge")
READS_CATALOGUE: Final = ("ingest", "firewall", "agent", "delivery", "summarizer", "pulse", "console", "knowledge")
SERVICES: Final = tuple(name for name in SECRETS if name != "setup")
OTHERS: Final = {
    "setup": (NAMESPACE, "setup"),
    "keda": ("keda", "keda-operator"),
    "secrets": ("external-secrets", "external-secrets"),
    "balancer": ("kube-system", "aws-load-balancer-controller"),
}
"""Roles besides the services': namespace and service account."""


class IdentityStack(Stack):
    """Roles and inference profiles."""

    def __init__(
        self, scope: Construct, name: str, site: Site, data: DataStack, ingestion: IngestionStack, **kwargs: Any
    ) -> None:
        super().__init__(scope, name, **kwargs)
        self._site, self._data, self._ingestion = site, data, ingestion
        self._access = topics.access()
        self.accounts = {**{service: (NAMESPACE, service) for service in SERVICES}, **OTHERS}
        self.profiles = {service: self._inference_profile(service) for service in ASKS_MODELS}
        self.batch_role = self._batch_role()
        self.roles = {name: self._role(name, *self.accounts[name]) for name in self.accounts}
        for service in SERVICES:
            self._allow_service(service)
        self._allow_setup()
        self._allow_others()
        self.operator = self._operator()
        if site.eu_only:
            self._stay_in_the_union()
        for service, profile in self.profiles.items():
            CfnOutput(self, f"OutModel{service.title()}", value=profile.attr_inference_profile_arn)
        CfnOutput(self, "OutBatchRole", value=self.batch_role.role_arn)
        CfnOutput(self, "OutOperatorRole", value=self.operator.role_arn)

    def _inference_profile(self, service: str) -> Any:
        """Named after the service, so that its cost has a line of its own on the bill."""
        profile = bedrock.CfnApplicationInferenceProfile(
            self, f"Model{service.title()}Profile",
            inference_profile_name=f"floodgate-{service}",
            description=f"Model calls of {service}",
            model_source={"copyFrom": models.system_profile_arn(self._site, self.account)},
        )  # fmt: skip
        Tags.of(profile).add("service", service)
        return profile

    def _role(self, name: str, namespace: str, service_account: str) -> Any:
        """Taken by the pods of one service account of one namespace (EKS Pod Identity)."""
        who = iam.ServicePrincipal("pods.eks.amazonaws.com").with_conditions({
            "StringEquals": {
                "aws:SourceAccount": self.account,
                "aws:RequestTag/kubernetes-namespace": namespace,
                "aws:RequestTag/kubernetes-service-account": service_account,
            }
        })  # fmt: skip
        return iam.Role(
            self, f"{name.title()}Role",
            role_name=f"floodgate-{name}", assumed_by=who.with_session_tags(), description=f"Floodgate: {name}",
        )  # fmt: skip

    def _allow(self, role: Any, sid: str, actions: list[str], resources: list[str], **conditions: Any) -> None:
        role.add_to_policy(
            iam.PolicyStatement(sid=sid, actions=actions, resources=resources, conditions=conditions or None)
        )

    # What services are allowed

    def _allow_service(self, service: str) -> None:
        role, content = self.roles[service], self._data.buckets.content
        if service in self._access:
            self._allow_kafka(role, self._access[service])
        if service in READS_CATALOGUE:
            self._allow_objects(role, "Catalogue", content, "catalogue/*", ["s3:GetObject"])
        if service in ASKS_MODELS:
            for statement in models.may_ask(self._site, self.account, self.profiles[service]):
                role.add_to_policy(statement)
        if service in EMBEDS:
            self._allow(role, "Embed", ["bedrock:InvokeModel"], [models.embed_arn(self._site)])
        extra = getattr(self, f"_allow_{service}", None)
        if extra is not None:
            extra(role)
        self._allow_key(role)

    def _allow_kafka(self, role: Any, access: topics.Access) -> None:
        """See AWS's list of actions of MSK's IAM access control."""
        cluster = ["kafka-cluster:Connect", *(["kafka-cluster:WriteDataIdempotently"] if access.writes else [])]
        self._allow(role, "KafkaConnect", cluster, [self._data.kafka.ref])
        for sid, actions, kind, names in (
            ("KafkaRead", ["DescribeTopic", "ReadData"], "topic", access.reads),
            ("KafkaWrite", ["DescribeTopic", "WriteData"], "topic", access.writes),
            ("KafkaLook", ["DescribeTopic"], "topic", access.looks),
            ("KafkaJoin", ["AlterGroup", "DescribeGroup"], "group", access.groups),
            ("KafkaSeeGroups", ["DescribeGroup"], "group", access.seen_groups),
            (
                "KafkaTransact",
                ["AlterTransactionalId", "DescribeTransactionalId"],
                "transactional-id",
                access.transactions,
            ),
        ):
            if names:
                self._allow(
                    role, sid, [f"kafka-cluster:{each}" for each in actions], [self._kafka(kind, n) for n in names]
                )

    def _kafka(self, kind: str, name: str) -> str:
        """ARN of a topic, group or transactional id. `*` stands for the part of the cluster's ARN that AWS makes up."""
        return f"arn:aws:kafka:{self.region}:{self.account}:{kind}/{CLUSTER}/*/{name}"

    def _allow_objects(self, role: Any, sid: str, bucket: Any, keys: str, actions: list[str]) -> None:
        """Listing too: without it S3 answers 403 for an object that is not there."""
        self._allow(role, sid, actions, [bucket.arn_for_objects(keys)])
        self._allow(role, f"{sid}List", ["s3:ListBucket"], [bucket.bucket_arn], StringLike={"s3:prefix": [keys]})

    def _allow_key(self, role: Any) -> None:
        services = [f"{name}.{self.region}.amazonaws.com" for name in ("s3", "sqs", "sagemaker")]
        self._allow(
            role, "Key", ["kms:Decrypt", "kms:GenerateDataKey"], [self._data.key.key_arn],
            StringEquals={"kms:ViaService": services},
        )  # fmt: skip

    def _allow_ingest(self, role: Any) -> None:
        queue = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
        self._allow(role, "Queue", queue, [self._ingestion.queue.queue_arn])
        self._allow_objects(role, "Drops", self._data.buckets.drops, "interactions/*", ["s3:GetObject"])

    def _allow_agent(self, role: Any) -> None:
        """Where actions are counted against their limits."""
        self._allow_objects(role, "Limits", self._data.buckets.content, "agent/*", ["s3:GetObject", "s3:PutObject"])

    def _allow_summarizer(self, role: Any) -> None:
        store = ["sagemaker:PutRecord", "sagemaker:BatchWriteRecord", "sagemaker:GetRecord"]
        self._allow(role, "Features", store, [self._feature_group_arn()])
        both = ["s3:GetObject", "s3:PutObject"]
        self._allow_objects(role, "Batches", self._data.buckets.batches, "*", both)
        # The ledger counts dropped objects; it reads none.
        drops = self._data.buckets.drops.bucket_arn
        self._allow(role, "Drops", ["s3:ListBucket"], [drops], StringLike={"s3:prefix": ["interactions/*"]})
        for statement in models.may_batch(self._site, self.account):
            role.add_to_policy(statement)
        self._allow(
            role, "HandBatchesOver", ["iam:PassRole"], [self.batch_role.role_arn],
            StringEquals={"iam:PassedToService": "bedrock.amazonaws.com"},
        )  # fmt: skip

    def _allow_knowledge(self, role: Any) -> None:
        all_of_it = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        for sid, keys in (("Knowledge", "knowledge/*"), ("KnowledgeSources", "knowledge-sources/*")):
            self._allow_objects(role, sid, self._data.buckets.content, keys, all_of_it)

    def _allow_setup(self) -> None:
        role = self.roles["setup"]
        self._allow(role, "KafkaConnect", ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster"],
                    [self._data.kafka.ref])  # fmt: skip
        actions = ["CreateTopic", "DescribeTopic", "AlterTopic", "DescribeTopicDynamicConfiguration",
                   "AlterTopicDynamicConfiguration"]  # fmt: skip
        self._allow(role, "KafkaTopics", [f"kafka-cluster:{each}" for each in actions],
                    [self._kafka("topic", "support.*")])  # fmt: skip
        group = ["sagemaker:DescribeFeatureGroup", "sagemaker:UpdateFeatureGroup"]
        self._allow(role, "Features", group, [self._feature_group_arn()])
        self._allow_key(role)

    # What what is around them is allowed

    def _allow_others(self) -> None:
        keda = self.roles["keda"]
        self._allow(keda, "KafkaConnect", ["kafka-cluster:Connect"], [self._data.kafka.ref])
        self._allow(keda, "KafkaSee", ["kafka-cluster:DescribeTopic"], [self._kafka("topic", "support.*")])
        self._allow(keda, "KafkaSeeGroups", ["kafka-cluster:DescribeGroup"], [self._kafka("group", "floodgate.*")])
        secrets = self.roles["secrets"]
        read = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        database = self._data.registry.attr_master_user_secret_secret_arn
        self._allow(secrets, "Read", read, [*(each.ref for each in self._data.secrets.values()), database])
        self._allow(secrets, "Key", ["kms:Decrypt"], [self._data.key.key_arn],
                    StringEquals={"kms:ViaService": f"secretsmanager.{self.region}.amazonaws.com"})  # fmt: skip
        balancer = self.roles["balancer"]
        self._allow(
            balancer, "Register",
            ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"],
            [self._ingestion.target.ref],
        )  # fmt: skip
        self._allow(
            balancer, "Look",
            ["elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth",
             "elasticloadbalancing:DescribeTags", "ec2:DescribeVpcs", "ec2:DescribeInstances",
             "ec2:DescribeNetworkInterfaces", "ec2:DescribeAvailabilityZones"],
            ["*"],
        )  # fmt: skip

    def _operator(self) -> Any:
        """A person at the command line: dead letters, modes, publishing a catalogue, looking."""
        role = iam.Role(
            self, "OperatorRole", role_name="floodgate-operator", assumed_by=iam.AccountRootPrincipal(),
            description="Floodgate: a person at the command line",
        )  # fmt: skip
        self._allow_kafka(role, self._access["operator"])
        both = ["s3:GetObject", "s3:PutObject"]
        self._allow_objects(role, "Catalogue", self._data.buckets.content, "catalogue/*", both)
        self._allow(role, "Features", ["sagemaker:GetRecord"], [self._feature_group_arn()])
        self._allow_key(role)
        return role

    def _batch_role(self) -> Any:
        """Bedrock's own, to read a job's input and write its output."""
        role = iam.Role(
            self, "BatchRole", role_name="floodgate-batch",
            assumed_by=iam.ServicePrincipal("bedrock.amazonaws.com").with_conditions({
                "StringEquals": {"aws:SourceAccount": self.account},
                "ArnEquals": {"aws:SourceArn": models.jobs_arn(self._site, self.account)},
            }),
            description="Bedrock reads and writes batch jobs",
        )  # fmt: skip
        bucket = self._data.buckets.batches
        self._allow_objects(role, "Input", bucket, "input/*", ["s3:GetObject"])
        self._allow_objects(role, "Output", bucket, "output/*", ["s3:PutObject"])
        for statement in models.may_ask(self._site, self.account, None):
            role.add_to_policy(statement)
        self._allow_key(role)
        return role

    def _feature_group_arn(self) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:feature-group/{FEATURE_GROUP}"

    def _stay_in_the_union(self) -> None:
        """Denied wherever it would be allowed, by whatever policy is added later."""
        asked = [self.roles[name] for name in sorted({*ASKS_MODELS, *EMBEDS})]
        policy = iam.ManagedPolicy(
            self, "StayInTheUnion", managed_policy_name="floodgate-eu-only",
            description="No model is asked outside the European Union",
            statements=models.only_in_the_union(), roles=[*asked, self.batch_role, self.operator],
        )  # fmt: skip
        CfnOutput(self, "OutEuOnlyPolicy", value=policy.managed_policy_arn)
