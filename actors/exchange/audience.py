"""Who hears what a component publishes, when its audience is fixed by roles."""

from collections.abc import Iterable
from typing import Any

from openoutcry.actors.roles import FACADE
from openoutcry.actors.runtime import ComponentActor


class Publisher(ComponentActor):
    """A component that tells some roles, and the facade, what is new."""

    def publish(self, roles: Iterable[str], message: Any) -> None:
        """Tell each of these roles that is up now; the facade, as the parent, always is."""
        for role in roles:
            self.publish_to(role, message)

    def publish_to(self, role: str, message: Any) -> None:
        """Tell one role, if it is up now: who comes up later is told then."""
        if self.has_peer(role):
            self.tell(role, message)
        elif role == FACADE and self._parent is not None:
            self.send(self._parent, message)
