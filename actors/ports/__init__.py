"""The ports: the only doors to the network and to the time. Everything else in the tree is pure or sends messages."""
