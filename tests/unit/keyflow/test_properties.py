"""What holds of the offset map, the scheduler and the limiter whatever is done to them, in whatever order."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from keyflow.limiter import AdaptiveLimiter, LimitConfig
from keyflow.offsets import MAX_METADATA_CHARS, OffsetTracker, decode, encode
from keyflow.scheduler import KeyScheduler, Lane
from support.virtual_time import VirtualLoop


class OffsetMap(RuleBasedStateMachine):
    """A partition with gaps (markers, compacted records), against a plain set of what is finished and committed."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[int] = []
        self.end = 0
        self.fetched = 0
        self.open: list[int] = []
        self.committed: set[int] = set()
        self.place: tuple[int, str] = (0, "")
        self.tracker = OffsetTracker(0)

    @rule(gap=st.integers(0, 3), count=st.integers(1, 40))
    def write(self, gap: int, count: int) -> None:
        self.log += range(self.end + gap, self.end + gap + count)
        self.end += gap + count

    @rule(most=st.integers(1, 30))
    def fetch(self, most: int) -> None:
        for offset in [offset for offset in self.log if offset >= self.fetched][:most]:
            taken = self.tracker.take(offset)
            assert taken == (offset not in self.committed), "handled twice, or never"
            assert not self.tracker.take(offset), "taken twice"
            if taken:
                self.open.append(offset)
            self.fetched = offset + 1

    @precondition(lambda self: self.open)
    @rule(data=st.data(), aborted=st.booleans())
    def commit(self, data: st.DataObject, aborted: bool) -> None:
        done = set(data.draw(st.lists(st.sampled_from(self.open), unique=True, min_size=1)))
        place = self.tracker.preview(done)
        assert place is not None
        if aborted:
            return
        self.place = place
        self.committed |= done
        for offset in done:
            self.tracker.finish([offset])
        self.open = [offset for offset in self.open if offset not in done]

    @rule()
    def read_past_markers(self) -> None:
        # A consumer that has everything stands at the end of the log.
        if not self.log or self.fetched <= self.log[-1]:
            return
        if self.tracker.advance(self.end):
            place = self.tracker.preview()
            assert place == (self.end, "")
            self.place = place
        assert self.open or self.place == (self.end, ""), "lag remains with nothing to do"

    @rule()
    def restart(self) -> None:
        self.tracker = OffsetTracker(self.place[0], decode(*self.place))
        self.open = []
        self.fetched = self.place[0]
        assert all(offset in self.committed for offset in self.log if offset < self.fetched), "lost"

    @invariant()
    def the_map_says_what_is_committed(self) -> None:
        position, text = self.place
        assert len(text) <= MAX_METADATA_CHARS
        rows = decode(position, text)
        assert encode(position, rows) == text, "the round trip changes it"
        mapped = {offset for offset in self.log if any(first <= offset <= last for first, last in rows)}
        below = {offset for offset in self.log if offset < position}
        assert mapped | below == self.committed & set(self.log)

    @invariant()
    def what_is_taken_and_not_committed_is_unfinished(self) -> None:
        assert self.tracker.unfinished == len(self.open)


TestOffsetMap = OffsetMap.TestCase
TestOffsetMap.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(("add", "take", "done")), st.integers(0, 3), st.integers(0, 5)), max_size=300)
)
def test_a_partition_with_ready_keys_waits_at_most_one_turn_of_each_other(steps: list[tuple[str, int, int]]) -> None:
    subject: KeyScheduler[int] = KeyScheduler(ageing_takes=2)
    queued: Counter[tuple[int, int]] = Counter()
    running: list[Lane[int]] = []
    waited: Counter[int] = Counter()
    for what, partition, key in steps:
        if what == "add":
            subject.add(partition, str(key), 0)
            queued[partition, key] += 1
        elif what == "done" and running:
            subject.done(running.pop(key % len(running)))
        elif what == "take" and (taken := subject.take()) is not None:
            lane, _ = taken
            busy = {(held.partition, int(held.key)) for held in running}
            ready = {place[0] for place, count in queued.items() if count and place not in busy}
            queued[lane.partition, int(lane.key)] -= 1
            running.append(lane)
            for other in ready - {lane.partition}:
                waited[other] += 1
                assert waited[other] <= 3, f"partition {other} is passed over"
            waited = Counter({number: count for number, count in waited.items() if number in ready})
            waited[lane.partition] = 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=200), st.integers(1, 8))
def test_of_one_key_everything_is_taken_in_order_and_alone(keys: list[int], at_once: int) -> None:
    subject: KeyScheduler[int] = KeyScheduler(ageing_takes=4)
    for number, key in enumerate(keys):
        subject.add(key % 3, str(key), number)
    taken: dict[str, list[int]] = {}
    running: list[Lane[int]] = []
    while True:
        while len(running) < at_once and (found := subject.take()) is not None:
            lane, number = found
            assert lane.key not in {held.key for held in running}
            taken.setdefault(lane.key, []).append(number)
            running.append(lane)
        if not running:
            break
        subject.done(running.pop(0))
    assert taken == {
        str(key): [number for number, found in enumerate(keys) if found == key]
        for key in sorted(set(keys), key=keys.index)
    }


