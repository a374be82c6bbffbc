"""The only place where the console is wired."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from floodgate.catalogue import Catalogue
from floodgate.catalogue.opening import open_catalogue
from floodgate.events.serde import AvroSerde
from floodgate.mode_switch import follow_modes
from floodgate.service import EventProducer, HttpApp, Service
from floodgate.settings import CatalogueSettings, KafkaSettings, OpenSearchSettings, RegistrySettings, load
from floodgate.telemetry import get_logger
from keyflow.errors import KeyflowError
from starlette.types import ASGIApp

from console.adapters.dead_letter_desk import DeadLetterDesk
from console.adapters.kafka_lag import KafkaLag
from console.adapters.kafka_projector import KafkaProjector
from console.adapters.kafka_records import KafkaRecords
from console.adapters.opensearch_projection import OpenSearchProjection
from console.adapters.opensearch_proposals import OpenSearchProposals
from console.adapters.opensearch_syncs import OpenSearchSyncs
from console.adapters.prometheus import PrometheusScraper
from console.gathering import Gathering
from console.http.app import make_app
from console.http.changes import Changes
from console.http.desk import Desk, Proposals
from console.http.rendering import Renderer
from console.http.routes import Pages
from console.http.security import Access
from console.http.sign_in import SignIn
from console.recording import Recorder
from console.redriving import RedriveJobs
from console.settings import ConsoleSettings

NAME: Final = "console"

log = get_logger(__name__)


@dataclass(slots=True)
class _Stopper:
    """Lets open event streams end when the service stops."""

    stopping: asyncio.Event
    name: str = "stopper"

    async def run(self, stop: asyncio.Event) -> None:
        """Waits for the stop."""
        await stop.wait()
        self.stopping.set()


def build() -> Service:
    """The service with its settings from the environment.

    Raises:
        FatalError: A setting is missing or wrong, or access beyond loopback is not guarded.
    """
    return bootstrap(load(ConsoleSettings))


def bootstrap(
    settings: ConsoleSettings, *, local_user: str | None = None, catalogue: Catalogue | None = None
) -> Service:
    """The service; whatever is passed takes the place of the real thing.

    Raises:
        FatalError: A setting is missing or wrong.
    """
    kafka, serde = load(KafkaSettings), AvroSerde(load(RegistrySettings))
    projection = OpenSearchProjection(load(OpenSearchSettings), settings.index)
    projector = KafkaProjector(kafka, serde, projection, keep=timedelta(days=settings.keep_days))
    records, lag = KafkaRecords(kafka, serde), KafkaLag(kafka)
    scraper, producer = PrometheusScraper(settings.metrics_urls), EventProducer(kafka, serde)
    modes = follow_modes(serde)
    gathering = Gathering(
        settings,
        projection,
        projector,
        records=records,
        lag=lag,
        scraper=scraper,
        syncs=OpenSearchSyncs(projection, settings.knowledge_syncs),
        modes=modes,
        catalogue=catalogue or _catalogue(),
    )
    jobs = RedriveJobs(DeadLetterDesk(kafka, serde), settings.redrive_per_second)
    app = web(
        settings,
        # In a container nobody is logged in, and elsewhere than on loopback nobody is asked.
        local_user or (getpass.getuser() if settings.access == "local" else ""),
        gathering,
        recorder=Recorder(producer),
        desk=DeadLetterDesk(kafka, serde),
        proposals=OpenSearchProposals(projection),
        jobs=jobs,
    )

    async def close() -> None:
        await projection.aclose()
        await scraper.aclose()
        await producer.close()
        await lag.aclose()
        await asyncio.to_thread(records.close)

    on_stop: list[Callable[[], Awaitable[None]]] = [close]
    return Service(
        name=NAME,
        tasks=(projector, modes, jobs, _Stopper(gathering.stopping)),
        http=HttpApp(app, settings.host, settings.port),
        on_stop=on_stop,
    )


def web(
    settings: ConsoleSettings,
    local_user: str,
    gathering: Gathering,
    *,
    recorder: Recorder,
    desk: DeadLetterDesk,
    proposals: Proposals,
    jobs: RedriveJobs,
) -> ASGIApp:
    """The web side over what it is given."""
    access, renderer = Access(settings, local_user), Renderer()
    pages = Pages(access, renderer, gathering)
    pages.add(Changes(pages, gathering, recorder).router)
    pages.add(Desk(pages, gathering, recorder, desk=desk, proposals=proposals, jobs=jobs, settings=settings).router)
    sign_in = SignIn(settings) if settings.access == "oidc" else None
    return make_app(settings, access, pages, renderer, sign_in)


def _catalogue() -> Catalogue | None:
    """The catalogue for titles and workflows; pages do without where it is not at hand."""
    try:
        return open_catalogue(load(CatalogueSettings)).catalogue
    except KeyflowError as error:
        log.warning("console.no_catalogue", error=str(error))
        return None
