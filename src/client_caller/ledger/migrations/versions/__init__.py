"""One file per step, v0001 first. A step that has been released is not edited."""
