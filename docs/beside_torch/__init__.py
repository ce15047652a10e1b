"""What torch has, and what one writes here: a table for each area, and the names that torch itself lists."""
