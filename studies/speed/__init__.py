"""Speed beside other tools, as ratios in one run."""
