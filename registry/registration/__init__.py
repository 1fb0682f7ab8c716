"""From a packaged model directory to a version."""
