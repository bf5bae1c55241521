"""How long one message takes from actor to actor: a ping-pong through `self.send`, by system base.

Beside them what a mailbox costs by hand: a deque of messages that one loop hands out, and a pair of asyncio queues.
Processor time of this process; on one core.

    python benchmarks/actor_hop.py [--hops N] [--rounds N] [--json]
"""

import argparse
import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rounds import METHOD, best, pin, spread_of, take_turns
from thespian.actors import Actor, ActorSystem

from openoutcry.actors.system import AsyncioSystemBase


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


def by_system_base(make_base: Callable[[], Any]) -> Callable[[int], float]:
    """A measurement of one system base: seconds of processor time for a number of hops."""

    def seconds(hops: int) -> float:
        system = ActorSystem(make_base(), logDefs=False, transientUnique=True)
        try:
            one, other = system.createActor(Player), system.createActor(Player)
            system.tell(other, (one, 0))
            before = time.process_time()
            assert system.ask(one, (other, hops), 300) == "over"
            return time.process_time() - before
        finally:
            system.shutdown()

    return seconds


class _Hand:
    """A player without an actor system."""

    def __init__(self, mail: deque[tuple["_Hand", int, "_Hand"]]) -> None:
        self._mail = mail

    def receive(self, message: int, sender: "_Hand") -> None:
        if message:
            self._mail.append((sender, message - 1, self))


def by_deque(hops: int) -> float:
    """The floor: one mailbox for all, no supervision, no addresses."""
    mail: deque[tuple[_Hand, int, _Hand]] = deque()
    one, other = _Hand(mail), _Hand(mail)
    mail.append((one, hops, other))
    before = time.process_time()
    while mail:
        receiver, message, sender = mail.popleft()
        receiver.receive(message, sender)
    return time.process_time() - before


def by_asyncio_queues(hops: int) -> float:
    """Two tasks, a queue each."""

    async def play(own: asyncio.Queue[int], others: asyncio.Queue[int]) -> None:
        while True:
            count = await own.get()
            others.put_nowait(count - 1)
            if count <= 1:
                return

    async def run() -> float:
        one: asyncio.Queue[int] = asyncio.Queue()
        other: asyncio.Queue[int] = asyncio.Queue()
        one.put_nowait(hops)
        before = time.process_time()
        await asyncio.gather(play(one, other), play(other, one))
        return time.process_time() - before

    return asyncio.run(run())


CANDIDATES: dict[str, Callable[[int], float]] = {
    "AsyncioSystemBase": by_system_base(AsyncioSystemBase),
    "simpleSystemBase": by_system_base(lambda: "simpleSystemBase"),
    "deque by hand": by_deque,
    "asyncio.Queue": by_asyncio_queues,
}


def table(report: dict[str, Any]) -> str:
    lines = [f"Actor hop: {report['hops']:,} messages, µs of CPU a message", f"{'':32}{'best':>10}  rounds"]
    for name, row in report["rows"].items():
        lines.append(f"{name:32}{row['us_a_hop']:>10.2f}  {spread_of(row, 'us_a_hop', digits=2)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hops", type=int, default=200_000, help="messages in a round (default: 200000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    pin(0)
    hops = options.hops + options.hops % 2
    rows = take_turns(CANDIDATES, options.rounds, lambda name: {"us_a_hop": CANDIDATES[name](hops) / hops * 1e6})
    report = {
        "benchmark": "actor_hop",
        "method": METHOD,
        "hops": hops,
        "rows": {name: best(of_one) for name, of_one in rows.items()},
    }
    print(json.dumps(report) if options.json else table(report))


if __name__ == "__main__":
    main()
