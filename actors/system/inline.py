"""A synchronous ask or listen in the loop's own thread: it has to hand out the messages itself."""

from __future__ import annotations

from typing import Any

from openoutcry.actors.system.external import ExternalMailbox
from openoutcry.actors.system.kernel import Kernel


def hand_out_until_answered(kernel: Kernel, mailbox: ExternalMailbox, timeout_s: float | None) -> Any | None:
    """Run actors and fire due timers until `mailbox` has an answer or `timeout_s` seconds of the loop's clock are over.

    Without a time-out, return None as soon as nobody has mail: to wait would hold the loop up for ever.
    """
    deadline = None if timeout_s is None else kernel.loop.time() + timeout_s
    while not len(mailbox):
        kernel.timers.fire_due()
        if kernel.step():
            if deadline is not None and kernel.loop.time() >= deadline:
                break
        elif deadline is None or not _wait(kernel, deadline):
            break
    return mailbox.take()


def _wait(kernel: Kernel, deadline: float) -> bool:
    """Let time pass until there may be something to do; return False once `deadline` is reached."""
    before = kernel.loop.time()
    if before >= deadline:
        return False
    next_due = kernel.timers.next_due()
    until = deadline if next_due is None else min(deadline, next_due)
    had_news = kernel.wait_for_news(max(0.0, until - before))
    # A clock that stands still (virtual time is moved by the loop, which waits for us) would keep us for ever.
    return had_news or until <= before or kernel.loop.time() > before
