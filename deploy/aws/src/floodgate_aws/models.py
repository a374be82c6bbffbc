"""Which models may be asked, and where they may answer."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import aws_iam as iam

from floodgate_aws.profile import EU_REGIONS, Site

ASK: Final = ("bedrock:InvokeModel",)
"""Converse is allowed by it too; our client uses no streams."""
_ELSEWHERE: Final = ("global", "us", "apac", "us-gov")


def system_profile_arn(site: Site, account: str) -> str:
    """Bedrock's own cross-region profile of the model."""
    return f"arn:aws:bedrock:{site.region}:{account}:inference-profile/{site.inference_profile}"


def embed_arn(site: Site) -> str:
    """The embedding model, in our region alone."""
    return f"arn:aws:bedrock:{site.region}::foundation-model/{site.embed_model_id}"


def jobs_arn(site: Site, account: str) -> str:
    """Batch jobs."""
    return f"arn:aws:bedrock:{site.region}:{account}:model-invocation-job/*"


def may_ask(site: Site, account: str, own: Any | None) -> list[Any]:
    """The model through named inference profiles (`own` is the service's), and where these lead; never by itself."""
    profiles = [system_profile_arn(site, account), *([own.attr_inference_profile_arn] if own is not None else [])]
    behind = [f"arn:aws:bedrock:{region}::foundation-model/{site.model_id}" for region in site.model_regions]
    return [
        iam.PolicyStatement(sid="Ask", actions=list(ASK), resources=profiles),
        iam.PolicyStatement(
            sid="AskThroughProfiles", actions=list(ASK), resources=behind,
            conditions={"StringEquals": {"bedrock:InferenceProfileArn": profiles}},
        ),
    ]  # fmt: skip


def may_batch(site: Site, account: str) -> list[Any]:
    """Starting jobs of that model, and looking at them."""
    models = [f"arn:aws:bedrock:{region}::foundation-model/{site.model_id}" for region in site.model_regions]
    start = [system_profile_arn(site, account), *models, jobs_arn(site, account)]
    return [
        iam.PolicyStatement(sid="StartJobs", actions=["bedrock:CreateModelInvocationJob"], resources=start),
        iam.PolicyStatement(
            sid="SeeJob", actions=["bedrock:GetModelInvocationJob"], resources=[jobs_arn(site, account)]
        ),
        iam.PolicyStatement(sid="ListJobs", actions=["bedrock:ListModelInvocationJobs"], resources=["*"]),
    ]


def only_in_the_union() -> list[Any]:
    """Refuses every request that would be answered elsewhere, those that a profile passes on included.

    A cross-region profile's request is checked once more where it is answered, with that region as the requested
    one; a `global.` profile's with the region "unspecified".
    """
    actions = ["bedrock:InvokeModel*", "bedrock:CreateModelInvocationJob"]
    return [
        iam.PolicyStatement(
            sid="OnlyUnion", effect=iam.Effect.DENY, actions=actions, resources=["*"],
            conditions={"StringNotEquals": {"aws:RequestedRegion": list(EU_REGIONS)}},
        ),
        iam.PolicyStatement(
            sid="NoOtherProfiles", effect=iam.Effect.DENY, actions=actions,
            resources=[f"arn:aws:bedrock:*:*:inference-profile/{kind}.*" for kind in _ELSEWHERE],
        ),
    ]  # fmt: skip
