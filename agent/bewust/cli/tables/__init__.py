"""What commands show as tables, drawn with rich; printed by the command line only."""
