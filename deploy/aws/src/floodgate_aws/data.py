"""What keeps things: Kafka, OpenSearch, the registry's database, S3, the feature group, the secrets."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_msk as msk
from aws_cdk import aws_opensearchservice as opensearch
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from floodgate_aws.logs import log_group
from floodgate_aws.network import NetworkStack
from floodgate_aws.profile import Site
from floodgate_aws.storage import FEATURE_GROUP, Buckets, make_feature_group, make_key

SECRETS: Final = (
    "ingest", "firewall", "agent", "delivery", "summarizer", "pulse", "console", "knowledge", "setup",
)  # fmt: skip
"""One for each Kubernetes secret that the manifests name: a JSON object of environment variables."""
CLUSTER: Final = "floodgate"
DOMAIN: Final = "floodgate"
_SERVER_PROPERTIES: Final = """\
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
unclean.leader.election.enable=false
delete.topic.enable=true
"""


class DataStack(Stack):
    """Everything whose loss would be one: protected against deletion."""

    def __init__(self, scope: Construct, name: str, site: Site, network: NetworkStack, **kwargs: Any) -> None:
        super().__init__(scope, name, termination_protection=True, **kwargs)
        self._site, self._network = site, network
        self.key = make_key(self, self.account, self.region)
        self.buckets = Buckets(self, self.key)
        self.kafka = self._kafka()
        self.search = self._search()
        self.registry = self._registry()
        self.features, self.features_role = make_feature_group(self, self.key, self.buckets.offline)
        self.secrets = {service: self._secret(service) for service in SECRETS}
        for output, value in {
            "KafkaArn": self.kafka.ref,
            "SearchEndpoint": self.search.attr_domain_endpoint,
            "SearchMaster": self.search_master.ref,
            "RegistryEndpoint": self.registry.attr_endpoint_address,
            "RegistrySecret": self.registry.attr_master_user_secret_secret_arn,
            "ContentBucket": self.buckets.content.bucket_name,
            "DropsBucket": self.buckets.drops.bucket_name,
            "BatchBucket": self.buckets.batches.bucket_name,
            "FeatureGroup": FEATURE_GROUP,
            "FeatureStoreRole": self.features_role.role_arn,
        }.items():
            CfnOutput(self, f"Out{output}", value=value)

    def _kafka(self) -> Any:
        profile = self._site.profile
        settings = msk.CfnConfiguration(
            self, "KafkaSettings", name="floodgate", server_properties=_SERVER_PROPERTIES,
            description="Three copies, two of them in sync for every write",
        )  # fmt: skip
        written = log_group(self, "KafkaLogs", "/floodgate/kafka", self.key.key_arn)
        cluster = msk.CfnCluster(
            self, "Kafka",
            cluster_name=CLUSTER,
            kafka_version=self._site.kafka_version,
            number_of_broker_nodes=profile.brokers,
            broker_node_group_info={
                "instanceType": profile.broker_type,
                "clientSubnets": self._network.data_subnets,
                "securityGroups": [self._network.kafka.security_group_id],
                "storageInfo": {"ebsStorageInfo": {"volumeSize": profile.broker_storage_gb}},
                "connectivityInfo": {"publicAccess": {"type": "DISABLED"}},
            },
            client_authentication={"sasl": {"iam": {"enabled": True}}, "unauthenticated": {"enabled": False}},
            configuration_info={"arn": settings.attr_arn, "revision": settings.attr_latest_revision_revision},
            encryption_info={
                "encryptionAtRest": {"dataVolumeKmsKeyId": self.key.key_arn},
                "encryptionInTransit": {"clientBroker": "TLS", "inCluster": True},
            },
            enhanced_monitoring="PER_BROKER",
            logging_info={"brokerLogs": {"cloudWatchLogs": {"enabled": True, "logGroup": written.ref}}},
        )  # fmt: skip
        cluster.apply_removal_policy(RemovalPolicy.RETAIN)
        return cluster

    def _search(self) -> Any:
        profile = self._site.profile
        self.search_master = secretsmanager.CfnSecret(
            self, "SearchMaster", name="floodgate/opensearch-master", kms_key_id=self.key.key_arn,
            description="OpenSearch's first user: makes the services' users, nothing else",
            generate_secret_string={
                "secretStringTemplate": '{"username":"master"}', "generateStringKey": "password",
                "passwordLength": 32, "excludeCharacters": "\"'\\/@",
            },
        )  # fmt: skip
        user, password = (
            f"{{{{resolve:secretsmanager:{self.search_master.ref}:SecretString:{field}}}}}"
            for field in ("username", "password")
        )
        written = log_group(self, "SearchLogs", "/floodgate/opensearch", self.key.key_arn)
        allowed = logs.CfnResourcePolicy(
            self, "SearchMayLog", policy_name="floodgate-opensearch", policy_document=self.to_json_string({
                "Version": "2012-10-17",
                "Statement": [{
                    "Effect": "Allow", "Principal": {"Service": "es.amazonaws.com"},
                    "Action": ["logs:PutLogEvents", "logs:CreateLogStream"], "Resource": written.attr_arn,
                    "Condition": {"StringEquals": {"aws:SourceAccount": self.account}},
                }],
            }),
        )  # fmt: skip
        domain = opensearch.CfnDomain(
            self, "Search",
            domain_name=DOMAIN,
            engine_version=self._site.search_version,
            cluster_config={
                "instanceType": profile.search_type, "instanceCount": profile.search_nodes,
                "zoneAwarenessEnabled": True,
                "zoneAwarenessConfig": {"availabilityZoneCount": min(profile.search_nodes, 3)},
            },
            ebs_options={"ebsEnabled": True, "volumeType": "gp3", "volumeSize": profile.search_storage_gb},
            vpc_options={
                "subnetIds": self._network.data_subnets[: min(profile.search_nodes, 3)],
                "securityGroupIds": [self._network.search.security_group_id],
            },
            encryption_at_rest_options={"enabled": True, "kmsKeyId": self.key.key_id},
            node_to_node_encryption_options={"enabled": True},
            domain_endpoint_options={"enforceHttps": True, "tlsSecurityPolicy": "Policy-Min-TLS-1-2-PFS-2023-10"},
            advanced_security_options={
                "enabled": True, "internalUserDatabaseEnabled": True,
                "masterUserOptions": {"masterUserName": user, "masterUserPassword": password},
            },
            # Who may do what is OpenSearch's own (users and roles); who may reach it, the security group's.
            access_policies={
                "Version": "2012-10-17",
                "Statement": [{
                    "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "es:ESHttp*",
                    "Resource": f"arn:aws:es:{self.region}:{self.account}:domain/{DOMAIN}/*",
                }],
            },
            log_publishing_options={
                "ES_APPLICATION_LOGS": {"enabled": True, "cloudWatchLogsLogGroupArn": written.attr_arn}
            },
        )  # fmt: skip
        domain.add_resource_dependency(allowed)
        domain.apply_removal_policy(RemovalPolicy.RETAIN)
        return domain

    def _registry(self) -> Any:
        """Losing the registry's ids would make every record on the topics unreadable: backed up, as nothing else is."""
        subnets = rds.CfnDBSubnetGroup(
            self, "RegistrySubnets", db_subnet_group_description="Schema registry",
            subnet_ids=self._network.data_subnets,
        )  # fmt: skip
        database = rds.CfnDBInstance(
            self, "Registry",
            engine="postgres", engine_version="17.6", db_name="registry", port="5432",
            db_instance_class=self._site.profile.registry_type, multi_az=self._site.profile.registry_multi_az,
            allocated_storage="20", storage_type="gp3", storage_encrypted=True, kms_key_id=self.key.key_arn,
            master_username="registry", manage_master_user_password=True,
            master_user_secret={"kmsKeyId": self.key.key_arn},
            db_subnet_group_name=subnets.ref, vpc_security_groups=[self._network.registry.security_group_id],
            publicly_accessible=False, backup_retention_period=14, deletion_protection=True,
            copy_tags_to_snapshot=True, auto_minor_version_upgrade=True,
        )  # fmt: skip
        database.apply_removal_policy(RemovalPolicy.SNAPSHOT)
        return database

    def _secret(self, service: str) -> Any:
        """Without a value: whoever sets the service up puts it in."""
        secret = secretsmanager.CfnSecret(
            self, f"SecretOf{service.title()}", name=f"floodgate/{service}", kms_key_id=self.key.key_arn,
            description=f"Environment of {service}, as a JSON object",
        )  # fmt: skip
        secret.apply_removal_policy(RemovalPolicy.RETAIN)
        return secret
