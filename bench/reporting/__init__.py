"""From measurements to tables, plots and targets."""
