"""The actors: one folder a component, and the ground they stand on (`system`, `runtime`, `supervision`, `ports`)."""
