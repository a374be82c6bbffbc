"""The local server's prompt cache, by the rules that AWS publishes."""

from floodgate_local.bedrock.models import ModelInfo, find_model
from floodgate_local.bedrock.prompt_cache import Block, CacheUse, PromptCache
from hypothesis import given
from hypothesis import strategies as st


def model(model_id: str) -> ModelInfo:
    found = find_model(model_id)
    assert found is not None
    return found


NOVA = model("amazon.nova-lite-v1:0")
HAIKU_45 = model("anthropic.claude-haiku-4-5-20251001-v1:0")
SONNET_45 = model("anthropic.claude-sonnet-4-5-20250929-v1:0")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def ask(cache: PromptCache, *blocks: Block, account: str = "a", model: ModelInfo = NOVA) -> CacheUse:
    plan = cache.look(account, model, blocks)
    cache.keep(plan)
    return plan.use


def test_the_first_call_writes_the_prefix_and_the_next_reads_it() -> None:
    cache = PromptCache(Clock())
    prefix = Block("system", 1_200, "5m")
    assert ask(cache, prefix, Block("one", 50)) == CacheUse(0, 1_200, "5m")
    assert ask(cache, prefix, Block("two", 60)) == CacheUse(1_200, 0, None)


def test_a_prefix_below_the_minimum_is_ignored_without_a_word() -> None:
    cache = PromptCache(Clock())
    for _ in range(2):
        assert ask(cache, Block("system", 999, "5m"), Block("x", 500)) == CacheUse()


def test_the_minimum_is_the_models() -> None:
    prefix = Block("system", 1_500, "5m")
    assert ask(PromptCache(Clock()), prefix, model=SONNET_45).write_tokens == 1_500
    assert ask(PromptCache(Clock()), prefix, model=HAIKU_45) == CacheUse()


def test_what_comes_before_the_point_counts_in_order_tools_system_messages() -> None:
    cache = PromptCache(Clock())
    tools, system = Block("tools", 600), Block("system", 600, "5m")
    assert ask(cache, tools, system).write_tokens == 1_200
    assert ask(cache, Block("other tools", 600), system).read_tokens == 0


def test_one_changed_character_is_a_miss() -> None:
    cache = PromptCache(Clock())
    ask(cache, Block("system.", 1_200, "5m"))
    assert ask(cache, Block("system,", 1_200, "5m")).read_tokens == 0


def test_a_hit_renews_the_five_minutes() -> None:
    clock = Clock()
    cache = PromptCache(clock)
    prefix = Block("system", 1_200, "5m")
    ask(cache, prefix)
    for _ in range(3):
        clock.now += 299
        assert ask(cache, prefix).read_tokens == 1_200
    clock.now += 301
    assert ask(cache, prefix) == CacheUse(0, 1_200, "5m")


def test_an_hour_is_kept_where_asked_and_allowed() -> None:
    clock = Clock()
    cache = PromptCache(clock)
    prefix = Block("system", 1_200, "1h")
    assert ask(cache, prefix, model=SONNET_45).write_ttl == "1h"
    assert ask(cache, prefix, model=NOVA).write_ttl == "5m"
    clock.now += 3_000
    assert ask(cache, prefix, model=SONNET_45).read_tokens == 1_200
    assert ask(cache, prefix, model=NOVA).read_tokens == 0


def test_accounts_and_models_do_not_share_entries() -> None:
    cache = PromptCache(Clock())
    prefix = Block("system", 1_200, "5m")
    ask(cache, prefix)
    assert ask(cache, prefix, account="b").read_tokens == 0
    assert ask(cache, prefix, model=SONNET_45).read_tokens == 0


def test_only_what_is_new_since_the_longest_hit_is_written() -> None:
    cache = PromptCache(Clock())
    ask(cache, Block("system", 1_200, "5m"))
    use = ask(cache, Block("system", 1_200, "5m"), Block("turn", 300, "5m"))
    assert (use.read_tokens, use.write_tokens) == (1_200, 300)


def test_claude_finds_an_entry_before_the_point_and_nova_does_not() -> None:
    for which, read in ((SONNET_45, 1_200), (NOVA, 0)):
        cache = PromptCache(Clock())
        ask(cache, Block("turn 1", 1_200, "5m"), model=which)
        use = ask(cache, Block("turn 1", 1_200), Block("turn 2", 100), Block("turn 3", 50, "5m"), model=which)
        assert use.read_tokens == read


def test_nova_does_not_keep_more_than_its_maximum() -> None:
    assert ask(PromptCache(Clock()), Block("system", 20_001, "5m")) == CacheUse()


def test_calls_that_began_before_the_first_answer_all_write() -> None:
    cache = PromptCache(Clock())
    plans = [cache.look("a", NOVA, [Block("system", 1_200, "5m")]) for _ in range(3)]
    for plan in plans:
        cache.keep(plan)
    assert [plan.use.write_tokens for plan in plans] == [1_200] * 3


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 900), st.booleans()), max_size=6))
def test_read_and_written_tokens_never_exceed_the_prompt(parts: list[tuple[str, int, bool]]) -> None:
    cache = PromptCache(Clock())
    blocks = [Block(text, tokens, "5m" if point else None) for text, tokens, point in parts]
    first, second = ask(cache, *blocks), ask(cache, *blocks)
    total = sum(block.tokens for block in blocks)
    assert first.read_tokens + first.write_tokens <= total
    assert (second.read_tokens, second.write_tokens) == (first.write_tokens + first.read_tokens, 0)
