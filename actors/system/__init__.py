"""AsyncioSystemBase: Thespian's actors in an asyncio event loop."""

from openoutcry.actors.system.address import CellAddress
from openoutcry.actors.system.base import AsyncioSystemBase
from openoutcry.actors.system.cell import Cell
from openoutcry.actors.system.scheduler import Scheduler
from openoutcry.actors.system.tasks import TaskHandle
from openoutcry.actors.system.timers import Timer

__all__ = ["AsyncioSystemBase", "Cell", "CellAddress", "Scheduler", "TaskHandle", "Timer"]
