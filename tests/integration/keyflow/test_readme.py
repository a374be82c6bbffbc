"""The example of the engine's README, run as it stands there."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from pathlib import Path

from confluent_kafka import Producer
from keyflow_bench import Bench

README = Path(__file__).parents[3] / "libs/keyflow/README.md"
TOPICS = ("words", "counts", "dead", "count-state")
TEXT = ["to", "be", "or", "not", "to", "be", "that", "is", "the", "question", "to"]


def example(names: dict[str, str]) -> str:
    """The README's program, on topics of this test."""
    block = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert block is not None
    code = block.group(1)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    for name, mine in names.items():
        assert f'"{name}"' in code
        code = code.replace(f'"{name}"', f'"{mine}"')
    return code.replace('group_id="count"', f'group_id="{names["words"]}"')


async def test_the_example_in_the_readme_counts_every_word_once_though_it_is_killed(
    bench: Bench, tmp_path: Path
) -> None:
    names = {name: f"{name}-{bench.run}" for name in TOPICS}
    bench.create(*(name for name in TOPICS if name != "dead"))
    program = tmp_path / "count.py"
    program.write_text(example(names))
    producer = Producer({"bootstrap.servers": bench.servers, "partitioner": "murmur2_random"})
    for part in range(2):
        for word in TEXT:
            producer.produce(names["words"], key=word, value=word)
        assert producer.flush(30) == 0
        process = await asyncio.create_subprocess_exec(sys.executable, str(program), bench.servers)
        try:
            found = await asyncio.to_thread(bench.read, "counts", (part + 1) * len(TEXT))
        finally:
            process.kill()
            await process.wait()
    assert len(found) == 2 * len(TEXT)
    last = {value["word"]: value["count"] for _, value in found}
    assert last == {word: 2 * count for word, count in Counter(TEXT).items()}
