"""The VPC: three zones, services without public addresses, AWS reached without the internet where that is possible."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from floodgate_aws.profile import ENDPOINTS, ZONES, Site

KAFKA_IAM_PORT: Final = 9098
HTTPS: Final = 443
INGEST_PORT: Final = 8080
POSTGRES_PORT: Final = 5432


class NetworkStack(Stack):
    """VPC, security groups, endpoints."""

    def __init__(self, scope: Construct, name: str, site: Site, **kwargs: Any) -> None:
        super().__init__(scope, name, **kwargs)
        self._site = site
        self.vpc = ec2.Vpc(
            self, "Vpc",
            ip_addresses=ec2.IpAddresses.cidr("10.40.0.0/16"),
            availability_zones=site.zones,
            nat_gateways=site.profile.nat_gateways,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="edge", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(
                    name="services", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=20
                ),
                ec2.SubnetConfiguration(name="data", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24),
            ],
        )  # fmt: skip
        self.services_subnets = self._subnets("services")
        self.data_subnets = self._subnets("data")
        self.nodes = self._group("Nodes", "Where the services run", egress=True)
        self.balancer = self._group("Balancer", "In front of ingest")
        self.link = self._group("Link", "API Gateway, on its way into the VPC")
        self.kafka = self._group("Kafka", "MSK")
        self.search = self._group("Search", "OpenSearch")
        self.registry = self._group("Registry", "Database of the schema registry")
        self.endpoints = self._group("Endpoints", "Endpoints of AWS")
        self._ways()
        self._endpoints()
        self._flow_logs()

    def _subnets(self, name: str) -> list[str]:
        found: list[str] = self.vpc.select_subnets(subnet_group_name=name).subnet_ids
        assert len(found) == ZONES
        return found

    def _group(self, name: str, says: str, *, egress: bool = False) -> Any:
        return ec2.SecurityGroup(self, name, vpc=self.vpc, description=says, allow_all_outbound=egress)

    def _ways(self) -> None:
        """Who speaks to whom; nothing else is let in."""
        for to, port, says in (
            (self.kafka, KAFKA_IAM_PORT, "Kafka with IAM"),
            (self.search, HTTPS, "OpenSearch"),
            (self.registry, POSTGRES_PORT, "The registry's database"),
            (self.endpoints, HTTPS, "AWS"),
        ):
            to.add_ingress_rule(self.nodes, ec2.Port.tcp(port), says)
        self.nodes.add_ingress_rule(self.balancer, ec2.Port.tcp(INGEST_PORT), "ingest")
        self.balancer.add_egress_rule(self.nodes, ec2.Port.tcp(INGEST_PORT), "ingest")
        self.balancer.add_ingress_rule(self.link, ec2.Port.tcp(80), "API Gateway")
        self.link.add_egress_rule(self.balancer, ec2.Port.tcp(80), "The load balancer")

    def _endpoints(self) -> None:
        self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        zones = self._site.zones[: self._site.profile.endpoint_zones]
        for name in ENDPOINTS:
            endpoint = ec2.InterfaceVpcEndpoint(
                self, "To" + "".join(part.title() for part in name.replace("-", ".").split(".")),
                vpc=self.vpc,
                service=ec2.InterfaceVpcEndpointAwsService(name),
                subnets=ec2.SubnetSelection(subnet_group_name="services", availability_zones=zones),
                security_groups=[self.endpoints],
                private_dns_enabled=True,
                open=False,
            )  # fmt: skip
            if name == "bedrock-runtime":
                endpoint.add_to_policy(self._own_account_only())

    def _own_account_only(self) -> Any:
        """No one brings credentials of another account into the VPC and out with our customers' words."""
        return iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=["bedrock:InvokeModel"],
            resources=["*"],
            conditions={"StringEquals": {"aws:PrincipalAccount": self.account}},
        )

    def _flow_logs(self) -> None:
        self.vpc.add_flow_log("Rejected", traffic_type=ec2.FlowLogTrafficType.REJECT)
