"""Scripts for the menu of DaVinci Resolve Studio, and what puts them where it looks for them."""
