"""Steps that join several rooms: engines, images, teachers, cost tables, the demo."""
