"""Supervision as declared data: child specs in start order, a strategy, a restart intensity."""

from dataclasses import dataclass, field
from enum import StrEnum


class Strategy(StrEnum):
    """Who is restarted when a child ends abnormally."""

    ONE_FOR_ONE = "one_for_one"
    """That child alone."""
    REST_FOR_ONE = "rest_for_one"
    """That child and those that were started after it."""
    ONE_FOR_ALL = "one_for_all"
    """All children."""


class Restart(StrEnum):
    """When a child is restarted."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after a failure."""
    TEMPORARY = "temporary"
    """Never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """One child."""

    role: str
    actor: type
    restart: Restart = Restart.PERMANENT
    depends_on: tuple[str, ...] = ()
    """Roles that this one asks things of; they stand before it, so that they are started first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """What a supervisor does. Children are started in this order and stopped in the reverse one.

    Raises:
        ValueError: two children of one role, or a dependency that is not started before.
    """

    children: tuple[ChildSpec, ...]
    strategy: Strategy = Strategy.ONE_FOR_ONE
    max_restarts: int = 5
    """Restarts within `period_s` that are borne; one more and the failure goes to the level above."""
    period_s: float = 60.0
    is_budget_shared: bool = True
    """Whether all children draw on one budget, as in OTP; otherwise each has one of its own."""
    backoff_initial_s: float = 0.05
    backoff_max_s: float = 10.0
    lasting_retry_s: float = 3.0
    """How long after a failure that only a person can mend the child is tried again."""
    by_role: dict[str, ChildSpec] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.max_restarts < 0 or self.period_s <= 0:
            raise ValueError("max_restarts must be 0 or more and period_s more than 0")
        seen: dict[str, ChildSpec] = {}
        for child in self.children:
            if child.role in seen:
                raise ValueError(f"two children have the role {child.role}")
            missing = [role for role in child.depends_on if role not in seen]
            if missing:
                raise ValueError(f"{child.role} depends on {', '.join(missing)}, which must stand before it")
            seen[child.role] = child
        object.__setattr__(self, "by_role", seen)
