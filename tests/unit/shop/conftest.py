from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from floodgate_local.inprocess import serving
from floodgate_local.shop.app import create_app
from floodgate_local.shop.seed import seed
from floodgate_local.shop.store import ShopStore

TODAY = date(2026, 11, 22)


@pytest.fixture
def store(tmp_path: Path) -> ShopStore:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return ShopStore(tmp_path / "shop.sqlite", today=TODAY, seeder=seed, clock=lambda: noon)


@pytest.fixture
async def shop(store: ShopStore) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a freshly seeded shop whose day is TODAY."""
    async with (
        serving(create_app(store, "shop-token")) as transport,
        httpx.AsyncClient(
            transport=transport,
            base_url="http://shop.test",
            headers={"Authorization": "Bearer shop-token"},
        ) as client,
    ):
        yield client


Change = Callable[..., Any]


@pytest.fixture
def change(shop: httpx.AsyncClient) -> Change:
    """Asks for a change: `await change(7, "orders/TK-40007/refund", {...}, key="…")`."""
    asked = 0

    async def ask(n: int, path: str, body: dict[str, Any] | None = None, *, key: str = "") -> httpx.Response:
        nonlocal asked
        asked += 1
        headers = {"X-Contact-Id": f"cust-{n:04d}", "Idempotency-Key": key or f"key-{asked:08d}"}
        return await shop.post(f"/v1/{path}", json=body, headers=headers)

    return ask
