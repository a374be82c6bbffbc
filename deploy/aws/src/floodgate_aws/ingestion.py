"""The ways in: API Gateway for Intercom's webhook and the REST API, S3's events on a queue."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_apigatewayv2 as api
from aws_cdk import aws_elasticloadbalancingv2 as balancing
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from floodgate_aws.data import DataStack
from floodgate_aws.logs import log_group
from floodgate_aws.network import INGEST_PORT, NetworkStack
from floodgate_aws.profile import Site

ROUTES: Final = (
    "POST /webhooks/intercom",
    "HEAD /webhooks/intercom",
    "POST /v1/messages",
    "GET /v1/conversations/{id}",
    "POST /v1/conversations/{id}/close",
)
"""Nothing else is let in: neither /docs nor health."""
DROPS_PREFIX: Final = "interactions/"
VISIBILITY_SECONDS: Final = 120
_ACCESS_LOG: Final = {
    name: f"$context.{name}"
    for name in ("requestId", "requestTime", "routeKey", "status", "responseLatency", "integrationErrorMessage")
}
"""Neither addresses of people nor paths, which name conversations."""


class IngestionStack(Stack):
    """API, load balancer, queue."""

    def __init__(
        self, scope: Construct, name: str, site: Site, network: NetworkStack, data: DataStack, **kwargs: Any
    ) -> None:
        super().__init__(scope, name, **kwargs)
        self._site, self._network, self._data = site, network, data
        self.undelivered = self._make_queue("Undelivered")
        self.queue = self._make_queue("Drops")
        self._rule()
        self.target, listener = self._balancer()
        self.api = self._api(listener)
        for output, value in {
            "ApiAddress": self.api.attr_api_endpoint,
            "WebhookAddress": f"{self.api.attr_api_endpoint}/webhooks/intercom",
            "QueueUrl": self.queue.queue_url,
            "TargetGroup": self.target.ref,
        }.items():
            CfnOutput(self, f"Out{output}", value=value)

    def _make_queue(self, name: str) -> Any:
        return sqs.Queue(
            self, name, encryption=sqs.QueueEncryption.KMS, encryption_master_key=self._data.key, enforce_ssl=True,
            retention_period=Duration.days(14), visibility_timeout=Duration.seconds(VISIBILITY_SECONDS),
        )  # fmt: skip

    def _rule(self) -> None:
        """Object Created -> the queue that ingest reads; what EventBridge cannot deliver is kept and alarmed."""
        rule = events.CfnRule(
            self, "ObjectCreated",
            description="A dropped file of finished interactions",
            event_pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": [self._data.buckets.drops.bucket_name]},
                    "object": {"key": [{"prefix": DROPS_PREFIX}]},
                },
            },
            targets=[{
                "id": "ingest", "arn": self.queue.queue_arn,
                "deadLetterConfig": {"arn": self.undelivered.queue_arn},
                "retryPolicy": {"maximumEventAgeInSeconds": 86_400, "maximumRetryAttempts": 185},
            }],
        )  # fmt: skip
        for queue in (self.queue, self.undelivered):
            queue.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("events.amazonaws.com")],
                    actions=["sqs:SendMessage"],
                    resources=[queue.queue_arn],
                    conditions={"ArnEquals": {"aws:SourceArn": rule.attr_arn}},
                )
            )

    def _balancer(self) -> tuple[Any, Any]:
        balancer = balancing.CfnLoadBalancer(
            self, "Balancer", type="network", scheme="internal",
            subnets=self._network.services_subnets,
            security_groups=[self._network.balancer.security_group_id],
            load_balancer_attributes=[
                {"key": "deletion_protection.enabled", "value": "true"},
                {"key": "load_balancing.cross_zone.enabled", "value": "true"},
            ],
        )  # fmt: skip
        target = balancing.CfnTargetGroup(
            self, "Ingest", target_type="ip", protocol="TCP", port=INGEST_PORT, vpc_id=self._network.vpc.vpc_id,
            health_check_enabled=True, health_check_protocol="HTTP", health_check_path="/readyz",
            health_check_interval_seconds=10, healthy_threshold_count=2, unhealthy_threshold_count=2,
            target_group_attributes=[
                {"key": "deregistration_delay.timeout_seconds", "value": "30"},
                {"key": "preserve_client_ip.enabled", "value": "false"},
            ],
        )  # fmt: skip
        listener = balancing.CfnListener(
            self, "Listener", load_balancer_arn=balancer.ref, port=80, protocol="TCP",
            default_actions=[{"type": "forward", "targetGroupArn": target.ref}],
        )  # fmt: skip
        self.balancer_name, self.target_name = balancer.attr_load_balancer_full_name, target.attr_target_group_full_name
        return target, listener

    def _api(self, listener: Any) -> Any:
        gateway = api.CfnApi(self, "Api", name="floodgate", protocol_type="HTTP", description="Intercom, REST callers")
        link = api.CfnVpcLink(
            self, "Link", name="floodgate", subnet_ids=self._network.services_subnets,
            security_group_ids=[self._network.link.security_group_id],
        )  # fmt: skip
        integration = api.CfnIntegration(
            self, "ToIngest", api_id=gateway.ref, integration_type="HTTP_PROXY", integration_method="ANY",
            integration_uri=listener.ref, connection_type="VPC_LINK", connection_id=link.ref,
            payload_format_version="1.0", timeout_in_millis=10_000,
        )  # fmt: skip
        # ingest tells callers apart by itself: Intercom's signature, X-API-Key. API Gateway passes bodies on unread.
        routes = [
            api.CfnRoute(
                self, f"Route{number}", api_id=gateway.ref, route_key=key, authorization_type="NONE",
                target=f"integrations/{integration.ref}",
            )
            for number, key in enumerate(ROUTES)
        ]  # fmt: skip
        written = log_group(self, "ApiLogs", "/floodgate/api", self._data.key.key_arn)
        stage = api.CfnStage(
            self, "Stage", api_id=gateway.ref, stage_name="$default", auto_deploy=True,
            access_log_settings={"destinationArn": written.attr_arn, "format": self.to_json_string(_ACCESS_LOG)},
            default_route_settings={
                "throttlingRateLimit": self._site.profile.webhook_per_second,
                "throttlingBurstLimit": 2 * self._site.profile.webhook_per_second,
                "detailedMetricsEnabled": True,
            },
        )  # fmt: skip
        for route in routes:
            stage.add_resource_dependency(route)
        return gateway
