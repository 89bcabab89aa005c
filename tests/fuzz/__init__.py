"""Coverage-guided fuzzing: `make fuzz SECONDS=n` (needs the extra `fuzz`). The suite runs the same targets with Hypothesis."""
