"""Explorer: one page on which bits, arrays, memories and technology are chosen and costed."""
