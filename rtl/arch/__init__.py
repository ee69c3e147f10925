"""The parameter object of model and hardware, and the memories it implies."""
