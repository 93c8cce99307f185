"""How record and image are joined."""
