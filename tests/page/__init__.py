"""The page in real browsers. A package, so that its browser and its server end with its last test in a process."""
