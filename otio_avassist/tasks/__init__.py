"""What can be done for a timeline: one module a task, each with `Options` and `analyse`."""
