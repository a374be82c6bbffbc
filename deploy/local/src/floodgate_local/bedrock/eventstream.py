"""The `application/vnd.amazon.eventstream` framing and the streamed forms of an answer."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from floodgate_local.aws_wire import json_bytes

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
_STRING_HEADER: Final = 7
_DELTA_CHARACTERS: Final = 40


def frame(event_type: str, payload: Mapping[str, Any]) -> bytes:
    """One event: prelude with its CRC, headers, JSON payload, CRC of it all."""
    headers = b"".join(
        _header(name, value)
        for name, value in (
            (":event-type", event_type),
            (":content-type", "application/json"),
            (":message-type", "event"),
        )
    )
    body = json_bytes(payload)
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    key, content = name.encode(), value.encode()
    return bytes([len(key)]) + key + bytes([_STRING_HEADER]) + struct.pack(">H", len(content)) + content


def converse_events(response: Mapping[str, Any]) -> Iterator[bytes]:
    """A Converse response as the events of ConverseStream."""
    message = response["output"]["message"]
    yield frame("messageStart", {"role": message["role"]})
    for index, block in enumerate(message["content"]):
        if "toolUse" in block:
            start = {key: block["toolUse"][key] for key in ("toolUseId", "name")}
            yield frame("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": start}})
        for delta in _deltas(block):
            yield frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
        yield frame("contentBlockStop", {"contentBlockIndex": index})
    yield frame("messageStop", {"stopReason": response["stopReason"]})
    yield frame("metadata", {"usage": response["usage"], "metrics": response["metrics"]})


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "toolUse" in block:
        for part in _parts(json.dumps(block["toolUse"]["input"], ensure_ascii=False)):
            yield {"toolUse": {"input": part}}
    else:
        for part in _parts(block["text"]):
            yield {"text": part}


def _parts(text: str) -> Iterator[str]:
    for start in range(0, len(text), _DELTA_CHARACTERS):
        yield text[start : start + _DELTA_CHARACTERS]


def anthropic_events(response: Mapping[str, Any]) -> Iterator[bytes]:
    """An Anthropic Messages response as the chunks of InvokeModelWithResponseStream."""
    head = {
        **response,
        "content": [],
        "stop_reason": None,
        "usage": {**response["usage"], "output_tokens": 1},
    }
    yield _chunk({"type": "message_start", "message": head})
    for index, block in enumerate(response["content"]):
        empty = {**block, "input": {}} if block["type"] == "tool_use" else {**block, "text": ""}
        yield _chunk({"type": "content_block_start", "index": index, "content_block": empty})
        for delta in _anthropic_deltas(block):
            yield _chunk({"type": "content_block_delta", "index": index, "delta": delta})
        yield _chunk({"type": "content_block_stop", "index": index})
    yield _chunk(
        {
            "type": "message_delta",
            "delta": {"stop_reason": response["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": response["usage"]["output_tokens"]},
        }
    )
    yield _chunk({"type": "message_stop"})


def _anthropic_deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "tool_use":
        for part in _parts(json.dumps(block["input"], ensure_ascii=False)):
            yield {"type": "input_json_delta", "partial_json": part}
    else:
        for part in _parts(block["text"]):
            yield {"type": "text_delta", "text": part}


def _chunk(event: Mapping[str, Any]) -> bytes:
    return frame("chunk", {"bytes": base64.b64encode(json_bytes(event)).decode()})
