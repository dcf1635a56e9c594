"""What the road hands out besides a timeline: one format a file, each a function from a report to text."""
