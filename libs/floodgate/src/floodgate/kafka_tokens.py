"""Tokens by which a client signs in to Kafka (SASL/OAUTHBEARER), made anew before each ends.

A token source is librdkafka's `oauth_cb`: called with a string nobody uses, it answers the token and when it ends.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import botocore.session
import httpx
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from keyflow.errors import FatalError, RetryableError
from pydantic import SecretStr

from floodgate import __version__

TokenSource = Callable[[str], tuple[str, float]]
"""The token, and when it ends in seconds since the epoch."""

_IAM_SECONDS: Final = 900
_DEFAULT_SECONDS: Final = 300.0
_TIMEOUT_SECONDS: Final = 10.0


class IamTokens:
    """Tokens of MSK's IAM access control: a signed request to connect, by whatever credentials AWS's chain finds.

    Args:
        region: Of the cluster.
        session: Finds the credentials, and renews those of a role.
    """

    def __init__(self, region: str, session: Any = None) -> None:
        self._region = region
        self._session = session

    def __call__(self, _: str) -> tuple[str, float]:
        """See `TokenSource`.

        Raises:
            FatalError: There are no credentials.
        """
        self._session = self._session or botocore.session.get_session()
        credentials = self._session.get_credentials()
        if credentials is None:
            raise FatalError("FLOODGATE_KAFKA_AUTH=iam: AWS's chain finds no credentials: give the process a role")
        request = AWSRequest(
            "GET", f"https://kafka.{self._region}.amazonaws.com/", params={"Action": "kafka-cluster:Connect"}
        )
        SigV4QueryAuth(credentials, "kafka-cluster", self._region, expires=_IAM_SECONDS).add_auth(request)
        address = f"{request.prepare().url}&User-Agent=floodgate%2F{__version__}"
        return base64.urlsafe_b64encode(address.encode()).decode().rstrip("="), time.time() + _IAM_SECONDS


class ClientCredentialTokens:
    """Tokens of an identity provider, by OAuth 2's client credentials.

    Args:
        url: The provider's token endpoint.
        scope: What is asked for; empty: whatever the client has.
        transport: Instead of a connection; for tests.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        secret: SecretStr,
        scope: str = "",
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = url
        self._client_id = client_id
        self._secret = secret
        self._form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        self._transport = transport

    def __call__(self, _: str) -> tuple[str, float]:
        """See `TokenSource`.

        Raises:
            RetryableError: The provider does not answer, or with something else.
        """
        try:
            with httpx.Client(transport=self._transport, timeout=_TIMEOUT_SECONDS) as client:
                sign_in = (self._client_id, self._secret.get_secret_value())
                answer = client.post(self._url, data=self._form, auth=sign_in)
            answer.raise_for_status()
            return _token(answer.json())
        except httpx.HTTPStatusError as error:
            raise RetryableError(f"{self._url} answers {error.response.status_code} to this client") from error
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise RetryableError(f"{self._url} gives no token ({type(error).__name__})") from error


def _token(answer: Mapping[str, Any]) -> tuple[str, float]:
    return str(answer["access_token"]), time.time() + float(answer.get("expires_in", _DEFAULT_SECONDS))
