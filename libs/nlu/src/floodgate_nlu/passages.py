"""Answers without a tool: the sentences of the given passages that are nearest to the question."""

from typing import Final

from floodgate_nlu.embedding import embed
from floodgate_nlu.prompting import part, parts, user_text
from floodgate_nlu.text import clip, sentences, tokens
from floodgate_nlu.types import ModelCall

_SIZE: Final = 256
_MIN_SIMILARITY: Final = 0.15
_CHARS_PER_TOKEN: Final = 3
_SENTENCES: Final = 2
CANNOT_ANSWER: Final = "I cannot answer this from the information given."


def answer_from_passages(call: ModelCall) -> str:
    """A short extractive answer, or the plain statement that there is none."""
    prompt = user_text(call)
    question = part(prompt, "customer_message") or part(prompt, "question") or prompt
    passages = parts(prompt, "passage") or parts(call.system, "passage")
    wanted = embed(question, _SIZE)
    candidates = [
        (sum(a * b for a, b in zip(wanted, embed(sentence, _SIZE), strict=True)), sentence)
        for passage in passages
        for sentence in sentences(passage.text)
        if len(tokens(sentence)) >= 3
    ]
    best = sorted(candidates, key=lambda pair: (-pair[0], pair[1]))[:_SENTENCES]
    chosen = [sentence for similarity, sentence in best if similarity >= _MIN_SIMILARITY]
    if not chosen:
        return clip(CANNOT_ANSWER, max(call.max_tokens, 16) * _CHARS_PER_TOKEN)
    return clip(" ".join(chosen), max(call.max_tokens, 16) * _CHARS_PER_TOKEN)
