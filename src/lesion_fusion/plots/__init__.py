"""Every plot, in one style, drawn without global state."""
