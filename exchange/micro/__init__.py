"""Programs as int8 TFLite files that TFLite-Micro executes to the same codes."""
