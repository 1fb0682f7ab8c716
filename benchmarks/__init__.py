"""What stagewright's speed and memory are, beside what a user would pick instead: `python -m benchmarks --help`."""
