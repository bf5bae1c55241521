"""What the actors say to each other: frozen values, one module a conversation. Nothing from the layers above."""
