"""The hard cap on spending.

Before a call its greatest possible price is set aside, so that no answer can carry the sum past the cap. Near the
cap calls therefore wait for those under way, whose real price is lower; only a call that could pass the cap with
nothing else under way is refused.
"""

from __future__ import annotations

import asyncio

from floodgate.bedrock.errors import BudgetExceededError


class Budget:
    """What this process spent on model calls, and what it may spend.

    Args:
        max_usd: The cap; None for no cap.
    """

    def __init__(self, max_usd: float | None) -> None:
        self._max_usd = max_usd
        self._spent_usd = 0.0
        self._reserved_usd = 0.0
        self._settled = asyncio.Event()

    @property
    def spent_usd(self) -> float:
        return self._spent_usd

    async def reserve(self, most_usd: float) -> None:
        """Set the greatest possible price of a call aside.

        Raises:
            BudgetExceededError: When the call could carry the sum past the cap.
        """
        if self._max_usd is None:
            return
        while self._spent_usd + self._reserved_usd + most_usd > self._max_usd:
            if self._spent_usd + most_usd > self._max_usd:
                raise BudgetExceededError(
                    f"the cap of {self._max_usd:g} USD (MAX_USD) would be passed: {self._spent_usd:.6f} USD are "
                    f"spent and the next call may cost up to {most_usd:.6f} USD; raise MAX_USD to go on"
                )
            self._settled.clear()
            await self._settled.wait()
        self._reserved_usd += most_usd

    def settle(self, most_usd: float, cost_usd: float) -> None:
        """Replace what was set aside by what the call really cost."""
        if self._max_usd is not None:
            self._reserved_usd = max(self._reserved_usd - most_usd, 0.0)
        self._spent_usd += cost_usd
        self._settled.set()
