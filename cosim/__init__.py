"""Co-simulation, cycle model, technology tables, energy, reports."""
