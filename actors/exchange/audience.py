"""Who hears what a component publishes, when its audience is fixed by roles."""

from collections.abc import Iterable
from typing import Any

from openoutcry.actors.runtime import ComponentActor


class Publisher(ComponentActor):
    """A component that tells some roles what is new. Not every tree has all of them, and all are restarted at times."""

    def publish(self, roles: Iterable[str], message: Any) -> None:
        """Tell each of these roles that is up now."""
        for role in roles:
            self.publish_to(role, message)

    def publish_to(self, role: str, message: Any) -> None:
        """Tell one role, if it is up now."""
        if self.has_peer(role):
            self.tell(role, message)
