"""What the actors say to each other: frozen values, one module a conversation, nothing imported from the layers above."""
