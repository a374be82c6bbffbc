"""What every site has: encrypted, closed, kept, linted, the same at every synthesis."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from aws_cdk.assertions import Match
from conftest import PLACE, Synthesised, listed
from floodgate_aws.app import build
from floodgate_aws.profile import Site

# Statements over "*", by stack and Sid or first action, each with the reason why it has to be.
EVERYTHING: dict[tuple[str, str], str] = {
    ("Data", "kms:*"): "a key's policy: * is that key, and without its account nobody could ever change it",
    ("Data", "Logs"): "a key's policy: * is that key",
    ("Data", "Events"): "a key's policy: * is that key",
    ("Data", "Alarms"): "a key's policy: * is that key",
    ("Data", "Budgets"): "a key's policy: * is that key",
    ("Network", "bedrock:InvokeModel"): "an endpoint's policy: narrows to our account; roles say which models",
    ("Identity", "ListJobs"): "the action knows no resources",
    ("Identity", "Look"): "Describe actions of load balancers and EC2 know no resources",
    ("Identity", "OnlyUnion"): "a denial",
}
# cfn-lint's rules that do not fit, each with the reason.
LINT_IGNORED = {"W3010": "zones are named, so that a synthesis asks AWS nothing and is the same everywhere"}
# Principals "*", likewise.
ANYBODY = {
    "Data/Search": "OpenSearch knows its own users; the security group says who reaches it",
    "Network/ToBedrockRuntime": "an endpoint's policy: the condition narrows it to our account",
}


def test_nothing_is_allowed_on_everything_but_what_is_listed_with_its_reason(site: Synthesised) -> None:
    found = {
        (where.split("/")[0], statement.get("Sid") or listed(statement["Action"])[0])
        for where, statement in site.statements()
        if "*" in listed(statement.get("Resource", []))
    }
    assert found == set(EVERYTHING)


def test_no_role_may_do_every_action_of_a_service(site: Synthesised) -> None:
    wild = {
        (where, action)
        for where, statement in site.statements()
        for action in listed(statement["Action"])
        if statement["Effect"] == "Allow"
        and action.endswith("*")
        and not where.startswith("Data/Key")
        # the load balancer's and OpenSearch's own actions, and S3's log delivery, are of resource policies
        and "Principal" not in statement
    }
    assert wild == set()


def test_only_listed_policies_have_anybody_as_principal(site: Synthesised) -> None:
    anybody = {
        where
        for where, statement in site.statements()
        if statement["Effect"] == "Allow" and statement.get("Principal") in ("*", {"AWS": "*"})
    }
    assert {next((known for known in ANYBODY if where.startswith(known)), where) for where in anybody} == set(ANYBODY)


def test_buckets_are_encrypted_closed_versioned_and_answer_tls_alone(site: Synthesised) -> None:
    buckets = site.properties("AWS::S3::Bucket")
    assert len(buckets) == 5
    for bucket in buckets:
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert bucket["LifecycleConfiguration"]["Rules"]
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    for policy in site.properties("AWS::S3::BucketPolicy"):
        denied = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Deny"]
        assert any(each["Condition"] == plain for each in denied)


def test_kafka_takes_iam_over_tls_alone_and_keeps_three_copies(site: Synthesised) -> None:
    site["Data"].has_resource_properties(
        "AWS::MSK::Cluster",
        {
            "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}, "Unauthenticated": {"Enabled": False}},
            "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": "TLS", "InCluster": True},
                               "EncryptionAtRest": Match.any_value()},
            "BrokerNodeGroupInfo": Match.object_like({"ConnectivityInfo": {"PublicAccess": {"Type": "DISABLED"}}}),
        },
    )  # fmt: skip
    [settings] = site.properties("AWS::MSK::Configuration")
    lines = settings["ServerProperties"].splitlines()
    assert {"default.replication.factor=3", "min.insync.replicas=2", "auto.create.topics.enable=false"} <= set(lines)


def test_search_registry_queues_logs_and_images_are_encrypted(site: Synthesised) -> None:
    [domain] = site.properties("AWS::OpenSearchService::Domain")
    assert domain["EncryptionAtRestOptions"]["Enabled"] is True
    assert domain["NodeToNodeEncryptionOptions"] == {"Enabled": True}
    assert domain["DomainEndpointOptions"]["EnforceHTTPS"] is True
    assert domain["AdvancedSecurityOptions"]["Enabled"] is True
    assert domain["VPCOptions"]["SubnetIds"]
    [database] = site.properties("AWS::RDS::DBInstance")
    assert database["StorageEncrypted"] is True
    assert database["PubliclyAccessible"] is False
    assert database["ManageMasterUserPassword"] is True
    assert all("KmsMasterKeyId" in queue for queue in site.properties("AWS::SQS::Queue"))
    ours = [group for group in site.properties("AWS::Logs::LogGroup") if "LogGroupName" in group]
    assert len(ours) == 3
    assert all("KmsKeyId" in group and group["RetentionInDays"] == 30 for group in ours)
    assert all(
        image["EncryptionConfiguration"]["EncryptionType"] == "KMS" for image in site.properties("AWS::ECR::Repository")
    )
    [template] = site.properties("AWS::EC2::LaunchTemplate")
    data = template["LaunchTemplateData"]
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert all(each["Ebs"]["Encrypted"] is True for each in data["BlockDeviceMappings"])


def test_nothing_is_reachable_from_the_internet_but_the_api(site: Synthesised) -> None:
    for where, rule in site.resources("AWS::EC2::SecurityGroupIngress"):
        assert "SourceSecurityGroupId" in rule["Properties"], where
    for where, group in site.resources("AWS::EC2::SecurityGroup"):
        assert "SecurityGroupIngress" not in group["Properties"], where
    assert [balancer["Scheme"] for balancer in site.properties("AWS::ElasticLoadBalancingV2::LoadBalancer")] == [
        "internal"
    ]
    assert not any(subnet.get("MapPublicIpOnLaunch") for subnet in site.properties("AWS::EC2::Subnet"))
    [cluster] = site.properties("AWS::EKS::Cluster")
    assert cluster["ResourcesVpcConfig"]["EndpointPublicAccess"] is False
    routes = {route["RouteKey"] for route in site.properties("AWS::ApiGatewayV2::Route")}
    assert routes == {
        "POST /webhooks/intercom", "HEAD /webhooks/intercom", "POST /v1/messages", "GET /v1/conversations/{id}",
        "POST /v1/conversations/{id}/close",
    }  # fmt: skip


def test_what_would_be_a_loss_is_not_deleted_with_its_stack(site: Synthesised) -> None:
    kept = {"AWS::S3::Bucket", "AWS::MSK::Cluster", "AWS::OpenSearchService::Domain", "AWS::KMS::Key",
            "AWS::SageMaker::FeatureGroup"}  # fmt: skip
    for where, resource in site.resources():
        if resource["Type"] in kept:
            assert resource["DeletionPolicy"] == "Retain", where
        if resource["Type"] == "AWS::RDS::DBInstance":
            assert resource["DeletionPolicy"] == "Snapshot"


def test_secrets_have_no_value_but_the_one_that_secrets_manager_makes(site: Synthesised) -> None:
    secrets = site.properties("AWS::SecretsManager::Secret")
    assert all("SecretString" not in secret for secret in secrets)
    assert [secret["Name"] for secret in secrets if "GenerateSecretString" in secret] == ["floodgate/opensearch-master"]


def test_no_function_comes_along(site: Synthesised) -> None:
    """CDK's constructs like to bring Lambda functions with wide roles."""
    kinds = {resource["Type"] for _, resource in site.resources()}
    assert not {kind for kind in kinds if kind.startswith(("AWS::Lambda", "Custom::"))}


