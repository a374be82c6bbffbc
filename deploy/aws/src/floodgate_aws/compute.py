"""The cluster on which the manifests of `deploy/kubernetes` run."""

from __future__ import annotations

import json
from typing import Any, Final

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from constructs import Construct

from floodgate_aws.data import DataStack
from floodgate_aws.identity import SERVICES, IdentityStack
from floodgate_aws.network import NetworkStack
from floodgate_aws.profile import Site

CLUSTER: Final = "floodgate"
ADDONS: Final[dict[str, dict[str, Any]]] = {
    "vpc-cni": {"enableNetworkPolicy": "true"},  # without it the manifests' network policies are only words
    "coredns": {},
    "kube-proxy": {},
    "eks-pod-identity-agent": {},
    "metrics-server": {},
}
_NODE_POLICIES: Final = ("AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly")


class ComputeStack(Stack):
    """EKS, its nodes, who its service accounts are, repositories of images."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        site: Site,
        *,
        network: NetworkStack,
        data: DataStack,
        identity: IdentityStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, name, **kwargs)
        self._site, self._network, self._data, self._identity = site, network, data, identity
        self.cluster = self._cluster()
        nodes = self._nodes()
        self._addons(nodes)
        self._pod_identities()
        for service in SERVICES:
            self._repository(service)
        CfnOutput(self, "OutClusterName", value=CLUSTER)
        CfnOutput(self, "OutRegistry", value=f"{self.account}.dkr.ecr.{self.region}.amazonaws.com/floodgate")

    def _cluster(self) -> Any:
        role = iam.Role(
            self, "ClusterRole", assumed_by=iam.ServicePrincipal("eks.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("AmazonEKSClusterPolicy")],
        )  # fmt: skip
        networks = list(self._site.admin_cidrs)
        reach: dict[str, Any] = {"endpointPrivateAccess": True, "endpointPublicAccess": bool(networks)}
        if networks:
            reach["publicAccessCidrs"] = networks
        return eks.CfnCluster(
            self, "Cluster",
            name=CLUSTER,
            version=self._site.kubernetes_version,
            role_arn=role.role_arn,
            access_config={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
            resources_vpc_config={
                "subnetIds": self._network.services_subnets,
                "securityGroupIds": [self._network.nodes.security_group_id],
                **reach,
            },
            encryption_config=[{"resources": ["secrets"], "provider": {"keyArn": self._data.key.key_arn}}],
            logging={"clusterLogging": {"enabledTypes": [{"type": "audit"}, {"type": "authenticator"}]}},
            upgrade_policy={"supportType": "STANDARD"},
            deletion_protection=True,
        )  # fmt: skip

    def _nodes(self) -> Any:
        profile = self._site.profile
        role = iam.Role(
            self, "NodeRole", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(name) for name in _NODE_POLICIES],
        )  # fmt: skip
        template = ec2.CfnLaunchTemplate(
            self, "NodeTemplate",
            launch_template_data={
                # One hop: a pod does not reach the node's own credentials.
                "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
                "securityGroupIds": [
                    self.cluster.attr_cluster_security_group_id, self._network.nodes.security_group_id,
                ],
                "blockDeviceMappings": [{
                    "deviceName": "/dev/xvda",
                    "ebs": {"volumeSize": profile.node_storage_gb, "volumeType": "gp3", "encrypted": True},
                }],
            },
        )  # fmt: skip
        return eks.CfnNodegroup(
            self, "Nodes",
            cluster_name=self.cluster.ref,
            node_role=role.role_arn,
            subnets=self._network.services_subnets,
            ami_type="AL2023_x86_64_STANDARD",
            instance_types=[profile.node_type],
            launch_template={"id": template.ref, "version": template.attr_latest_version_number},
            scaling_config={
                "minSize": profile.nodes, "desiredSize": profile.nodes, "maxSize": profile.most_nodes,
            },
            update_config={"maxUnavailable": 1},
        )  # fmt: skip

    def _addons(self, nodes: Any) -> None:
        for addon, settings in ADDONS.items():
            made = eks.CfnAddon(
                self, f"Addon{addon.title().replace('-', '')}",
                addon_name=addon, cluster_name=self.cluster.ref, resolve_conflicts="OVERWRITE",
                configuration_values=json.dumps(settings) if settings else None,
            )  # fmt: skip
            if addon in ("coredns", "metrics-server"):  # pods of their own
                made.add_resource_dependency(nodes)

    def _pod_identities(self) -> None:
        for name, (namespace, service_account) in self._identity.accounts.items():
            eks.CfnPodIdentityAssociation(
                self, f"{name.title()}Identity",
                cluster_name=self.cluster.ref, namespace=namespace, service_account=service_account,
                role_arn=self._identity.roles[name].role_arn,
            )  # fmt: skip

    def _repository(self, service: str) -> None:
        repository = ecr.CfnRepository(
            self, f"Image{service.title()}",
            repository_name=f"floodgate/{service}",
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scanOnPush": True},
            encryption_configuration={"encryptionType": "KMS", "kmsKey": self._data.key.key_arn},
            lifecycle_policy={"lifecyclePolicyText": json.dumps({"rules": [{
                "rulePriority": 1, "action": {"type": "expire"},
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 30},
            }]})},
        )  # fmt: skip
        repository.node.add_dependency(self.cluster)
