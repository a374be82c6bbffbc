"""A followed topic on a real broker: whoever answers a question is handled after the question."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from confluent_kafka import Producer
from keyflow import Emit, Engine, Outcome, Record, Tools
from keyflow_bench import Bench, finished, run_until

KEYS = 40


class Answering:
    """Counts the questions of a key, and writes how many it knew when an answer came."""

    def __init__(self, out: str, questions: str) -> None:
        self.out = out
        self.questions = questions

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        if record.topic == self.questions:
            return Outcome((), (state or 0) + 1)
        return Outcome([Emit(self.out, record.key, {"asked": record.value["asked"], "known": state or 0})])


def ask(producer: Producer, bench: Bench, rounds: int, before: int) -> None:
    """In turns: questions to every key in a transaction, then the answers, each telling how many were asked."""
    for number in range(before + 1, before + rounds + 1):
        producer.begin_transaction()
        for key in range(KEYS):
            producer.produce(bench.topic("questions"), key=f"key-{key}", value=b"{}")
        producer.commit_transaction()
        producer.begin_transaction()
        for key in range(KEYS):
            producer.produce(bench.topic("in"), key=f"key-{key}", value=json.dumps({"asked": number}))
        producer.commit_transaction()


async def test_an_answer_never_overtakes_its_question(bench: Bench) -> None:
    bench.create("questions")
    producer = Producer(
        {
            "bootstrap.servers": bench.servers,
            "transactional.id": f"ask-{bench.run}",
            "partitioner": "murmur2_random",
            "retry.backoff.ms": 2,
        }
    )
    producer.init_transactions(30)
    handler: Any = Answering(bench.topic("out"), bench.topic("questions"))
    # Answers are fetched first: the followed topic is named last, and starts with a backlog.
    subject = replace(
        bench.processor(handler),
        inputs=[bench.topic("in"), bench.topic("questions")],
        followed=[bench.topic("questions")],
    )
    ask(producer, bench, 20, 0)
    engine = Engine(subject, bench.config())
    more_asked = False

    def done() -> bool:
        nonlocal more_asked
        if not more_asked and finished(engine) >= 2 * 20 * KEYS:
            more_asked = True
            ask(producer, bench, 10, 20)
        return finished(engine) >= 2 * 30 * KEYS

    await run_until(engine, done)
    answers = [value for _, value in bench.read("out", 30 * KEYS)]
    assert len(answers) == 30 * KEYS
    assert [answer for answer in answers if answer["known"] < answer["asked"]] == []