def test_every_alarm_tells_somebody_and_names_a_remedy(site: Synthesised) -> None:
    alarms = site.properties("AWS::CloudWatch::Alarm")
    assert len(alarms) == len({alarm["AlarmName"] for alarm in alarms})
    for alarm in alarms:
        assert alarm["AlarmActions"], alarm["AlarmName"]
        assert len(alarm["AlarmDescription"]) > 20, alarm["AlarmName"]
    assert {alarm["Namespace"] for alarm in alarms} == {
        "AWS/Kafka", "AWS/ES", "AWS/RDS", "AWS/ApiGateway", "AWS/NetworkELB", "AWS/SQS", "AWS/Bedrock",
    }  # fmt: skip
    assert len(site.properties("AWS::Budgets::Budget")) == 1


def test_dropped_objects_reach_the_queue_and_what_cannot_is_kept(site: Synthesised) -> None:
    [rule] = site.properties("AWS::Events::Rule")
    assert rule["EventPattern"]["detail-type"] == ["Object Created"]
    assert rule["EventPattern"]["detail"]["object"] == {"key": [{"prefix": "interactions/"}]}
    [target] = rule["Targets"]
    assert target["DeadLetterConfig"]["Arn"] != target["Arn"]
    tells = [bucket for bucket in site.properties("AWS::S3::Bucket") if "NotificationConfiguration" in bucket]
    assert len(tells) == 1


def test_templates_pass_cfn_lint(site: Synthesised) -> None:
    said = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), "--format", "parseable", "--ignore-checks", *LINT_IGNORED,
         "--template", *map(str, site.files)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.stdout + said.stderr == ""
    assert said.returncode == 0


def test_a_second_synthesis_is_the_same(small: Synthesised, tmp_path: Any) -> None:
    build(Site.read({**PLACE, "profile": "small"}), str(tmp_path)).synth()
    for file in small.files:
        assert (
            json.loads((tmp_path / file.name).read_text())
            == small.templates[file.name.removeprefix("Floodgate").removesuffix(".template.json")]
        )


def test_no_resource_list_of_a_role_is_longer_than_iam_allows(site: Synthesised) -> None:
    for where, policy in site.resources("AWS::IAM::Policy"):
        document = policy["Properties"]["PolicyDocument"]
        assert len(json.dumps(document, separators=(",", ":"))) < 10_240, where
    assert len(json.dumps(site.templates["Identity"])) < 1_000_000
