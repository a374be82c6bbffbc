"""Every way a Bedrock call can fail, as the errors the engine tells apart.

Nothing of boto leaves `translate_boto_errors`: neither `ClientError` nor `BotoCoreError`, read timeouts included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    HTTPClientError,
    InvalidConfigError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    ResponseStreamingError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from botocore.parsers import ResponseParserError
from keyflow.errors import FatalError, PoisonMessageError, RetryableError


class ModelThrottledError(RetryableError):
    """Bedrock asks for fewer calls: 429, or a quota that frees itself."""


class ModelUnavailableError(RetryableError):
    """Bedrock failed or could not be reached: 5xx, 424, a broken connection."""


class ModelTimeoutError(RetryableError):
    """No answer in time: 408 or a read timeout. The call may have been charged."""


class BudgetExceededError(FatalError):
    """The next call could pass the hard cap on spending."""


class ModelAccessError(FatalError):
    """Credentials, permissions, region or model id do not let us call the model."""


_THROTTLED: Final = frozenset({
    "ThrottlingException", "Throttling", "TooManyRequestsException", "ModelNotReadyException",
    "ServiceQuotaExceededException",
})  # fmt: skip
_TIMED_OUT: Final = frozenset({"ModelTimeoutException", "RequestTimeout", "RequestTimeoutException"})
_CREDENTIALS: Final = frozenset({
    "UnrecognizedClientException", "InvalidSignatureException", "SignatureDoesNotMatch", "ExpiredTokenException",
    "ExpiredToken", "MissingAuthenticationTokenException", "IncompleteSignatureException", "InvalidClientTokenId",
    "IncompleteSignature", "MissingAuthenticationToken",
})  # fmt: skip
_MODEL_WORDS: Final = (
    "model identifier is invalid",
    "on-demand throughput",
    "doesn't support the model",
    "Model not found",
    "unsupported model",
)
_CREDENTIALS_REMEDY: Final = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a role, then run `floodgate bedrock doctor`"
)


@contextmanager
def translate_boto_errors(operation: str, model_id: str) -> Iterator[None]:
    """Turn everything that boto raises inside into our errors.

    Raises:
        ModelThrottledError: 429 and quotas; carries Retry-After when Bedrock gave one.
        ModelUnavailableError: 5xx, 424, connection errors.
        ModelTimeoutError: 408, connect and read timeouts.
        ModelAccessError: Credentials, permissions, region, model id.
        PoisonMessageError: Bedrock refuses this one request.
    """
    where = f"Bedrock {operation} on {model_id}"
    try:
        yield
    except ClientError as error:
        raise _from_client_error(error, where) from error
    except BotoCoreError as error:
        raise _from_core_error(error, where) from error
    except ResponseParserError as error:  # not a BotoCoreError; a proxy's page or a body cut short
        raise ModelUnavailableError(f"{where}: the answer is not what the protocol says") from error


def _from_client_error(error: ClientError, where: str) -> Exception:
    response: Mapping[str, Any] = error.response
    code = str(response.get("Error", {}).get("Code", "Unknown"))
    message = str(response.get("Error", {}).get("Message", ""))
    metadata = response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    retryable = _retryable_class(code, status)
    if retryable is not None:
        wait = _retry_after_seconds(metadata.get("HTTPHeaders", {}))
        return retryable(f"{where}: failed with {status} {code}", wait)
    remedy = _access_remedy(code, status, message)
    if remedy is not None:
        return ModelAccessError(f"{where}: {remedy}")
    # The message may quote the request, which is customer text: only the code leaves this line.
    return PoisonMessageError(f"{where}: the request was refused ({status} {code})", raw_output=message)


def _retryable_class(code: str, status: int) -> type[RetryableError] | None:
    if code in _THROTTLED or status == 429:
        return ModelThrottledError
    if code in _TIMED_OUT or status == 408:
        return ModelTimeoutError
    if status in {0, 424} or status >= 500:
        return ModelUnavailableError
    return None


def _access_remedy(code: str, status: int, message: str) -> str | None:
    if code in _CREDENTIALS:
        return f"the credentials are not accepted ({code}); {_CREDENTIALS_REMEDY}"
    if code == "AccessDeniedException" or status == 403:
        return (
            f"access denied ({code}); allow bedrock:InvokeModel on the model and its inference profile, "
            "and grant model access in this region"
        )
    if code == "ResourceNotFoundException" or _is_about_the_model(code, message):
        return (
            f"{_first_line(message)} Choose a model that this region serves (FLOODGATE_BEDROCK_MODEL_ID); "
            "`floodgate bedrock doctor` lists what is wrong"
        )
    return None


def _is_about_the_model(code: str, message: str) -> bool:
    return code == "ValidationException" and any(words in message for words in _MODEL_WORDS)


def _first_line(message: str) -> str:
    line = message.strip().splitlines()[0] if message.strip() else "the model was not found."
    return line if line.endswith((".", "!")) else f"{line}."


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:  # absent, or the HTTP-date form, which Bedrock does not send
        return None
    return seconds if seconds >= 0 else None


def _from_core_error(error: BotoCoreError, where: str) -> Exception:
    name = type(error).__name__
    if isinstance(error, (ReadTimeoutError, ConnectTimeoutError)):
        return ModelTimeoutError(f"{where}: no answer in time ({name})")
    if isinstance(error, (BotoConnectionError, HTTPClientError, ResponseStreamingError)):
        return ModelUnavailableError(f"{where}: connection failed ({name})")
    if isinstance(error, ParamValidationError):
        return PoisonMessageError(f"{where}: boto refused the request ({name})")
    return ModelAccessError(f"{where}: {_configuration_remedy(error)}")


def _configuration_remedy(error: BotoCoreError) -> str:
    match error:
        case NoCredentialsError() | PartialCredentialsError() | TokenRetrievalError() | UnauthorizedSSOTokenError():
            return f"no usable AWS credentials; {_CREDENTIALS_REMEDY}"
        case NoRegionError():
            return "no AWS region; set AWS_REGION"
        case ProfileNotFound() | InvalidConfigError():
            return f"the AWS configuration is not usable: {error}"
        case _:
            return f"boto cannot make the call ({type(error).__name__}); run `floodgate bedrock doctor`"