@dataclass(frozen=True)
class Call:
    """One call: when it comes, how long it takes, and how it goes."""

    at: float
    seconds: float
    tokens: int
    throttled: bool
    gives_up_after: float | None


@dataclass(frozen=True)
class Ended:
    tokens: int
    throttled: bool
    failed: bool


calls = st.builds(
    Call,
    at=st.floats(0, 20),
    seconds=st.floats(0, 5),
    tokens=st.integers(1, 60),
    throttled=st.booleans(),
    gives_up_after=st.one_of(st.none(), st.floats(0, 4)),
)


@dataclass
class Seen:
    """What an observer of the limiter notes."""

    started: list[tuple[float, int]]
    over_the_limit: int = 0


def through(limiter_calls: list[Call], requests_per_minute: float, tokens_per_minute: float) -> Seen:
    """Sends calls through a limiter in virtual time."""
    loop = VirtualLoop()
    seen = Seen([])

    async def one(limiter: AdaptiveLimiter, call: Call) -> None:
        await asyncio.sleep(call.at)
        try:
            async with asyncio.timeout(call.gives_up_after):
                slot = await limiter.acquire(call.tokens)
        except TimeoutError:
            return
        seen.started.append((loop.time(), call.tokens))
        seen.over_the_limit += limiter.in_flight > limiter.limit
        await asyncio.sleep(call.seconds)
        limiter.release(slot, Ended(call.tokens, call.throttled, call.throttled))
        assert 1 <= limiter.limit <= 8

    async def all_of_them() -> None:
        limiter = AdaptiveLimiter(
            LimitConfig(least=1, most=8, start=4),
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            monotonic=loop.time,
        )
        await asyncio.gather(*(one(limiter, call) for call in limiter_calls))
        assert (limiter.in_flight, limiter.waiting) == (0, 0), "a slot leaked"
        slot = await asyncio.wait_for(limiter.acquire(1), 600)
        limiter.release(slot, Ended(1, False, False))

    try:
        loop.run_until_complete(all_of_them())
    finally:
        loop.end()
    return seen


@settings(deadline=None, max_examples=60)
@given(st.lists(calls, max_size=60), st.integers(30, 600), st.integers(300, 6000))
def test_no_window_sees_more_than_its_share_and_the_burst_and_no_slot_leaks(
    limiter_calls: list[Call], requests_per_minute: int, tokens_per_minute: int
) -> None:
    seen = through(limiter_calls, requests_per_minute, tokens_per_minute)
    assert seen.over_the_limit == 0
    request_burst = max(requests_per_minute / 30, 1.0)
    token_burst = max(tokens_per_minute / 30, 1.0)
    largest = max((tokens for _, tokens in seen.started), default=0)
    for first, (begin, _) in enumerate(seen.started):
        spent = 0
        for number, (at, tokens) in enumerate(seen.started[first:], 1):
            spent += tokens
            assert number <= (at - begin) * requests_per_minute / 60 + request_burst + 1 + 1e-6
            assert spent <= (at - begin) * tokens_per_minute / 60 + token_burst + largest + 1e-6


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40))
def test_after_throttling_the_limit_finds_its_way_up_again(rounds: int) -> None:
    now = [0.0]
    limiter = AdaptiveLimiter(LimitConfig(least=1, most=64, start=32), monotonic=lambda: now[0])

    async def one_round(throttled: bool) -> None:
        slots = []
        while limiter.in_flight < limiter.limit:
            slots.append(await limiter.acquire(1))
        now[0] += 1.0
        for slot in slots:
            limiter.release(slot, Ended(1, throttled, throttled))
        now[0] += 60.0

    async def rounds_of_throttling_and_then_none() -> None:
        for _ in range(rounds):
            await one_round(True)
        assert limiter.limit < 32
        for _ in range(80):
            await one_round(False)

    asyncio.run(rounds_of_throttling_and_then_none())
    assert limiter.limit >= 48


def test_records_that_were_finished_ahead_leave_no_lag_behind_a_restart() -> None:
    before = OffsetTracker(0)
    assert before.take(0)
    assert before.take(1)
    place = before.preview({1})
    assert place is not None
    after = OffsetTracker(place[0], decode(*place))
    assert after.take(0)
    assert after.preview({0}) == (1, encode(1, [(1, 1)]))
    after.finish([0])
    assert not after.take(1)
    assert after.advance(2), "the map is still to be taken back"
    assert after.preview() == (2, "")
    assert not after.advance(2)
