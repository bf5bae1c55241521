"""How long one message takes from actor to actor: a ping-pong through `self.send`, by system base.

Run as `python benchmarks/actor_hop.py [hops]`. Processor time of this process, best of five runs, nothing else running.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from thespian.actors import Actor, ActorSystem

from openoutcry.actors.system import AsyncioSystemBase

RUNS = 5


class Player(Actor):  # type: ignore[misc]  # Thespian is untyped
    """Sends a falling count back and forth; whoever sees it reach zero reports to the caller."""

    caller: Any = None

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 (Thespian's name)
        if message.__class__ is int:
            if message:
                self.send(sender, message - 1)
            else:
                self.send(self.caller, "over")
        elif message.__class__ is tuple:
            self.caller = sender
            other, hops = message
            if hops:
                self.send(other, hops)


def seconds_a_hop(make_base: Callable[[], Any], hops: int) -> float:
    """Return the seconds of processor time of one message, over `hops` messages (an even number)."""
    system = ActorSystem(make_base(), logDefs=False, transientUnique=True)
    try:
        one, other = system.createActor(Player), system.createActor(Player)
        system.tell(other, (one, 0))
        before = time.process_time()
        assert system.ask(one, (other, hops), 300) == "over"
        return (time.process_time() - before) / hops
    finally:
        system.shutdown()


def main() -> None:
    hops = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    bases: dict[str, Callable[[], Any]] = {
        "AsyncioSystemBase": AsyncioSystemBase,
        "simpleSystemBase": lambda: "simpleSystemBase",
    }
    for name, make_base in bases.items():
        best = min(seconds_a_hop(make_base, hops) for _ in range(RUNS))
        print(f"{name:20} {best * 1e6:6.2f} µs a hop")


if __name__ == "__main__":
    main()
