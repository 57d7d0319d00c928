"""The suite itself is tried: whole histories at random, and defects that it must catch."""
