"""`python -m floodgate_local up|down|status|…`: the same commands as `floodgate stack`."""

from __future__ import annotations

from floodgate_local.cli import stack

stack(prog_name="python -m floodgate_local")
