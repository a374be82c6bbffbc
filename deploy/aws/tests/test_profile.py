"""What a site may say, and what a profile has to carry."""

from __future__ import annotations

import pytest
from floodgate_aws.profile import PROFILES, Profile, Site
from floodgate_aws.topics import declared, replicas_per_broker


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_the_brokers_carry_the_declared_topics(profile: Profile) -> None:
    assert replicas_per_broker(profile.brokers, profile.partitions) <= profile.broker_replicas
    assert profile.brokers % 3 == 0


def test_the_smallest_brokers_would_carry_too_much_with_the_contracts_partitions() -> None:
    """The reason for the small profile's three."""
    small = PROFILES["small"]
    assert replicas_per_broker(small.brokers, declared()["defaults"]["partitions"]) > small.broker_replicas


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"profile": "huge"}, "there are small, large"),
        ({"region": "us-east-1"}, "not in the European Union"),
        ({"region": "eu-west-2"}, "not in the European Union"),
        ({"admin_cidrs": "0.0.0.0/0"}, "opens the cluster's API to everybody"),
        ({"eu_only": "perhaps"}, "say true or false"),
        ({"regoin": "eu-west-1"}, "unknown context: regoin"),
    ],
)
def test_a_wrong_choice_is_refused_with_its_remedy(context: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Site.read(context)


def test_outside_the_union_has_to_be_said() -> None:
    site = Site.read({"region": "us-east-1", "eu_only": "false"})
    assert site.inference_profile == "us.amazon.nova-lite-v1:0"
