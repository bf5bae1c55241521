"""The config: its schema, its loading, and where secrets come from."""
