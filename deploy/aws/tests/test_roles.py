"""Every role has what `schemas/topics.yaml` says, and nothing of another's."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from conftest import ACCOUNT, Synthesised, listed, synthesised
from floodgate_aws.identity import OTHERS, SERVICES
from floodgate_aws.profile import EU_REGIONS
from floodgate_aws.topics import ROOT, services

CONTRACT: dict[str, Any] = yaml.safe_load((ROOT / "schemas/topics.yaml").read_text(encoding="utf-8"))
ROLE_OF = {name: name.partition("-")[0] for name in services()}
WITH_KAFKA = sorted(set(ROLE_OF.values()) - {"connector"})


def names_of(role: str) -> set[str]:
    """By which the contract calls the services of a role."""
    found: set[str] = set()
    for name, entry in services().items():
        if ROLE_OF[name] == role:
            found |= {*entry.get("processors", ()), *entry.get("consumers", ()), *entry.get("as", ()), f"{name}-tail"}
    return found


def topics_of(site: Synthesised, role: str, action: str) -> set[str]:
    return {
        resource.rpartition("/")[2]
        for statement in site.role_statements(role)
        if f"kafka-cluster:{action}" in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


@pytest.mark.parametrize("role", WITH_KAFKA)
@pytest.mark.parametrize(("action", "part"), [("ReadData", "readers"), ("WriteData", "writers")])
def test_a_role_reads_and_writes_exactly_the_topics_that_name_it(
    small: Synthesised, role: str, action: str, part: str
) -> None:
    named = {topic for topic, entry in CONTRACT["topics"].items() if names_of(role) & set(entry[part])}
    assert topics_of(small, role, action) == named


def test_kafkas_resources_are_of_our_cluster_and_account(small: Synthesised) -> None:
    for where, statement in small.statements():
        if any(str(action).startswith("kafka-cluster:") for action in listed(statement["Action"])):
            for resource in listed(statement["Resource"]):
                begins = f"arn:aws:kafka:eu-central-1:{ACCOUNT}:"
                assert isinstance(resource, dict) or resource.startswith(begins), where
                assert isinstance(resource, dict) or "/floodgate/*/" in resource, where


def processors_of(role: str, *kinds: str) -> set[str]:
    own = [entry for name, entry in services().items() if ROLE_OF[name] == role]
    return {each for entry in own for kind in kinds for each in entry.get(kind, ())}


@pytest.mark.parametrize("role", WITH_KAFKA)
def test_groups_and_transactions_are_a_roles_own(small: Synthesised, role: str) -> None:
    joined = {f"floodgate.{each}" for each in processors_of(role, "processors", "consumers")}
    assert topics_of(small, role, "AlterGroup") == joined
    transactions = {f"floodgate.{each}-*" for each in processors_of(role, "processors")}
    if "redrive" in names_of(role):
        transactions.add("floodgate-redrive*")
    assert topics_of(small, role, "AlterTransactionalId") == transactions


def test_every_service_has_a_role_that_only_its_pods_take(small: Synthesised) -> None:
    roles = {role["RoleName"]: role for role in small.properties("AWS::IAM::Role") if "RoleName" in role}
    bound = {
        (each["Namespace"], each["ServiceAccount"]) for each in small.properties("AWS::EKS::PodIdentityAssociation")
    }
    assert bound == {*(("floodgate", service) for service in SERVICES), *OTHERS.values()}
    for service in SERVICES:
        [statement] = roles[f"floodgate-{service}"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
        assert statement["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-service-account"] == service


def test_models_are_asked_through_named_profiles_alone(small: Synthesised) -> None:
    for role in ("firewall", "agent", "summarizer"):
        asks = [s for s in small.role_statements(role) if "bedrock:InvokeModel" in listed(s["Action"])]
        by_sid = {statement["Sid"]: statement for statement in asks}
        assert set(by_sid) <= {"Ask", "AskThroughProfiles", "Embed"}
        system, own = by_sid["Ask"]["Resource"]
        assert system == f"arn:aws:bedrock:eu-central-1:{ACCOUNT}:inference-profile/eu.amazon.nova-lite-v1:0"
        assert own["Fn::GetAtt"][0].startswith(f"Model{role.title()}Profile")
        assert "bedrock:InferenceProfileArn" in by_sid["AskThroughProfiles"]["Condition"]["StringEquals"]
    assert not [s for s in small.role_statements("delivery") if "bedrock" in str(s["Action"])]


def test_the_union_alone_is_enforced_for_everybody_who_asks_a_model(site: Synthesised) -> None:
    [policy] = site.properties("AWS::IAM::ManagedPolicy")
    by_sid = {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}
    assert {statement["Effect"] for statement in by_sid.values()} == {"Deny"}
    assert by_sid["OnlyUnion"]["Condition"] == {"StringNotEquals": {"aws:RequestedRegion": list(EU_REGIONS)}}
    held = {role["Ref"].split("Role")[0] for role in policy["Roles"]}
    assert held == {"Firewall", "Agent", "Summarizer", "Knowledge", "Batch", "Operator"}
    asking = {
        where.split("/")[1].split("Role")[0]
        for where, resource in site.resources("AWS::IAM::Policy")
        if "bedrock:InvokeModel" in str(resource) or "bedrock:CreateModel" in str(resource)
    }
    assert asking <= held
    for where, statement in site.statements():
        if statement["Effect"] == "Allow" and "bedrock" in str(statement["Action"]):
            for region in ("us-east-1", "eu-west-2", "eu-central-2", "global."):
                assert region not in str(statement["Resource"]), where


def test_buckets_and_queues_are_reached_by_those_who_need_them(small: Synthesised) -> None:
    def objects(role: str, action: str) -> set[str]:
        return {
            str(resource["Fn::Join"][1][-1])
            for statement in small.role_statements(role)
            if action in listed(statement["Action"])
            for resource in listed(statement["Resource"])
        }

    assert objects("ingest", "s3:GetObject") == {"/catalogue/*", "/interactions/*"}
    assert objects("ingest", "s3:PutObject") == set()
    assert objects("agent", "s3:PutObject") == {"/agent/*"}
    assert objects("firewall", "s3:PutObject") == set()
    assert objects("knowledge", "s3:DeleteObject") == {"/knowledge/*", "/knowledge-sources/*"}
    takes = [role for role in SERVICES if "sqs:ReceiveMessage" in str(small.role_statements(role))]
    assert takes == ["ingest"]
    stores = [role for role in SERVICES if "sagemaker:PutRecord" in str(small.role_statements(role))]
    assert stores == ["summarizer"]
    assert not [role for role in SERVICES if "secretsmanager" in str(small.role_statements(role))]


def test_the_other_profile_differs_in_size_alone(small: Synthesised) -> None:
    large = synthesised("large")
    assert small.templates["Identity"]["Resources"].keys() == large.templates["Identity"]["Resources"].keys()
    for role in SERVICES:
        assert small.role_statements(role) == large.role_statements(role)
