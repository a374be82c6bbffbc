"""Nothing of boto leaves the translation."""

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from floodgate.bedrock.errors import (
    ModelAccessError,
    ModelThrottledError,
    ModelTimeoutError,
    ModelUnavailableError,
    translate_boto_errors,
)
from keyflow.errors import FatalError, KeyflowError, PoisonMessageError, RetryableError

WHERE = "https://bedrock.example.com"


def client_error(status: int, code: str, message: str = "words", **headers: str) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return ClientError(response, "Converse")


def translated(error: Exception) -> KeyflowError:
    with pytest.raises(KeyflowError) as result, translate_boto_errors("Converse", "m"):
        raise error
    return result.value


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (client_error(429, "ThrottlingException"), ModelThrottledError),
        (client_error(429, "ModelNotReadyException"), ModelThrottledError),
        (client_error(400, "ServiceQuotaExceededException"), ModelThrottledError),
        (client_error(408, "ModelTimeoutException"), ModelTimeoutError),
        (client_error(424, "ModelErrorException"), ModelUnavailableError),
        (client_error(500, "InternalServerException"), ModelUnavailableError),
        (client_error(503, "ServiceUnavailableException"), ModelUnavailableError),
        (client_error(502, "502"), ModelUnavailableError),
        (client_error(403, "AccessDeniedException"), ModelAccessError),
        (client_error(403, "ExpiredTokenException"), ModelAccessError),
        (client_error(403, "UnrecognizedClientException"), ModelAccessError),
        (client_error(404, "ResourceNotFoundException"), ModelAccessError),
        (client_error(400, "ValidationException", "The provided model identifier is invalid."), ModelAccessError),
        (client_error(400, "ValidationException", "Input is too long for requested model."), PoisonMessageError),
        (ReadTimeoutError(endpoint_url=WHERE), ModelTimeoutError),
        (ConnectTimeoutError(endpoint_url=WHERE), ModelTimeoutError),
        (EndpointConnectionError(endpoint_url=WHERE), ModelUnavailableError),
        (SSLError(endpoint_url=WHERE, error=OSError("handshake")), ModelUnavailableError),
        (ResponseParserError("cut short"), ModelUnavailableError),
        (NoCredentialsError(), ModelAccessError),
        (NoRegionError(), ModelAccessError),
        (ParamValidationError(report="wrong"), PoisonMessageError),
        (BotoCoreError(), ModelAccessError),
    ],
)
def test_every_failure_of_boto_becomes_the_class_the_engine_needs(
    error: Exception, expected: type[KeyflowError]
) -> None:
    result = translated(error)
    assert type(result) is expected
    assert "\n" not in str(result)


def test_retry_after_is_carried() -> None:
    error = translated(client_error(429, "ThrottlingException", **{"retry-after": "2.5"}))
    assert isinstance(error, RetryableError)
    assert error.retry_after_seconds == 2.5


@pytest.mark.parametrize("header", ["soon", "-3", ""])
def test_a_retry_after_that_is_no_number_of_seconds_is_ignored(header: str) -> None:
    error = translated(client_error(429, "ThrottlingException", **{"retry-after": header}))
    assert isinstance(error, RetryableError)
    assert error.retry_after_seconds is None


def test_a_fatal_error_says_what_to_do() -> None:
    for error in (client_error(403, "AccessDeniedException"), NoCredentialsError(), NoRegionError()):
        result = translated(error)
        assert isinstance(result, FatalError)
        assert any(words in str(result) for words in ("allow", "set "))


def test_what_bedrock_quotes_of_a_request_stays_out_of_the_line() -> None:
    result = translated(client_error(400, "ValidationException", "bad value 'my card is 4111'"))
    assert isinstance(result, PoisonMessageError)
    assert "4111" not in str(result)
    assert "4111" in (result.raw_output or "")


def test_other_errors_pass_untouched() -> None:
    with pytest.raises(ZeroDivisionError), translate_boto_errors("Converse", "m"):
        raise ZeroDivisionError
