"""openoutcry: exchange connectors for trading bots, each a supervised tree of actors."""
