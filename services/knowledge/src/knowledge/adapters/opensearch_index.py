"""One index per version behind an alias; readers are switched in one step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from floodgate.knowledge.errors import opensearch_errors, status_error
from floodgate.knowledge.indices import (
    EXAMPLES_ALIAS,
    KNOWLEDGE_ALIAS,
    Document,
    example_document,
    examples_index,
    index_name,
    knowledge_index,
    passage_document,
    passage_text,
)
from keyflow.errors import RetryableError
from opensearchpy import OpenSearch, helpers

from knowledge.domain.corpus import Corpus, text_key
from knowledge.ports import Vectors

_CHUNK_SIZE: Final = 250


@dataclass(frozen=True, slots=True)
class Aliases:
    """Under which names services search."""

    knowledge: str = KNOWLEDGE_ALIAS
    examples: str = EXAMPLES_ALIAS


class OpenSearchIndex:
    """See `SearchIndex`; connects with its first call.

    Args:
        client: OpenSearch's client.
        replicas: Copies of each index beside the first.
        aliases: Under which names services search.
    """

    def __init__(self, client: OpenSearch, *, replicas: int = 0, aliases: Aliases | None = None) -> None:
        self._client = client
        self._replicas = replicas
        self._aliases = aliases or Aliases()

    def serves(self, corpus: Corpus) -> bool:
        """See `SearchIndex.serves`."""
        found = self.describe()
        return all(
            found.get(alias) == {"index": index_name(alias, corpus.version), "documents": count}
            for alias, count in self._counts(corpus).items()
        )

    def fill(self, corpus: Corpus, vectors: Vectors) -> None:
        """See `SearchIndex.fill`; what an earlier run left half-done under these names is replaced.

        Raises:
            RetryableError: OpenSearch was busy, or lost documents on the way.
            OutageError: OpenSearch cannot be reached.
        """
        knowledge, examples = (index_name(alias, corpus.version) for alias in self._counts(corpus))
        served = {entry["index"] for entry in self.describe().values()}
        if knowledge not in served:
            self._create(knowledge, knowledge_index(replicas=self._replicas))
        if examples not in served:
            self._create(examples, examples_index(replicas=self._replicas))
        self._load(knowledge, _passages(corpus, vectors))
        self._load(examples, _examples(corpus, vectors))
        self._verify(corpus)

    def switch(self, corpus: Corpus) -> list[str]:
        """See `SearchIndex.switch`; leftovers of broken runs go as well."""
        wanted = {alias: index_name(alias, corpus.version) for alias in self._counts(corpus)}
        actions: list[Document] = []
        removed: list[str] = []
        for alias, index in wanted.items():
            actions.append({"add": {"index": index, "alias": alias}})
            removed += [name for name in self._versions_of(alias) if name != index]
        actions += [{"remove_index": {"index": name}} for name in removed]
        with opensearch_errors("switching to the new indices"):
            self._client.indices.update_aliases(body={"actions": actions})
        return removed

    def describe(self) -> dict[str, Any]:
        """See `SearchIndex.describe`."""
        found: dict[str, Any] = {}
        for alias in (self._aliases.knowledge, self._aliases.examples):
            with opensearch_errors("looking up the aliases"):
                if not self._client.indices.exists_alias(name=alias):
                    continue
                indices = sorted(self._client.indices.get_alias(name=alias))
                found[alias] = {
                    "index": ", ".join(indices),
                    "documents": int(self._client.count(index=alias)["count"]),
                }
        return found

    def _counts(self, corpus: Corpus) -> dict[str, int]:
        """How many documents belong behind each alias."""
        return {self._aliases.knowledge: len(corpus.chunks), self._aliases.examples: len(corpus.examples)}

    def _versions_of(self, alias: str) -> list[str]:
        with opensearch_errors("listing the indices"):
            return sorted(self._client.indices.get(index=f"{alias}-*", expand_wildcards="open"))

    def _create(self, name: str, definition: Document) -> None:
        with opensearch_errors(f"creating the index {name}"):
            self._client.indices.delete(index=name, ignore_unavailable=True)
            self._client.indices.create(index=name, body=definition)

    def _load(self, index: str, documents: Iterator[tuple[str, Document]]) -> None:
        actions = ({"_index": index, "_id": key, "_source": document} for key, document in documents)
        doing = f"filling the index {index}"
        with opensearch_errors(doing):
            outcomes = helpers.streaming_bulk(
                self._client, actions, chunk_size=_CHUNK_SIZE, raise_on_error=False, max_retries=2
            )
            for done, outcome in outcomes:
                if not done:
                    detail = next(iter(outcome.values()))
                    kind = detail.get("error", {}).get("type", "")
                    raise status_error(f"{doing} ({detail.get('_id', '')})", detail.get("status", 500), kind)
            self._client.indices.refresh(index=index)

    def _verify(self, corpus: Corpus) -> None:
        for alias, expected in self._counts(corpus).items():
            name = index_name(alias, corpus.version)
            with opensearch_errors(f"counting the index {name}"):
                count = int(self._client.count(index=name)["count"])
            if count != expected:
                raise RetryableError(f"the index {name} has {count} of {expected} documents: run the sync again")


def _passages(corpus: Corpus, vectors: Vectors) -> Iterator[tuple[str, Document]]:
    for chunk in corpus.chunks:
        others = [spoken for spoken in corpus.languages[chunk.article_id] if spoken != chunk.language]
        asked = corpus.questions.get(chunk.category or "", {})
        document = passage_document(
            chunk,
            vectors[text_key(passage_text(chunk))],
            questions={language: texts for language, texts in asked.items() if language not in others},
            translated_into=others,
        )
        yield chunk.chunk_id, document


def _examples(corpus: Corpus, vectors: Vectors) -> Iterator[tuple[str, Document]]:
    for example in corpus.examples:
        vector = vectors[text_key(example.text)]
        document = example_document(example.category, example.language, example.text, vector)
        yield example.example_id, document
