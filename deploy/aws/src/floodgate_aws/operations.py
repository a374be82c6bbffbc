"""What wakes somebody: alarms of what AWS runs for us, and the budget. The services' own alerts are Prometheus's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from floodgate_aws.data import CLUSTER, DOMAIN, DataStack
from floodgate_aws.ingestion import IngestionStack
from floodgate_aws.profile import Site

_MINUTE: Final = 60


@dataclass(frozen=True)
class Alarm:
    """One threshold.

    Attributes:
        missing: What no figure at all means: breaching, notBreaching.
    """

    name: str
    remedy: str
    namespace: str
    metric: str
    threshold: float
    dimensions: dict[str, str] = field(default_factory=dict)
    statistic: str = "Maximum"
    comparison: str = "GreaterThanOrEqualToThreshold"
    period_seconds: int = _MINUTE
    periods: int = 5
    missing: str = "notBreaching"


class OperationsStack(Stack):
    """A topic that people subscribe to, alarms and a budget that write to it."""

    def __init__(
        self, scope: Construct, name: str, site: Site, data: DataStack, ingestion: IngestionStack, **kwargs: Any
    ) -> None:
        super().__init__(scope, name, **kwargs)
        self._site, self._data, self._ingestion = site, data, ingestion
        self.topic = sns.CfnTopic(self, "Alarms", kms_master_key_id=data.key.key_id)
        self._topic_policy()
        if site.alarm_email:
            sns.CfnSubscription(self, "Mail", topic_arn=self.topic.ref, protocol="email", endpoint=site.alarm_email)
        for alarm in (*self._of_kafka(), *self._of_search(), *self._of_the_ways_in(), *self._of_models()):
            self._alarm(alarm)
        self._budget()
        CfnOutput(self, "OutAlarmTopic", value=self.topic.ref)

    def _topic_policy(self) -> None:
        statement = iam.PolicyStatement(
            principals=[iam.ServicePrincipal(f"{name}.amazonaws.com") for name in ("cloudwatch", "budgets")],
            actions=["sns:Publish"],
            resources=[self.topic.ref],
            conditions={"StringEquals": {"aws:SourceAccount": self.account}},
        )
        document = iam.PolicyDocument(statements=[statement])
        sns.CfnTopicPolicy(self, "AlarmsPolicy", topics=[self.topic.ref], policy_document=document)

    def _alarm(self, alarm: Alarm) -> None:
        cloudwatch.CfnAlarm(
            self, alarm.name,
            alarm_name=f"floodgate-{alarm.name}", alarm_description=alarm.remedy,
            namespace=alarm.namespace, metric_name=alarm.metric,
            dimensions=[{"name": name, "value": value} for name, value in alarm.dimensions.items()],
            period=alarm.period_seconds, evaluation_periods=alarm.periods,
            threshold=alarm.threshold, comparison_operator=alarm.comparison, treat_missing_data=alarm.missing,
            alarm_actions=[self.topic.ref], ok_actions=[self.topic.ref],
            **({"extended_statistic": alarm.statistic} if alarm.statistic.startswith("p")
               else {"statistic": alarm.statistic}),
        )  # fmt: skip

    def _of_kafka(self) -> Iterator[Alarm]:
        cluster = {"Cluster Name": CLUSTER}
        yield Alarm("KafkaController", "No controller, or two: open a case with AWS", "AWS/Kafka",
                    "ActiveControllerCount", 1, cluster, "Sum", "LessThanThreshold", missing="breaching")  # fmt: skip
        yield Alarm("KafkaOffline", "Partitions that nobody leads: services stand still", "AWS/Kafka",
                    "OfflinePartitionsCount", 1, cluster, periods=2)  # fmt: skip
        for broker in range(1, self._site.profile.brokers + 1):
            one = {**cluster, "Broker ID": str(broker)}
            yield Alarm(f"KafkaUnderMinIsr{broker}", "Writes are refused: two brokers of a partition are away",
                        "AWS/Kafka", "UnderMinIsrPartitionCount", 1, one)  # fmt: skip
            yield Alarm(f"KafkaDisk{broker}", "Enlarge the volumes (broker_storage_gb)", "AWS/Kafka",
                        "KafkaDataLogsDiskUsed", 75, one)  # fmt: skip
            yield Alarm(f"KafkaMemory{broker}", "Too many partitions or clients for this type of broker", "AWS/Kafka",
                        "HeapMemoryAfterGC", 60, one, periods=15)  # fmt: skip

    def _of_search(self) -> Iterator[Alarm]:
        domain = {"DomainName": DOMAIN, "ClientId": self.account}
        for name, metric, threshold, remedy in (
            (
                "SearchRed",
                "ClusterStatus.red",
                1,
                "An index lost a shard: rebuild it (knowledge sync, console rebuild)",
            ),
            ("SearchBlocked", "ClusterIndexWritesBlocked", 1, "Writes are refused: disk or memory is used up"),
            ("SearchMemory", "JVMMemoryPressure", 90, "Choose a larger search_type"),
            ("SearchKey", "KMSKeyError", 1, "The KMS key is disabled or its policy changed"),
        ):
            yield Alarm(name, remedy, "AWS/ES", metric, threshold, domain)
        least_mb = self._site.profile.search_storage_gb * 1024 * 0.25
        yield Alarm("SearchDisk", "Less than a quarter is free: enlarge search_storage_gb", "AWS/ES",
                    "FreeStorageSpace", least_mb, domain, "Minimum", "LessThanOrEqualToThreshold")  # fmt: skip
        registry = {"DBInstanceIdentifier": self._data.registry.ref}
        yield Alarm("RegistryDisk", "Enlarge the registry's volume", "AWS/RDS", "FreeStorageSpace",
                    2 * 1024**3, registry, "Minimum", "LessThanOrEqualToThreshold")  # fmt: skip

    def _of_the_ways_in(self) -> Iterator[Alarm]:
        api = {"ApiId": self._ingestion.api.ref}
        yield Alarm("ApiErrors", "Look at ingest: Kafka out of reach, or no process", "AWS/ApiGateway", "5xx", 5, api,
                    "Sum")  # fmt: skip
        yield Alarm("ApiSlow", "Intercom gives up after 5 s", "AWS/ApiGateway", "Latency", 3_000, api,
                    "p99")  # fmt: skip
        target = {"LoadBalancer": self._ingestion.balancer_name, "TargetGroup": self._ingestion.target_name}
        yield Alarm("IngestGone", "No healthy ingest behind the load balancer", "AWS/NetworkELB", "HealthyHostCount",
                    1, target, "Minimum", "LessThanThreshold", missing="breaching")  # fmt: skip
        yield Alarm("DropsWait", "ingest does not take notifications of drops", "AWS/SQS",
                    "ApproximateAgeOfOldestMessage", 900, {"QueueName": self._ingestion.queue.queue_name})  # fmt: skip
        yield Alarm("DropsUndelivered", "EventBridge could not deliver: floodgate ingest s3 reads the objects",
                    "AWS/SQS", "ApproximateNumberOfMessagesVisible", 1,
                    {"QueueName": self._ingestion.undelivered.queue_name}, periods=1)  # fmt: skip

    def _of_models(self) -> Iterator[Alarm]:
        model = {"ModelId": self._site.inference_profile}
        yield Alarm("ModelThrottled", "Ask for more quota (docs/aws.md), or lower FLOODGATE_BEDROCK_…_PER_MINUTE",
                    "AWS/Bedrock", "InvocationThrottles", 10, model, "Sum")  # fmt: skip
        yield Alarm("ModelErrors", "Bedrock fails: the firewall passes messages unscreened", "AWS/Bedrock",
                    "InvocationServerErrors", 10, model, "Sum")  # fmt: skip
        yield Alarm("ModelRefuses", "Requests are refused: access, the model id, the EU-only policy", "AWS/Bedrock",
                    "InvocationClientErrors", 10, model, "Sum")  # fmt: skip

    def _budget(self) -> None:
        told = [{"subscriptionType": "SNS", "address": self.topic.ref}]
        budgets.CfnBudget(
            self, "Budget",
            budget={
                "budgetName": "floodgate", "budgetType": "COST", "timeUnit": "MONTHLY",
                "budgetLimit": {"amount": self._site.profile.budget_usd, "unit": "USD"},
            },
            notifications_with_subscribers=[
                {
                    "notification": {"notificationType": kind, "comparisonOperator": "GREATER_THAN",
                                     "threshold": percent, "thresholdType": "PERCENTAGE"},
                    "subscribers": told,
                }
                for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )  # fmt: skip
