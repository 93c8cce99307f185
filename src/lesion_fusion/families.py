"""The families of models that stand on the leaderboard."""

FAMILIES = ("clinical", "imaging", "fusion")
