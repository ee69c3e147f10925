"""Facts of an integer program that every accelerator needs: unsigned codes, demands, regions."""
