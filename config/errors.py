"""What is wrong with a config, in words for the person who wrote it."""


class ConfigError(Exception):
    """One or more mistakes in a config. No text in it ever shows a secret.

    Args:
        mistakes: one sentence each, with the key's path and what is allowed.
        source: the file the config was read from; empty when it came from elsewhere.
    """

    def __init__(self, *mistakes: str, source: str = "") -> None:
        super().__init__(*mistakes)
        self.mistakes: tuple[str, ...] = mistakes
        self.source = source

    def __str__(self) -> str:
        if len(self.mistakes) == 1:
            return f"{self.source}: {self.mistakes[0]}" if self.source else self.mistakes[0]
        where = f" in {self.source}" if self.source else ""
        return "\n".join([f"{len(self.mistakes)} mistakes{where}:", *(f"  {mistake}" for mistake in self.mistakes)])
