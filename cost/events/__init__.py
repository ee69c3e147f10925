"""What happens while a layer runs, counted."""
