"""What crosses rooms: engines, images, teachers, cost tables, the demo."""
