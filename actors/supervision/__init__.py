"""Supervision, in Erlang/OTP's words: what a supervisor starts, and what it does when a child ends."""

from openoutcry.actors.supervision.spec import ChildSpec, Restart, Strategy, Supervision

__all__ = ["ChildSpec", "Restart", "Strategy", "Supervision"]
