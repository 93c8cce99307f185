"""Why a fitted model gives a case its probability."""
